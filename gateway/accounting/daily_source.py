"""Reports rows that seldom change: at every start, once a day, when the clock was set, and when they change.

Once a day, so that a reader need not look back for long. When the clock was set, because a box without a
battery starts years ago, where nobody looks.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Collection, Hashable, Iterable
from contextlib import suppress
from typing import TypeAlias

from qilu.contract.point_info import GROUP
from qilu.contract.reading import BlockSchema, EpochTag, Poll, Reading, Value

EVERY = 86_400.0
"""Seconds between two repetitions."""

Row: TypeAlias = tuple[BlockSchema, tuple[Value, ...]]
"""Columns and values."""


class DailySource:
    """One poll for each of `rows` (columns and values), all at one time of `stamp`, in the epoch `tag`.

    `series`: what `stamp` gives strictly rising times for.
    """

    def __init__(
        self,
        name: str,
        series: Hashable,
        rows: Iterable[Row],
        stamp: Callable[[Hashable], int],
        tag: Callable[[], EpochTag | None] = lambda: None,
    ) -> None:
        self.name = name
        self._series = series
        self._rows: dict[str, list[Row]] = {}
        for row in rows:
            self._rows.setdefault(row[0].origin.device, []).append(row)
        self._due: dict[str, list[Row]] = {}
        self._stamp = stamp
        self._tag = tag
        self._wanted = asyncio.Event()

    def announce_now(self) -> None:
        """Send all of them once more now."""
        self._due = dict(self._rows)
        self._wanted.set()

    def replace(self, devices: Collection[str], rows: Iterable[Row]) -> None:
        """Forget the rows of these devices. Send the new `rows` now, and all of them the next day."""
        for device in devices:
            self._rows.pop(device, None)
            self._due.pop(device, None)
        fresh: dict[str, list[Row]] = {}
        for row in rows:
            fresh.setdefault(row[0].origin.device, []).append(row)
        self._rows |= fresh
        self._due |= fresh
        self._wanted.set()

    async def polls(self) -> AsyncGenerator[Poll]:
        self._due = dict(self._rows)
        while True:
            self._wanted.clear()
            due, self._due = self._due, {}
            time_ms, tag = self._stamp(self._series), self._tag()
            for device, rows in due.items():
                for columns, values in rows:
                    if self._rows.get(device) is not rows:
                        break  # replaced meanwhile: the new ones have a later time
                    yield Poll(time_ms, (Reading(columns, time_ms, values),), epoch=tag)
            with suppress(TimeoutError):
                async with asyncio.timeout(EVERY):
                    await self._wanted.wait()
                    continue
            self._due = dict(self._rows)


class DescriptionSource(DailySource):
    """The descriptions of points in `rows`; `stamp` and `tag` as for every `DailySource`."""

    def __init__(
        self,
        rows: Iterable[Row],
        stamp: Callable[[Hashable], int],
        tag: Callable[[], EpochTag | None] = lambda: None,
    ) -> None:
        super().__init__("descriptions", GROUP, rows, stamp, tag)
