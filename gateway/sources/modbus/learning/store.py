"""Learned limits, kept in the folder of the spool: a restart need not find them out again."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal
from zlib import crc32

from pydantic import Field

from gateway.sources.modbus.planning.plan import NOTHING_LEARNED, LearnedLimits
from qilu.config.settings_file import load
from qilu.contract.errors import ConfigError
from qilu.contract.profile import AddressRange, DeviceProfile, Table
from qilu.contract.reading import Reason
from qilu.contract.validation import FrozenModel
from qilu.runtime.private_files import is_file, make_folder, replace_file

_log = logging.getLogger(__name__)

LEARNED_FOLDER = "learned"
"""Its name, in the directory of the spool."""


class LearnedLimitsFile(FrozenModel):
    """Learned limits of one device; valid as long as its profile does not change."""

    format: Literal[1]
    """Of files like this one."""
    device: str
    profile: str
    fingerprint: str
    """Of the profile, which may have been changed since."""
    refused_points: Mapping[str, Reason] = {}
    unreadable: tuple[AddressRange, ...] = ()
    max_block: Mapping[Table, Annotated[int, Field(ge=1)]] = {}
    by_timeout: bool = False

    @classmethod
    def of(cls, device: str, profile: DeviceProfile, learned: LearnedLimits) -> LearnedLimitsFile:
        return cls(
            format=1,
            device=device,
            profile=profile.profile,
            fingerprint=fingerprint(profile),
            refused_points=dict(sorted(learned.refused_points.items())),
            unreadable=tuple(dict.fromkeys(learned.unreadable)),
            max_block=learned.max_block,
            by_timeout=learned.by_timeout,
        )

    @property
    def learned(self) -> LearnedLimits:
        return LearnedLimits(
            dict(self.refused_points), self.unreadable, dict(self.max_block), self.by_timeout
        )

    def text(self) -> str:
        """As YAML, for people."""
        head = f"Learned limits of {self.device}. Delete this file, and the gateway learns them again;"
        lines = [f"# {head}", "# `qilu profile apply-learned` merges them into the profile."]
        for key, value in self.model_dump(mode="json").items():
            if isinstance(value, list) and value and isinstance(value[0], dict):
                lines += [f"{key}:", *(f"  - {json.dumps(entry)}" for entry in value)]
            else:
                lines.append(f"{key}: {json.dumps(value, ensure_ascii=False)}")
        return "\n".join(lines) + "\n"


def fingerprint(profile: DeviceProfile) -> str:
    """Eight hex digits that change with anything in the profile."""
    return f"{crc32(profile.model_dump_json().encode()):08x}"


class LearnedLimitsStore:
    """One file for each device with learned limits, DEVICE.yaml in `folder`, replaced as a whole.

    It only saves time: a file that cannot be read or written is told, and never stops anything.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self, device: str, profile: DeviceProfile) -> LearnedLimits:
        """What was learned of this device with this very profile; nothing where there is no such file."""
        file = self._folder / f"{device}.yaml"
        if not is_file(file):
            return NOTHING_LEARNED
        try:
            kept = load(file, LearnedLimitsFile)
        except ConfigError as error:
            _log.warning("learned limits of %s are measured again, the file is unreadable: %s", device, error)
            return NOTHING_LEARNED
        if (kept.profile, kept.fingerprint) != (profile.profile, fingerprint(profile)):
            _log.info("learned limits of %s are measured again: its profile was changed", device)
            return NOTHING_LEARNED
        return kept.learned

    def keep(self, device: str, profile: DeviceProfile, learned: LearnedLimits) -> None:
        """Replace what was kept."""
        file = self._folder / f"{device}.yaml"
        try:
            if learned == NOTHING_LEARNED:
                file.unlink(missing_ok=True)
                return
            make_folder(self._folder)
            replace_file(file, LearnedLimitsFile.of(device, profile, learned).text().encode())
        except OSError as error:
            _log.warning("learned limits of %s are not saved: %s", device, error)
