"""Whether a time service synchronises the clock of this system: by the file of systemd-timesyncd, else by the
kernel, whose state chrony and ntpd set. The delivered unit of systemd forbids to ask the kernel; its drop-in
`kernel-clock.conf` allows it."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from pathlib import Path

_FOLDER = Path("/run/systemd/timesync")
_TIME_ERROR = 5
"""What adjtimex returns while the kernel holds the clock to be not synchronised, and since it was set."""
_TIMEX_BYTES = 512
"""Room for `struct timex`, with zeros: nothing is changed."""

NEVER = 0
"""A service is waited for, and has not synchronised the clock yet."""


def kernel_synchronised() -> bool | None:
    """Whether the kernel holds its clock to be synchronised; None where it must not or cannot be asked."""
    try:
        state = int(ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES)))
    except (AttributeError, OSError):
        return None
    return None if state < 0 else state != _TIME_ERROR


class TimeService:
    """Answers each call with a number that is another one after a synchronisation, NEVER until there was one,
    and None where no service is known. `required`: then NEVER stands for None."""

    def __init__(
        self,
        *,
        required: bool = False,
        folder: Path = _FOLDER,
        kernel: Callable[[], bool | None] = kernel_synchronised,
    ) -> None:
        self._folder = folder
        self._kernel = kernel
        self._required = required

    def __call__(self) -> int | None:
        if self._folder.is_dir():
            try:
                return (self._folder / "synchronized").stat().st_mtime_ns or 1
            except OSError:
                return NEVER
        if self._kernel():
            self._required = True  # there is a service: a clock that is set is right when it says so
            return time.monotonic_ns() or 1
        return NEVER if self._required else None
