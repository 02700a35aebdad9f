"""Reports rows that seldom change: at every start, once a day, and when the clock was set.

Once a day, so that a reader need not look back for long. When the clock was set, because a box without a
battery starts years ago, where nobody looks.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Hashable, Iterable
from contextlib import suppress

from qilu.contract.reading import BlockSchema, EpochTag, Poll, Reading, Value

EVERY = 86_400.0
"""Seconds between two repetitions."""


class DailySource:
    """One poll for each of `rows` (columns and values), all at one time of `stamp`, in the epoch `tag`.

    `series`: what `stamp` gives strictly rising times for.
    """

    def __init__(
        self,
        name: str,
        series: Hashable,
        rows: Iterable[tuple[BlockSchema, tuple[Value, ...]]],
        stamp: Callable[[Hashable], int],
        tag: Callable[[], EpochTag | None] = lambda: None,
    ) -> None:
        self.name = name
        self._series = series
        self._rows = list(rows)
        self._stamp = stamp
        self._tag = tag
        self._wanted = asyncio.Event()

    def announce_now(self) -> None:
        """Send all of them once more now."""
        self._wanted.set()

    async def polls(self) -> AsyncGenerator[Poll]:
        while True:
            self._wanted.clear()
            time_ms, tag = self._stamp(self._series), self._tag()
            for columns, values in self._rows:
                yield Poll(time_ms, (Reading(columns, time_ms, values),), epoch=tag)
            with suppress(TimeoutError):
                async with asyncio.timeout(EVERY):
                    await self._wanted.wait()
