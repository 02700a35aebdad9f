"""The time of this edge: the timebase, fed every second, and its high-water mark kept across restarts.

file = mark end blocked    15 digits, a character that says whether the process ended, 15 digits
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Callable, Hashable
from pathlib import Path

from qilu.runtime.timebase import ClockStep, Timebase

_log = logging.getLogger(__name__)

_EVERY = 1.0
"""Seconds between two looks at the wall clock, and between two savings of the mark."""

_DIGITS = 15
_ENDED = b"."
"""Stands behind the mark of a process that ended in good order, a line feed behind that of one that runs."""
_LAST_WORDS_MS = 100
"""A process that ends saves the mark so long before its last stamp, at most."""
_NEVER_BEFORE_MS = 1_577_836_800_000
"""A clock that stands before 2020 was never set."""


class Clock:
    """Gives readings their time; `file` keeps the highest time given out.

    The mark is written in place and not synced: a power cut may cost the last half minute of it, and only a
    wall clock that went back by then could make a time come twice.
    """

    def __init__(
        self,
        file: Path,
        *,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._file = file
        self._wall = wall
        self._monotonic = monotonic
        saved, later_ms, blocked = _saved(file)
        now = wall()
        # Where the wall clock is safely past the mark nothing needs to be added to it.
        mark = saved if now * 1000 > saved + later_ms else saved + later_ms
        self.timebase = Timebase(now, monotonic(), high_water_ms=mark)
        self.alive_ms = saved or None
        """When a process last ran here before this one, UTC; None when none ever did."""
        self.blocked_ms = blocked or None
        """Since when the spool had taken no record when that one ended, UTC; None when it took them."""
        self._blocked_ms = blocked
        self._unsure = self._is_unsure()
        self.told: Callable[[ClockStep], None] = _to_nobody
        """Is called with every step of the wall clock."""

    def now_ms(self) -> int:
        """UTC in ms; rises, but is not reserved for anybody."""
        return int(self.timebase.at(self._monotonic()) * 1000)

    def stamp(self, series: Hashable) -> int:
        """UTC in ms for a new reading of a series: see `Timebase.next_ms`."""
        return self.timebase.next_ms(series, self._monotonic())

    def unsure(self) -> bool:
        """Whether times may be wrong by more than the tolerance; what is told is at most a second old."""
        return self._unsure

    def blocked(self, blocked: bool) -> None:
        """Whether the spool takes no record just now: what is read then nobody will have after a kill."""
        self._blocked_ms = (self._blocked_ms or self.now_ms()) if blocked else 0

    async def run(self) -> None:
        """Watch the wall clock and save the mark until cancelled."""
        descriptor = self._open()
        try:
            self._save(descriptor)
            while True:
                await asyncio.sleep(_EVERY)
                if descriptor is None:
                    descriptor = self._open()
                self.look()
                self._save(descriptor)
        finally:
            self._save(descriptor, end=True)
            if descriptor is not None:
                os.close(descriptor)

    def look(self) -> None:
        """Compare the clocks, and tell if the wall clock was set."""
        step = self.timebase.observe(self._wall(), self._monotonic())
        if step is not None:
            _log.warning("the wall clock was set by %+.1f s", step.seconds)
            self.told(step)
        unsure = self._is_unsure()
        if unsure != self._unsure:
            self._unsure = unsure
            _log.warning("the time is %s", "not sure: readings are uncertain" if unsure else "sure again")

    def _is_unsure(self) -> bool:
        return self.now_ms() < _NEVER_BEFORE_MS or self.timebase.unsure(self._monotonic())

    def _save(self, descriptor: int | None, *, end: bool = False) -> None:
        if descriptor is not None:
            mark = max(self.timebase.high_water_ms, self.now_ms())
            with contextlib.suppress(OSError):  # a full disk: the next second tries again
                text = b"%0*d%c%0*d" % (_DIGITS, mark, _ENDED if end else b"\n", _DIGITS, self._blocked_ms)
                os.pwrite(descriptor, text, 0)

    def _open(self) -> int | None:
        try:
            return os.open(self._file, os.O_WRONLY | os.O_CREAT, 0o640)
        except FileNotFoundError:
            return None  # the spool makes the folder at its first start, in a moment
        except OSError as error:
            _log.warning(
                "%s: %s; times may repeat if the clock goes back across a restart", self._file, error
            )
            return None


def _to_nobody(_: ClockStep) -> None:
    pass


def _saved(file: Path) -> tuple[int, int, int]:
    """The mark, how many ms later times may have been given out, and since when the spool took no record."""
    try:
        text = file.read_bytes()
        ended = text[_DIGITS : _DIGITS + 1] == _ENDED
        blocked = int(text[_DIGITS + 1 :] or 0)  # versions before this one wrote no such number
        return int(text[:_DIGITS]), _LAST_WORDS_MS if ended else int(_EVERY * 1000), blocked
    except (OSError, ValueError):
        return 0, 0, 0
