"""The readings of some columns in one bucket as one row: point by point, so that one can be read alone. Pure.

    [first_ms, [ms after the first, ...], [[values of a point], ...], {row: code or {point: code}}]

One reading alone has its values without lists. Longer blocks are compressed.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import msgspec

from qilu.contract.reading import Reason, Value
from qilu.contract.record_codec import MALFORMED
from qilu.stores.interfaces import Sample
from qilu.stores.interval_summaries import sample

_COMPRESSED_FROM = 1_000
"""Bytes from which compression saves more than it costs."""
_JSON = ord("[")

Codes = dict[int, int | dict[int, int]]
"""Row -> the code of the reason of all its values, or of those that are not good."""

_encode = msgspec.json.Encoder().encode
_raw = msgspec.json.Decoder(list[msgspec.Raw]).decode
_times = msgspec.json.Decoder(list[int]).decode
_first = msgspec.json.Decoder(int).decode
_values = msgspec.json.Decoder(list[Value]).decode
_lists = msgspec.json.Decoder(list[list[Value]]).decode
_codes = msgspec.json.Decoder(Codes).decode
_value = msgspec.json.Decoder(Value).decode

Row = tuple[int, Sequence[Value], Mapping[int, Reason]]
"""Time, values and reasons of one reading."""


@dataclass(frozen=True, slots=True)
class Block:
    """Times rising and distinct; `columns` has a list of values for each point."""

    times: list[int]
    columns: list[list[Value]]
    codes: Codes = field(default_factory=dict)

    def code(self, row: int, point: int) -> int:
        """The code of the reason of a value, 0 where it is good."""
        codes = self.codes.get(row)
        if codes is None:
            return 0
        return codes if isinstance(codes, int) else codes.get(point, 0)

    def rows(self) -> Iterator[Row]:
        values = zip(*self.columns, strict=True) if self.columns else ((),) * len(self.times)
        for row, (time_ms, of_row) in enumerate(zip(self.times, values, strict=True)):
            yield time_ms, of_row, self._reasons(row)

    def _reasons(self, row: int) -> dict[int, Reason]:
        codes = self.codes.get(row)
        if codes is None:
            return {}
        if isinstance(codes, int):
            return dict.fromkeys(range(len(self.columns)), reason_of(codes))
        return {point: reason_of(code) for point, code in codes.items()}


def reason_of(code: int) -> Reason:
    """The reason of a code; what only a newer version knows is undecodable."""
    try:
        return Reason.of_code(code)
    except ValueError:
        return Reason.UNDECODABLE


def block_of(rows: Iterable[Row]) -> Block:
    """The block of these readings of the same columns; of two of one time the first counts."""
    by_time: dict[int, Row] = {}
    for row in rows:
        by_time.setdefault(row[0], row)
    times = sorted(by_time)
    ordered = [by_time[time_ms] for time_ms in times]
    columns = [list(column) for column in zip(*(values for _, values, _ in ordered), strict=True)]
    return Block(times, columns, _codes_of(ordered))


def merged(kept: Block, more: Block) -> Block | None:
    """Both as one, where they differ what is kept; None where `more` brings nothing new."""
    if set(more.times) <= set(kept.times):
        return None
    return block_of((*kept.rows(), *more.rows()))


def encode_block(block: Block) -> bytes:
    """The bytes of a row."""
    times = block.times
    columns: object = block.columns if len(times) > 1 else [column[0] for column in block.columns]
    return _packed(times, columns, block.codes)


def encode_rows(rows: Sequence[Row]) -> bytes:
    """The bytes of the block of these readings, of which no two may have the same time."""
    if len(rows) == 1:  # most blocks of slow poll groups
        time_ms, values, reasons = rows[0]
        return _packed([time_ms], values, _codes_of(rows) if reasons else {})
    if any(after[0] <= before[0] for before, after in pairwise(rows)):
        return encode_block(block_of(rows))
    columns = list(zip(*(values for _, values, _ in rows), strict=True))
    return _packed([time_ms for time_ms, _, _ in rows], columns, _codes_of(rows))


def _packed(times: Sequence[int], columns: object, codes: Codes) -> bytes:
    data = _encode((times[0], [time_ms - times[0] for time_ms in times[1:]], columns, codes))
    return data if len(data) < _COMPRESSED_FROM else zlib.compress(data, 1)


def _codes_of(rows: Sequence[Row]) -> Codes:
    codes: Codes = {}
    for number, (_, values, reasons) in enumerate(rows):
        if reasons:
            of_row = {point: reason.code for point, reason in reasons.items()}
            same = len(of_row) == len(values) and len(set(of_row.values())) == 1
            codes[number] = next(iter(of_row.values())) if same else of_row
    return codes


class _Parts:
    """The parts of a row, read one after the other; ValueError where a part cannot be read."""

    def __init__(self, data: bytes) -> None:
        try:
            text = data if data[0] == _JSON else zlib.decompress(data)
            first, later, self._columns, self._codes = _raw(text)
            start = _first(first)
            self.times = [start, *(start + after for after in _times(later))]
        except (*MALFORMED, zlib.error, IndexError) as error:
            raise ValueError(f"a block cannot be read: {error}") from error

    @property
    def codes(self) -> Codes:
        return {} if len(self._codes) == 2 else _codes(self._codes)

    @property
    def has_nulls(self) -> bool:
        return b"null" in bytes(self._columns)

    def columns(self) -> list[list[Value]]:
        if len(self.times) == 1:
            return [[value] for value in _values(self._columns)]
        return _lists(self._columns)

    def column(self, point: int) -> list[Value]:
        columns = _raw(self._columns)
        if point >= len(columns):
            return [None] * len(self.times)
        return [_value(columns[point])] if len(self.times) == 1 else _values(columns[point])


def decode_block(data: bytes) -> Block:
    """The block of a row; ValueError where it cannot be read."""
    try:
        parts = _Parts(data)
        return Block(parts.times, parts.columns(), parts.codes)
    except MALFORMED as error:
        raise ValueError(f"a block cannot be read: {error}") from error


def samples_of(data: bytes, point: int) -> list[Sample]:
    """The samples of one point, without taking the others apart; ValueError where they cannot be read."""
    try:
        parts = _Parts(data)
        column, codes = parts.column(point), parts.codes
    except MALFORMED as error:
        raise ValueError(f"a block cannot be read: {error}") from error
    if not codes:
        return [
            Sample(time_ms, value, None if value is not None else Reason.UNDECODABLE)
            for time_ms, value in zip(parts.times, column, strict=True)
        ]
    block = Block(parts.times, [], codes)
    samples = []
    for row, (time_ms, value) in enumerate(zip(parts.times, column, strict=True)):
        code = block.code(row, point)
        samples.append(sample(time_ms, value, reason_of(code) if code else None))
    return samples


def good_count(data: bytes, start_ms: int, end_ms: int, points: int) -> int | None:
    """How many values a row has between these times, where all are good; None: decode it to count."""
    try:
        parts = _Parts(data)
        if len(parts.times) == 0 or parts.codes or parts.has_nulls:
            return None
    except MALFORMED as error:
        raise ValueError(f"a block cannot be read: {error}") from error
    return points * sum(start_ms <= time_ms < end_ms for time_ms in parts.times)
