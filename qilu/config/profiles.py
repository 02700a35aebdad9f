"""Finds device profiles: beside the settings first, then among those that come with Qilu."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import qilu
from qilu.config.error_texts import did_you_mean
from qilu.config.settings_file import load_with_line_index
from qilu.contract.errors import ConfigError
from qilu.contract.profile import DeviceProfile


def shipped_configs() -> Path:
    """The folder `configs` that comes with Qilu: inside the package when installed, else of the checkout."""
    package = Path(qilu.__file__).parent
    for folder in (package / "configs", package.parent / "configs"):
        if (folder / "profiles").is_dir():
            return folder
    raise ConfigError("this installation has no configs", file=package, remedy="install qilu again")


def profiles(names: Iterable[str], folder: Path | None = None) -> dict[str, DeviceProfile]:
    """The profile of each name, from NAME.yaml in `folder` or else from the shipped ones; each read once.

    ConfigError for a name that is nowhere and for a profile that is not valid.
    """
    return {name: _load(profile_path(name, folder)) for name in dict.fromkeys(names)}


def profile_of(name_or_file: str) -> DeviceProfile:
    """The profile in a file NAME.yaml, or the shipped one of this name; ConfigError: there is none."""
    file = Path(name_or_file)
    if file.suffix not in (".yaml", ".yml"):
        return _load(profile_path(name_or_file))
    return _load(file)


def profile_path(name: str, folder: Path | None = None) -> Path:
    """Where the profile `name` stands; ConfigError when it is nowhere."""
    folders = _folders(folder)
    for place in folders:
        if (place / f"{name}.yaml").is_file():
            return place / f"{name}.yaml"
    searched = " and ".join(map(str, folders))
    remedy = did_you_mean(name, known_profiles(folder), f"put {name}.yaml into {folders[0]}")
    raise ConfigError(f"there is no profile {name} in {searched}", remedy=remedy)


def known_profiles(folder: Path | None = None) -> list[str]:
    """The names of the profiles in `folder` and of the shipped ones, in their order."""
    files = [file for place in _folders(folder) if place.is_dir() for file in place.glob("*.yaml")]
    return sorted({file.stem for file in files})


def _folders(folder: Path | None) -> list[Path]:
    return [*([] if folder is None else [folder]), shipped_configs() / "profiles"]


def _load(path: Path) -> DeviceProfile:
    profile, places = load_with_line_index(path, DeviceProfile)
    if profile.profile != path.stem:
        problem = f"the profile {profile.profile} stands in a file of another name"
        raise places.error(problem, ("profile",), f"name the file {profile.profile}.yaml")
    return profile
