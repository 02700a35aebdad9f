"""When the time service of this system last synchronised the clock: by a file, since the delivered unit of
systemd forbids the system calls that would ask the kernel."""

from __future__ import annotations

from pathlib import Path

_FOLDER = Path("/run/systemd/timesync")

NEVER = 0
"""The service runs and has not synchronised the clock yet."""


def last_synchronised(folder: Path = _FOLDER) -> int | None:
    """A number that changes with each synchronisation by systemd-timesyncd; None where it does not run."""
    if not folder.is_dir():
        return None
    try:
        return (folder / "synchronized").stat().st_mtime_ns or 1
    except OSError:
        return NEVER
