"""Roll-ups of a history: what the readings of one minute were, and of a quarter of an hour. Pure.

A value is taken to hold until the next reading of its columns, at most until the end of its minute: the good
time is the time for which a good value held. A quarter is the sum of its minutes.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, cast

import msgspec

from qilu.contract.reading import Quality, Reason, Value
from qilu.contract.record_codec import MALFORMED
from qilu.stores.interval_summaries import Summary
from qilu.stores.sqlite.history.blocks import Block, reason_of
from qilu.stores.sqlite.history.keys import MINUTE_MS

_EXACT = 2**53
_COMPRESSED_FROM = 200
_NUMBERS = frozenset((int, float))
_JSON = ord("[")

_encode = msgspec.json.Encoder().encode
_raw = msgspec.json.Decoder(list[msgspec.Raw]).decode
_point = msgspec.json.Decoder(list[list[Value] | Value]).decode


class RollUp(NamedTuple):
    """The samples of one point in a minute, a quarter or any span: as `Summary`, and more.

    `number`, `low`, `high`, `total` are of the numbers. `last`: the last good value; where nothing was good,
    the last one. `good_ms`: how long a good value held. `bad`: samples that are not good; `code`: of the
    reason of the last of these, 0 where there is none.
    """

    number: int = 0
    low: float | None = None
    high: float | None = None
    total: float = 0.0
    last: Value = None
    good_ms: int = 0
    bad: int = 0
    code: int = 0

    def joined(self, later: RollUp) -> RollUp:
        takes_last = later.last is not None and (later.good_ms or not self.good_ms)
        return RollUp(
            self.number + later.number,
            later.low if self.low is None else self.low if later.low is None else min(self.low, later.low),
            later.high
            if self.high is None
            else self.high
            if later.high is None
            else max(self.high, later.high),
            self.total + later.total,
            later.last if takes_last else self.last,
            self.good_ms + later.good_ms,
            self.bad + later.bad,
            later.code or self.code,
        )

    @property
    def empty(self) -> bool:
        """Whether there was no sample at all."""
        return not (self.number or self.bad or self.last is not None)

    def summary(self) -> Summary:
        """The same in the form of all stores."""
        good = self.good_ms > 0
        reason = None if good or not self.code else reason_of(self.code)
        return Summary(self.number, self.total, self.low, self.high, self.last, good, reason)


NOTHING = RollUp()


def roll_up(samples: Iterable[tuple[int, Value, int]], end_ms: int) -> RollUp:
    """Of samples (time, value, code of the reason or 0) of one minute that ends at `end_ms`, rising."""
    ordered = list(samples)
    count = bad = good_ms = code = 0
    low, high = None, None
    total: float = 0
    last: Value = None
    for number, (time_ms, value, why) in enumerate(ordered):
        if why and reason_of(why).quality is Quality.BAD:
            value = None
        if value is None and not why:
            why = Reason.UNDECODABLE.code
        if why:
            bad, code = bad + 1, why
        if value is not None and (not why or not good_ms):
            last = value
        if not why:
            good_ms += (ordered[number + 1][0] if number + 1 < len(ordered) else end_ms) - time_ms
        if isinstance(value, int | float):
            plain = value + 0  # True is 1
            count, total = count + 1, total + plain
            low, high = min(plain if low is None else low, plain), max(plain if high is None else high, plain)
    return RollUp(count, low, high, _sum(total), last, good_ms, bad, code)


def _sum(total: float) -> float:
    """A sum without the digits that only rounding made: they would be a third of a row."""
    if type(total) is int:
        return total if -_EXACT <= total <= _EXACT else float(total)
    return float(f"{total:.13g}")


def minutes_of(blocks: Sequence[Block], start_ms: int, minutes: int, points: int) -> list[list[RollUp]]:
    """For each point, the roll-up of each of the minutes from `start_ms` on. `blocks` rise in time."""
    by_minute: list[list[Block]] = [[] for _ in range(minutes)]
    for block in blocks:
        first, last = (block.times[0] - start_ms) // MINUTE_MS, (block.times[-1] - start_ms) // MINUTE_MS
        if first == last and 0 <= first < minutes:
            by_minute[first].append(block)
            continue
        for minute in range(max(first, 0), min(last, minutes - 1) + 1):
            cut = _cut(block, start_ms + minute * MINUTE_MS)
            if cut is not None:
                by_minute[minute].append(cut)
    columns = [
        _minute(of_minute, start_ms + (minute + 1) * MINUTE_MS, points)
        for minute, of_minute in enumerate(by_minute)
    ]
    return [list(of_point) for of_point in zip(*columns, strict=True)]


def _cut(block: Block, start_ms: int) -> Block | None:
    """The part of a block that lies in one minute."""
    rows = [row for row, time_ms in enumerate(block.times) if 0 <= time_ms - start_ms < MINUTE_MS]
    if not rows:
        return None
    codes = {new: block.codes[row] for new, row in enumerate(rows) if row in block.codes}
    return Block([block.times[row] for row in rows], [[c[row] for row in rows] for c in block.columns], codes)


def _minute(blocks: Sequence[Block], end_ms: int, points: int) -> list[RollUp]:
    """One roll-up for each point, of blocks of one minute."""
    if not blocks:
        return [NOTHING] * points
    times = [time_ms for block in blocks for time_ms in block.times]
    plain = not any(block.codes for block in blocks)
    count, good_ms = len(times), end_ms - times[0]
    rolled = []
    for point, values in enumerate(_columns(blocks, points)):
        if plain:
            try:  # the common case, and many times as fast
                numbers = cast("Sequence[float]", values)
                low, total = min(numbers), sum(numbers)
                if type(low) in _NUMBERS:
                    rolled.append(RollUp(count, low, max(numbers), _sum(total), numbers[-1], good_ms))
                    continue
            except TypeError:
                pass
        codes = [block.code(row, point) for block in blocks for row in range(len(block.times))]
        rolled.append(roll_up(zip(times, values, codes, strict=True), end_ms))
    return rolled


def _columns(blocks: Sequence[Block], points: int) -> Iterable[Sequence[Value]]:
    """The values of each point in all of these blocks."""
    if len(blocks) == 1:
        return blocks[0].columns
    if all(len(block.times) == 1 for block in blocks):
        return zip(*([column[0] for column in block.columns] for block in blocks), strict=True)
    return ([value for block in blocks for value in block.columns[point]] for point in range(points))


def encode_part(points: Sequence[Sequence[RollUp]]) -> bytes:
    """The row of a few points, each with the roll-ups of all minutes or quarters of its slot."""
    data = _encode([_compact(rolled) for rolled in points])
    return data if len(data) < _COMPRESSED_FROM else zlib.compress(data, 1)


def _compact(rolled: Sequence[RollUp]) -> list[object]:
    count, low, high, total, last, good_ms, bad, code = zip(*rolled, strict=True)
    if (
        max(count) <= 1
        and low == high
        and low == last
        and all(
            (number == 0 and value == 0) or value == single
            for number, value, single in zip(count, total, low, strict=True)
        )
    ):
        return [_same(count), last, _same(good_ms), _same(bad), _same(code)]
    return [_same(count), last, _same(good_ms), _same(bad), _same(code), low, high, total]


def _same(numbers: tuple[int, ...]) -> int | tuple[int, ...]:
    return numbers[0] if numbers.count(numbers[0]) == len(numbers) else numbers


class Strip(NamedTuple):
    """The roll-ups of one point in the minutes or quarters of a slot, field by field: see `RollUp`."""

    start_ms: int
    step_ms: int
    number: list[int]
    low: list[float | None]
    high: list[float | None]
    total: list[float]
    last: list[Value]
    good_ms: list[int]
    bad: list[int]
    code: list[int]

    @property
    def end_ms(self) -> int:
        """The end of the last one."""
        return self.start_ms + len(self.number) * self.step_ms

    def joined(self, first: int = 0, end: int | None = None) -> RollUp:
        """Those from `first` to before `end` as one."""
        cut = slice(first, end)
        last, good_ms, bad = self.last[cut], self.good_ms[cut], self.bad[cut]
        newest = last[-1] if good_ms and good_ms[-1] else None
        if newest is None:
            newest = _newest(last, good_ms)
        code = next((code for code in reversed(self.code[cut]) if code), 0) if any(bad) else 0
        low, high = _numbers(self.low[cut]), _numbers(self.high[cut])
        return RollUp(
            sum(self.number[cut]),
            min(low, default=None),
            max(high, default=None),
            _sum(sum(self.total[cut])),
            newest,
            sum(good_ms),
            sum(bad),
            code,
        )


def joined_strips(strips: Sequence[Strip]) -> list[Strip]:
    """Strips that follow each other without a gap, and have the same step, as one."""
    whole: list[Strip] = []
    for strip in strips:
        last = whole[-1] if whole else None
        if last is not None and last.step_ms == strip.step_ms and last.end_ms == strip.start_ms:
            for column, more in zip(_fields(last), _fields(strip), strict=True):
                column += more
        else:
            whole.append(Strip(strip.start_ms, strip.step_ms, *map(list, _fields(strip))))
    return whole


def _fields(strip: Strip) -> Sequence[list[Any]]:
    return cast("Sequence[list[Any]]", strip[2:])


def _numbers(values: list[float | None]) -> list[float]:
    if None in values:
        return [value for value in values if value is not None]
    return cast("list[float]", values)


def _newest(last: Sequence[Value], good_ms: Sequence[int]) -> Value:
    """The last value while something was good, else the last one."""
    ever_good = any(good_ms)
    pairs = zip(reversed(last), reversed(good_ms), strict=True)
    return next((value for value, good in pairs if value is not None and (good or not ever_good)), None)


def strip_of(start_ms: int, step_ms: int, rolled: Sequence[RollUp]) -> Strip:
    """The same roll-ups, field by field."""
    return Strip(start_ms, step_ms, *map(list, zip(*rolled, strict=True)))


def decode_point(data: bytes, index: int, start_ms: int, step_ms: int, slots: int) -> Strip:
    """The roll-ups of the point `index` of a row; ValueError where they cannot be read."""
    try:
        points = _raw(data if data[0] == _JSON else zlib.decompress(data))
        if index >= len(points):
            return strip_of(start_ms, step_ms, [NOTHING] * slots)
        return _strip(points[index], start_ms, step_ms, slots)
    except (*MALFORMED, zlib.error, IndexError, TypeError) as error:
        raise ValueError(f"a row of roll-ups cannot be read: {error}") from error


def decode_part(data: bytes, start_ms: int, step_ms: int, slots: int) -> list[Strip]:
    """The roll-ups of each point of a row; ValueError where they cannot be read."""
    try:
        points = _raw(data if data[0] == _JSON else zlib.decompress(data))
        return [_strip(point, start_ms, step_ms, slots) for point in points]
    except (*MALFORMED, zlib.error, IndexError, TypeError) as error:
        raise ValueError(f"a row of roll-ups cannot be read: {error}") from error


def _strip(point: msgspec.Raw, start_ms: int, step_ms: int, slots: int) -> Strip:
    number, last, good_ms, bad, code, *long = (
        field if isinstance(field, list) else [field] * slots for field in _point(point)
    )
    if long:
        low, high, total = long
    else:  # at most one number in each
        low = high = [_number(value) if n else None for n, value in zip(number, last, strict=True)]
        total = [value or 0 for value in low]
    return Strip(start_ms, step_ms, number, low, high, total, last, good_ms, bad, code)  # type: ignore[arg-type]


def _number(value: Value) -> float | None:
    return value + 0 if isinstance(value, int | float) else None


def join(parts: Iterable[RollUp]) -> RollUp:
    """All of them as one, in the order of time."""
    whole = NOTHING
    for part in parts:
        if not part.empty:
            whole = part if whole is NOTHING else whole.joined(part)
    return whole
