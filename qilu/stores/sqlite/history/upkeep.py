"""Rolls up what a history has: readings into minutes, and the minutes of a day into quarters of an hour.

Roll-ups are made from what is on the disk, and may be made again: what comes late marks its slot as stale.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress

from qilu.contract.accounting import EVENTS
from qilu.contract.reading import BlockSchema
from qilu.stores.sqlite.history.blocks import Block, merged
from qilu.stores.sqlite.history.files import Kind, month_of
from qilu.stores.sqlite.history.folder import HistoryFolder
from qilu.stores.sqlite.history.keys import BUCKET_MS, DAY_MS, MINUTE_MS, PART_POINTS, QUARTER_MS, split_id
from qilu.stores.sqlite.history.schema import TornFileError
from qilu.stores.sqlite.history.summaries import NOTHING, RollUp, Strip, decode_part, encode_part, minutes_of

_LATENESS_MS = 30_000
"""How long after its end a quarter waits for readings that are on their way."""
_DAY_LATENESS_MS = 3_600_000
_MINUTES = 15
_SLOTS = 64
"""Slots that are rolled up in one transaction."""


class Upkeep:
    """Works in the thread of the writer, between two commits."""

    def __init__(self, folder: HistoryFolder) -> None:
        self._folder = folder

    def run(self) -> Iterator[None]:
        """Roll up what is due, in small steps: a commit may come between any two of them."""
        try:
            for day in sorted({file.first_day for file in self._folder.files(Kind.RAW)}):
                for part in self._folder.files(Kind.RAW, day):
                    yield from self._roll_up_minutes(day, part.name)
            for file in self._folder.files(Kind.MINUTES):
                yield from self._roll_up_quarters(file.first_day, file.name)
        except TornFileError as error:
            self._folder.set_aside(error.file.name)

    def _roll_up_minutes(self, day: int, name: str) -> Iterator[None]:
        due = (self._folder.now_ms() - _LATENESS_MS) // QUARTER_MS
        while (self._folder.path / name).exists() and (slots := self._folder.get(name).stale(due, _SLOTS)):
            self._folder.get(name).start_roll_up(slots)
            ready: list[tuple[int, BlockSchema, list[bytes]]] = []
            for slot in slots:
                quarter, columns_id = split_id(slot)
                columns = self._folder.get(name).columns_of(columns_id)
                if columns is not None:
                    ready.append((quarter, columns, self._minutes(day, quarter, columns)))
                yield
            self._put(Kind.MINUTES, day, ready, stale=True)
            self._end_roll_up(name, slots)
            yield

    def _minutes(self, day: int, quarter: int, columns: BlockSchema) -> list[bytes]:
        """The rows of the minutes of a quarter."""
        buckets = range(quarter * QUARTER_MS // BUCKET_MS, (quarter + 1) * QUARTER_MS // BUCKET_MS)
        points = len(columns.points)
        minutes = minutes_of(self._blocks(day, buckets, columns), quarter * QUARTER_MS, _MINUTES, points)
        return [encode_part(minutes[first : first + PART_POINTS]) for first in range(0, points, PART_POINTS)]

    def _blocks(self, day: int, buckets: range, columns: BlockSchema) -> list[Block]:
        """The readings of columns in these buckets, from all parts of their day."""
        blocks: dict[int, Block] = {}
        for part in self._folder.files(Kind.RAW, day):
            file = self._folder.get(part.name)
            columns_id = file.known_id(columns)
            if columns_id is None:
                continue
            for bucket, block in file.blocks(buckets, columns_id):
                known = blocks.get(bucket)
                blocks[bucket] = block if known is None else merged(known, block) or known
        return [blocks[bucket] for bucket in sorted(blocks)]

    def _roll_up_quarters(self, day: int, name: str) -> Iterator[None]:
        due = (self._folder.now_ms() - _DAY_LATENESS_MS) // DAY_MS
        while (self._folder.path / name).exists() and (slots := self._folder.get(name).stale(due, _SLOTS)):
            self._folder.get(name).start_roll_up(slots)
            ready: list[tuple[int, BlockSchema, list[bytes]]] = []
            for slot in slots:
                columns = self._folder.get(name).columns_of(split_id(slot)[1])
                if columns is None:
                    continue
                parts: list[bytes] = []
                for part in range(-(-len(columns.points) // PART_POINTS)):
                    parts += self._quarters(day, columns, part)
                    yield
                ready.append((day, columns, parts))
                if columns.group == EVENTS:
                    self._keep_events(day, columns)
            self._put(Kind.QUARTERS, day, ready, stale=False)
            self._end_roll_up(name, slots)
            yield

    def _quarters(self, day: int, columns: BlockSchema, part: int) -> list[bytes]:
        """The rows of the quarters of a day, of the points of one row of minutes."""
        width = min(PART_POINTS, len(columns.points) - part * PART_POINTS)
        quarters: list[list[RollUp]] = [[] for _ in range(width)]
        files = [self._folder.get(file.name) for file in reversed(self._folder.files(Kind.MINUTES, day))]
        known = [(file, file.known_id(columns)) for file in files]
        first = day * DAY_MS // QUARTER_MS
        slots = range(first, first + DAY_MS // QUARTER_MS)
        rows: dict[int, bytes] = {}
        for file, at in reversed(known):
            if at is not None:
                rows |= file.roll_ups(slots, at, part)
        for quarter in slots:
            data = rows.get(quarter)
            minutes: list[Strip] = []
            if data is not None:
                with suppress(ValueError):
                    minutes = decode_part(data, quarter * QUARTER_MS, MINUTE_MS, _MINUTES)
            for point in range(width):
                quarters[point].append(minutes[point].joined() if point < len(minutes) else NOTHING)
        return [encode_part([of_point]) for of_point in quarters]

    def _keep_events(self, day: int, columns: BlockSchema) -> None:
        """What happened is kept as long as the quarters: it explains their gaps."""
        buckets = range(day * DAY_MS // BUCKET_MS, (day + 1) * DAY_MS // BUCKET_MS)
        blocks = self._blocks(day, buckets, columns)
        file = self._folder.target(Kind.QUARTERS, month_of(day)[0])
        with file.transaction():
            columns_id = file.columns_id(columns)
            if columns_id is not None:
                for block in blocks:
                    file.add_rows(block.times[0] // BUCKET_MS, columns_id, list(block.rows()))
                file.mark_present({(block.times[0] // QUARTER_MS, columns_id) for block in blocks})

    def _put(
        self, kind: Kind, day: int, ready: Iterable[tuple[int, BlockSchema, list[bytes]]], *, stale: bool
    ) -> None:
        """Write roll-ups into the file of their day or month; where it is too old for its kind, nothing."""
        if (day + 1) * DAY_MS <= self._folder.now_ms() - self._folder.bounds.ages_ms[kind]:
            return
        file = self._folder.target(kind, month_of(day)[0] if kind is Kind.QUARTERS else day)
        rolled: set[tuple[int, int]] = set()
        with file.transaction():
            for slot, columns, parts in ready:
                columns_id = file.columns_id(columns)
                if columns_id is not None:
                    file.put_roll_ups(slot, columns_id, parts)
                    rolled.add((day, columns_id))
            if stale:
                file.mark_stale(rolled)

    def _end_roll_up(self, name: str, slots: Sequence[int]) -> None:
        """These are rolled up, but where the file got something new meanwhile, or was opened again."""
        if (self._folder.path / name).exists():
            file = self._folder.get(name)
            with file.transaction():
                file.mark_rolled_up(slots)
