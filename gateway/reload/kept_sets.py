"""The sets of settings that ran, kept beside the spool: the present one and the one before it.

Each is one file with the texts of the settings and of the user's own profiles, for its owner only.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from gateway.load import check_profiles
from gateway.reload.settings_set import SettingsSet
from gateway.settings import GatewaySettings
from qilu.config.profiles import profile_path, profiles, shipped_configs
from qilu.config.settings_file import load_text
from qilu.contract.errors import ConfigError, describe_os_error
from qilu.contract.profile import DeviceProfile
from qilu.runtime.private_files import is_file, make_folder, read_file, replace_file

FOLDER = "settings"
"""Its name, in the directory of the spool."""

Which = Literal["running", "previous"]


class SetTexts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The texts of one set. Relative paths in `settings` are relative to the folder of `file`."""

    file: str
    settings: str
    profiles: dict[str, str]
    format: Literal[1] = 1

    def load(self) -> SettingsSet:
        """The set; ConfigError where this version of the gateway does not take it."""
        folder = Path(self.file).parent
        settings = load_text(self.settings, GatewaySettings, file=f"{self.file} as it ran", folder=folder)
        known: dict[str, DeviceProfile] = {}
        for device in (device for source in settings.sources for device in source.devices):
            name = device.profile
            if name not in known and name in self.profiles:
                label = f"{name}.yaml as it ran"
                known[name] = load_text(self.profiles[name], DeviceProfile, file=label)
            elif name not in known:
                known |= profiles([name])
        check_profiles(settings, known)
        return SettingsSet.of(settings, known)


def texts_of(file: Path, settings: SettingsSet) -> SetTexts:
    """The texts of a set that was loaded from `file` just now; OSError where one cannot be read again."""
    shipped = shipped_configs() / "profiles"
    own = {}
    for name in settings.profiles:
        path = profile_path(name, settings.settings.profiles)
        if path.parent != shipped:
            own[name] = path.read_text(encoding="utf-8-sig")
    return SetTexts(str(file.absolute()), file.read_text(encoding="utf-8-sig"), own)


class KeptSets:
    """The two files in the directory of a spool."""

    def __init__(self, directory: Path) -> None:
        self._folder = directory / FOLDER

    def path(self, which: Which) -> Path:
        return self._folder / f"{which}.json"

    def exists(self, which: Which) -> bool:
        """Whether there is such a set, as far as this user may see."""
        return is_file(self.path(which))

    def load(self, which: Which) -> SettingsSet:
        """One of the sets; ConfigError where there is none, or where it is not valid any more."""
        return self.texts(which).load()

    def texts(self, which: Which) -> SetTexts:
        """The texts of one of the sets; ConfigError where there is none."""
        path = self.path(which)
        try:
            return msgspec.json.decode(read_file(path), type=SetTexts)
        except FileNotFoundError:
            problem, remedy = "no set is kept there", "a gateway keeps its set when it runs with this spool"
        except OSError as error:
            problem, remedy = f"cannot be read: {describe_os_error(error)}", "run this as the gateway's user"
        except msgspec.DecodeError as error:
            problem, remedy = f"is damaged: {error}", "delete it; the gateway keeps its set at the next start"
        raise ConfigError(problem, file=path, remedy=remedy)

    def running(self) -> SetTexts | None:
        """The texts of the set that ran last, where they can be read."""
        try:
            return self.texts("running")
        except ConfigError:
            return None

    def keep(self, texts: SetTexts) -> None:
        """This set runs now, and the one that ran before is the previous one. OSError: the disk refuses."""
        make_folder(self._folder)
        data = msgspec.json.format(msgspec.json.encode(texts), indent=1)
        running = self.path("running")
        try:
            before = read_file(running)
        except FileNotFoundError:
            before = data
        if before != data:
            replace_file(self.path("previous"), before, sync=True)
        replace_file(running, data, sync=True)
