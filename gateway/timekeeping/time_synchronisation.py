"""Whether the time service of this system has synchronised the clock: by files, since the delivered unit of
systemd forbids the system calls that would ask the kernel."""

from __future__ import annotations

from pathlib import Path

_FOLDER = Path("/run/systemd/timesync")


def synchronised(folder: Path = _FOLDER) -> bool | None:
    """The state of systemd-timesyncd; None where it does not run."""
    if not folder.is_dir():
        return None
    return (folder / "synchronized").exists()
