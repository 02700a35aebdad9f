"""The parts of a block of registers: points that one `struct` reads in one go and that need the same care."""

from __future__ import annotations

import struct
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from math import isfinite
from operator import add, itemgetter, mul, or_, truediv

from qilu.contract.errors import DataError
from qilu.contract.profile import Point
from qilu.contract.reading import Reason, Value
from qilu.contract.registers.number_format import Linear
from qilu.contract.registers.patterns import PatternPart
from qilu.contract.registers.texts import text_reader, text_writer

Bad = dict[int, Reason]
"""Index of a point in the block -> why it has no value; the parts write into one that is handed in."""


@dataclass(frozen=True, slots=True)
class NumberPart:
    """Numbers, unpacked by one struct over the whole block; all of them BCD, or none.

    `scaling` is empty or has one entry per point. `sentinels` are (position in this part, raw values).
    `byte_order_map` are the bytes of the block that the struct reads, where it cannot read it as it is.
    """

    indexes: tuple[int, ...]
    points: tuple[Point, ...]
    layout: struct.Struct
    swapped: bool
    scaling: tuple[Linear, ...]
    sentinels: tuple[tuple[int, frozenset[int | float]], ...]
    byte_order_map: tuple[int, ...] = ()
    size: int = 0
    """Bytes of the block."""

    @property
    def has_floats(self) -> bool:
        return any(point.type.is_float for point in self.points)

    @property
    def is_bcd(self) -> bool:
        return self.points[0].type.is_bcd

    def decoder(self) -> Callable[[bytes, Bad], tuple[Value, ...]]:
        unpack, indexes, sentinels = self._unpacker(), self.indexes, self.sentinels
        scaled = _scaler(self.points, self.scaling) if self.scaling else None
        has_floats, is_bcd = self.has_floats, self.is_bcd

        def decode(data: bytes, bad: Bad) -> tuple[Value, ...]:
            values: tuple[float, ...] = unpack(data)
            for position, raws in sentinels:
                if values[position] in raws:
                    bad[indexes[position]] = Reason.SENTINEL
            if is_bcd:
                values = _from_bcd(values, indexes, bad)
            if scaled is not None:
                values = scaled(values)
            # One NaN or Inf makes the sum one; a sum that overflows only costs the look at each.
            if has_floats and not isfinite(sum(values)):
                for index, value in zip(indexes, values, strict=True):
                    if not isfinite(value):
                        bad.setdefault(index, Reason.NOT_A_NUMBER)
            return values

        return decode

    def _unpacker(self) -> Callable[[bytes], tuple[float, ...]]:
        unpack = self.layout.unpack
        if not self.byte_order_map:
            return unpack
        pick = itemgetter(*self.byte_order_map)
        return lambda data: unpack(bytes(pick(data)))

    def encode(self, values: Sequence[Value]) -> bytes:
        raws = [self._raw(position, values[index]) for position, index in enumerate(self.indexes)]
        try:
            packed = self.layout.pack(*raws)
        except (struct.error, OverflowError) as error:
            raise DataError(f"{', '.join(self._misfits(raws))}: {error}") from None
        if not self.byte_order_map:
            return packed
        image = bytearray(self.size)
        for at, byte in zip(self.byte_order_map, packed, strict=True):
            image[at] = byte
        return bytes(image)

    def _raw(self, position: int, value: Value) -> float:
        point = self.points[position]
        if value is None or isinstance(value, str | bool):
            raise DataError(f"{point.name}: {value!r} is not a number")
        if not point.type.is_float and not isfinite(value):
            raise DataError(f"{point.name}: {value} is not a {point.type}")
        if self.scaling and isfinite(value):
            exact = self.scaling[position].raw(value)
            value = float(exact) if point.type.is_float else round(exact)
        if point.type.is_float:
            return value
        return _to_bcd(point, round(value)) if self.is_bcd else round(value)

    def _misfits(self, raws: Sequence[float]) -> list[str]:
        """The points whose raw value their type cannot hold."""
        return [
            f"{point.name} ({raw} as {point.type})"
            for point, raw in zip(self.points, raws, strict=True)
            if not _fits(point, raw)
        ]


def _fits(point: Point, raw: float) -> bool:
    try:
        struct.pack(f">{point.type.struct_code}", raw)
    except (struct.error, OverflowError):
        return False
    return True


