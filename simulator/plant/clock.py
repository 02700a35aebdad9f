"""Real time for a plant: ticks at their due times without drift, faster or slower, or held."""

from __future__ import annotations

import asyncio
import contextlib
import logging

from simulator.plant.plant import Plant

# real seconds; what is further behind is skipped, so that a stalled plant does not race afterwards
MAX_LAG = 1.0
BETWEEN_WARNINGS = 60.0  # real seconds

_log = logging.getLogger(__name__)


class Clock:
    """Advances a plant in real time. `speed` and `paused` may be changed while it runs, from the same
    loop; ticks skipped because the machine could not keep up are counted and logged once a minute.
    """

    def __init__(self, plant: Plant) -> None:
        self.plant = plant
        self.ticks_skipped = 0
        self._speed = plant.settings.speed
        self._paused = False
        self._changed = asyncio.Event()
        self._reported = 0  # of ticks_skipped
        self._warned = -BETWEEN_WARNINGS

    @property
    def speed(self) -> float:
        """Simulated seconds in one real second."""
        return self._speed

    @speed.setter
    def speed(self, speed: float) -> None:
        self._speed = speed
        self._changed.set()

    @property
    def paused(self) -> bool:
        return self._paused

    @paused.setter
    def paused(self, paused: bool) -> None:
        self._paused = paused
        self._changed.set()

    async def run(self) -> None:
        """Until cancelled. At a speed that the machine cannot hold the plant runs as fast as it can."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            period = self.plant.settings.step / self._speed
            due += period
            if await self._interrupted(due):
                due = loop.time()  # the next tick is a whole period of the new speed away
                continue
            self.plant.advance()
            late = loop.time() - due
            if late > MAX_LAG:
                self.ticks_skipped += int(late / period)
                due += int(late / period) * period
                self._warn(loop.time())

    async def _interrupted(self, due: float) -> bool:
        """Waits until a time of the loop, or for speed or pause to change; True if they did."""
        left = due - asyncio.get_running_loop().time()
        if self._paused:
            await self._changed.wait()
        elif left <= 0.0:
            await asyncio.sleep(0)
        else:
            with contextlib.suppress(TimeoutError):  # at the same moment something may have changed, too
                async with asyncio.timeout(left):
                    await self._changed.wait()
        changed = self._changed.is_set()
        self._changed.clear()
        return changed

    def _warn(self, now: float) -> None:
        if now - self._warned >= BETWEEN_WARNINGS:
            lost = self.ticks_skipped - self._reported
            _log.warning(
                "the plant is too slow for speed %g: %d ticks were skipped, %d in all; "
                "make its step longer or its speed lower",
                self._speed, lost, self.ticks_skipped,
            )  # fmt: skip
            self._warned, self._reported = now, self.ticks_skipped
