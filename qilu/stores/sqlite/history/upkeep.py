"""Rolls up what a history has: readings into minutes, the minutes of a day into quarters of an hour, and
the quarters of a month into pieces of three hours.

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
from qilu.stores.sqlite.history.keys import (
    BUCKET_MS,
    COARSE_MS,
    DAY_MS,
    MAX_SLOT,
    MINUTE_MS,
    PART_POINTS,
    QUARTER_MS,
    last_quarter,
    month_slot,
    slot_id,
    split_id,
)
from qilu.stores.sqlite.history.schema import TornFileError
from qilu.stores.sqlite.history.summaries import (
    NOTHING,
    RollUp,
    Strip,
    decode_part,
    decode_point,
    encode_part,
    minutes_of,
    strip_of,
)

_LATENESS_MS = 30_000
"""How long after its end a quarter waits for readings that are on their way."""
_DAY_LATENESS_MS = 3_600_000
_MONTH_LATENESS_MS = 2 * _DAY_LATENESS_MS
_MINUTES = 15
_QUARTERS = DAY_MS // QUARTER_MS
_PER_COARSE = COARSE_MS // QUARTER_MS
_SLOTS = 64
"""Slots that are rolled up in one transaction."""


class Upkeep:
    """Works in the thread of the writer, between two commits."""

    def __init__(self, folder: HistoryFolder) -> None:
        self._folder = folder

    def run(self) -> Iterator[None]:
        """Roll up what is due, in small steps: a commit may come between any two of them."""
        try:
            for kind, roll_up in (
                (Kind.RAW, self._roll_up_minutes),
                (Kind.MINUTES, self._roll_up_quarters),
                (Kind.QUARTERS, self._roll_up_month),
            ):
                for file in self._folder.files(kind):
                    if file.name not in self._folder.settled:
                        yield from roll_up(file.first_day, file.name)
                        self._settle(file.name)
        except TornFileError as error:
            self._folder.set_aside(error.file.name)

    def _settle(self, name: str) -> None:
        """A file in which nothing is stale is not opened again before it gets something new."""
        if (self._folder.path / name).exists() and not self._folder.get(name).stale(MAX_SLOT, 1):
            self._folder.settled.add(name)

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
            self._put(Kind.MINUTES, day, ready, stale=day)
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
            self._put(Kind.QUARTERS, day, ready, stale=last_quarter(day))
            self._end_roll_up(name, slots)
            yield

    def _quarters(self, day: int, columns: BlockSchema, part: int) -> list[bytes]:
        """The rows of the quarters of a day, of the points of one row of minutes."""
        width = min(PART_POINTS, len(columns.points) - part * PART_POINTS)
        quarters: list[list[RollUp]] = [[] for _ in range(width)]
        files = [self._folder.get(file.name) for file in reversed(self._folder.files(Kind.MINUTES, day))]
        known = [(file, file.known_id(columns)) for file in files]
        slots = range(day * _QUARTERS, (day + 1) * _QUARTERS)
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

    def _roll_up_month(self, first_day: int, name: str) -> Iterator[None]:
        this_month = month_of((self._folder.now_ms() - _MONTH_LATENESS_MS) // DAY_MS)[0]
        days = range(first_day, month_of(first_day)[1] + 1)
        while (self._folder.path / name).exists() and (
            slots := self._folder.get(name).stale(this_month * _QUARTERS, _SLOTS)
        ):
            for columns_id in dict.fromkeys(split_id(slot)[1] for slot in slots):
                of_columns = [slot_id(last_quarter(day), columns_id) for day in days]
                self._folder.get(name).start_roll_up(of_columns)
                columns = self._folder.get(name).columns_of(columns_id)
                if columns is not None:
                    rows: list[bytes] = []
                    for point in range(len(columns.points)):
                        rows.append(self._coarse(days, columns, point))
                        yield
                    self._put(Kind.QUARTERS, days[-1], [(month_slot(first_day), columns, rows)], stale=None)
                self._end_roll_up(name, of_columns)
                yield

    def _coarse(self, days: range, columns: BlockSchema, point: int) -> bytes:
        """The row of a point in a month."""
        rows: dict[int, bytes] = {}
        for part in self._folder.files(Kind.QUARTERS, days[0]):
            file = self._folder.get(part.name)
            columns_id = file.known_id(columns)
            if columns_id is not None:
                rows |= file.roll_ups(days, columns_id, point)
        pieces: list[RollUp] = []
        for day in days:
            strip = strip_of(0, QUARTER_MS, [NOTHING] * _QUARTERS)
            if day in rows:
                with suppress(ValueError):
                    strip = decode_point(rows[day], 0, 0, QUARTER_MS, _QUARTERS)
            pieces += [strip.joined(n, n + _PER_COARSE) for n in range(0, _QUARTERS, _PER_COARSE)]
        return encode_part([pieces])

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
        self,
        kind: Kind,
        day: int,
        ready: Iterable[tuple[int, BlockSchema, list[bytes]]],
        *,
        stale: int | None,
    ) -> None:
        """Write roll-ups into the file of their day or month; where it is too old for its kind, nothing.

        `stale`: the slot that has to be rolled up further.
        """
        if (day + 1) * DAY_MS <= self._folder.now_ms() - self._folder.bounds.ages_ms[kind]:
            return
        file = self._folder.target(kind, month_of(day)[0] if kind is Kind.QUARTERS else day)
        rolled: set[tuple[int, int]] = set()
        with file.transaction():
            for slot, columns, parts in ready:
                columns_id = file.columns_id(columns)
                if columns_id is not None:
                    file.put_roll_ups(slot, columns_id, parts)
                    if stale is not None:
                        rolled.add((stale, columns_id))
            file.mark_stale(rolled)

    def _end_roll_up(self, name: str, slots: Sequence[int]) -> None:
        """These are rolled up, but where the file got something new meanwhile, or was opened again."""
        if (self._folder.path / name).exists():
            file = self._folder.get(name)
            with file.transaction():
                file.mark_rolled_up(slots)
