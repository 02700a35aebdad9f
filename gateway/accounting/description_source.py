"""Reports what each point is: at every start, once a day, and when the clock was set.

Settings and profiles are read at a start only, so that every change of them is reported.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Hashable, Iterable
from contextlib import suppress

from qilu.contract.point_info import GROUP
from qilu.contract.reading import BlockSchema, EpochTag, Poll, Reading

EVERY = 86_400.0
"""Seconds between two repetitions."""


class DescriptionSource:
    """One poll for each of `rows` (columns and values), all at one time of `stamp`, in the epoch `tag`."""

    name = "descriptions"

    def __init__(
        self,
        rows: Iterable[tuple[BlockSchema, tuple[str, ...]]],
        stamp: Callable[[Hashable], int],
        tag: Callable[[], EpochTag | None] = lambda: None,
    ) -> None:
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
            time_ms, tag = self._stamp(GROUP), self._tag()
            for columns, values in self._rows:
                yield Poll(time_ms, (Reading(columns, time_ms, values),), epoch=tag)
            with suppress(TimeoutError):
                async with asyncio.timeout(EVERY):
                    await self._wanted.wait()
