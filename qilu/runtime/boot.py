"""Which boot of the operating system this is: a monotonic clock counts from there."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

UNKNOWN_BOOT = UUID(int=0)
_FILE = Path("/proc/sys/kernel/random/boot_id")


def boot_id(file: Path = _FILE) -> UUID:
    """The id of the present boot, new with each boot; UNKNOWN_BOOT where the system has none."""
    try:
        return UUID(file.read_text().strip())
    except (OSError, ValueError):
        return UNKNOWN_BOOT