def _from_bcd(values: Sequence[float], indexes: Sequence[int], bad: Bad) -> tuple[int, ...]:
    """The digits of each pattern as a number; one that has other digits than 0 to 9 is undecodable."""
    numbers = []
    for index, pattern in zip(indexes, values, strict=True):
        try:
            numbers.append(int(f"{pattern:x}"))
        except ValueError:
            numbers.append(0)
            bad.setdefault(index, Reason.UNDECODABLE)
    return tuple(numbers)


def _to_bcd(point: Point, number: int) -> int:
    low, high = point.type.range
    if not low <= number <= high:
        raise DataError(f"{point.name}: {number} is not a {point.type}, which is {low} to {high}")
    return int(str(number), 16)


def _scaler(
    points: Sequence[Point], scaling: Sequence[Linear]
) -> Callable[[tuple[float, ...]], tuple[float, ...]]:
    """(raw * factor + summand) / divisor for a whole part, without the steps that would change nothing."""

    def coefficients(position: int) -> list[float]:
        # Floats are scaled by floats, which is twice as fast; integers stay exact until the division.
        pairs = zip(points, scaling, strict=True)
        return [float(line[position]) if point.type.is_float else line[position] for point, line in pairs]

    factors, summands, divisors = coefficients(0), coefficients(1), coefficients(2)
    if any(summands):
        return lambda raws: tuple(map(truediv, map(add, map(mul, raws, factors), summands), divisors))
    if any(factor != 1 for factor in factors):
        return lambda raws: tuple(map(truediv, map(mul, raws, factors), divisors))
    return lambda raws: tuple(map(truediv, raws, divisors))


@dataclass(frozen=True, slots=True)
class TextPart:
    """Strings, each a field of bytes in the struct."""

    indexes: tuple[int, ...]
    points: tuple[Point, ...]
    layout: struct.Struct
    swapped: bool

    def decoder(self) -> Callable[[bytes, Bad], tuple[Value, ...]]:
        unpack, indexes = self.layout.unpack, self.indexes
        readers = [text_reader(point) for point in self.points]

        def decode(data: bytes, bad: Bad) -> tuple[Value, ...]:
            texts = []
            for index, read, raw in zip(indexes, readers, unpack(data), strict=True):
                try:
                    texts.append(read(raw))
                except UnicodeDecodeError:
                    texts.append("")
                    bad[index] = Reason.UNDECODABLE
            return tuple(texts)

        return decode

    def encode(self, values: Sequence[Value]) -> bytes:
        raws = []
        for point, index in zip(self.points, self.indexes, strict=True):
            text = values[index]
            if not isinstance(text, str):
                raise DataError(f"{point.name}: {text!r} is not a text")
            try:
                raws.append(text_writer(point)(text))
            except ValueError as error:
                raise DataError(f"{point.name}: {text!r}: {error}") from None
        return self.layout.pack(*raws)


@dataclass(frozen=True, slots=True)
class FlagPart:
    """Bits of registers; a register with several of them is unpacked once.

    `masks` are (position of the register in the struct, mask of the bit, masked word that is false), one per
    point.
    """

    indexes: tuple[int, ...]
    points: tuple[Point, ...]
    layout: struct.Struct
    swapped: bool
    masks: tuple[tuple[int, int, int], ...]

    def decoder(self) -> Callable[[bytes, Bad], tuple[Value, ...]]:
        unpack, masks = self.layout.unpack, self.masks

        def decode(data: bytes, bad: Bad) -> tuple[Value, ...]:  # noqa: ARG001  # every bit is a value
            words = unpack(data)
            return tuple([words[position] & mask != off for position, mask, off in masks])

        return decode

    def encode(self, values: Sequence[Value]) -> bytes:
        words: dict[int, list[int]] = {position: [] for position, _, _ in self.masks}
        for point, index, (position, mask, off) in zip(self.points, self.indexes, self.masks, strict=True):
            words[position].append(mask ^ off if as_bit(point, values[index]) else off)
        return self.layout.pack(*(reduce(or_, bits) for bits in words.values()))


Part = NumberPart | TextPart | FlagPart | PatternPart


def as_bit(point: Point, value: Value) -> bool:
    """True or false of a bool, 0 or 1; DataError for anything else."""
    if isinstance(value, int) and value in (0, 1):
        return bool(value)
    raise DataError(f"{point.name}: {value!r} is not true or false")


def swap_bytes(data: bytes) -> bytes:
    """The two bytes of every register swapped; ValueError for half a register."""
    registers = array("H", data)
    registers.byteswap()
    return registers.tobytes()
