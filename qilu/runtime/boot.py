"""Which boot of the operating system this is: a monotonic clock counts from there."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from uuid import UUID

UNKNOWN_BOOT = UUID(int=0)
VARIABLE = "QILU_BOOT_ID"
"""The units of systemd hide the file below (`ProcSubset=pid`) and give the id in this variable (`%b`)."""
_FILE = Path("/proc/sys/kernel/random/boot_id")


def boot_id(file: Path = _FILE, environment: Mapping[str, str] = os.environ) -> UUID:
    """The id of the present boot, new with each boot; UNKNOWN_BOOT where the system has none."""
    with suppress(OSError, ValueError):
        return UUID(file.read_text().strip())
    with suppress(KeyError, ValueError):
        return UUID(environment[VARIABLE])
    return UNKNOWN_BOOT
