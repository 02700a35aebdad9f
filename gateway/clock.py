"""The time of this edge: the timebase, fed every second, and its high-water mark kept across restarts."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from pathlib import Path

from qilu.runtime.timebase import Timebase

_log = logging.getLogger(__name__)

_EVERY = 1.0
"""Seconds between two looks at the wall clock, and between two savings of the mark."""

_DIGITS = 15


class Clock:
    """Gives readings their time; `file` keeps the highest time given out.

    The mark is written in place and not synced: a power cut may cost the last half minute of it, and only a
    wall clock that went back by then could make a time come twice.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        saved = _saved(file)
        wall = time.time()
        # Where the wall clock is safely past the mark nothing needs to be added to it.
        mark = saved if wall * 1000 > saved + _EVERY * 1000 else saved + int(_EVERY * 1000)
        self.timebase = Timebase(wall, time.monotonic(), high_water_ms=mark)
        self.steps = 0

    def now_ms(self) -> int:
        """UTC in ms; rises, but is not reserved for anybody."""
        return int(self.timebase.at(time.monotonic()) * 1000)

    async def run(self) -> None:
        """Watch the wall clock and save the mark until cancelled."""
        descriptor = None
        try:
            while True:
                await asyncio.sleep(_EVERY)
                if descriptor is None:
                    descriptor = self._open()
                step = self.timebase.observe(time.time(), time.monotonic())
                if step is not None:
                    self.steps += 1
                    _log.warning("the wall clock was set by %+.1f s", step.seconds)
                if descriptor is not None:
                    with contextlib.suppress(OSError):  # a full disk: the next second tries again
                        os.pwrite(descriptor, b"%0*d\n" % (_DIGITS, self.timebase.high_water_ms), 0)
        finally:
            if descriptor is not None:
                os.close(descriptor)

    def _open(self) -> int | None:
        try:
            return os.open(self._file, os.O_WRONLY | os.O_CREAT, 0o640)
        except OSError as error:
            _log.warning(
                "%s: %s; times may repeat if the clock goes back across a restart", self._file, error
            )
            return None


def _saved(file: Path) -> int:
    try:
        return int(file.read_bytes()[:_DIGITS])
    except (OSError, ValueError):
        return 0
