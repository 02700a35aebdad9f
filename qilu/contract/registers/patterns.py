"""Numbers that no `struct` reads: bytes are collected to a pattern, masked, and interpreted.

One way for all: the bytes of the value in order of significance (orders, registers that lie apart) make a
pattern; `bits` choose a part of it; the part is a number in two's complement, sign and magnitude or BCD, or
the registers are summed with weights (MOD10).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from qilu.contract.errors import DataError
from qilu.contract.profile import DataType, Point
from qilu.contract.reading import Reason, Value
from qilu.contract.registers.number_format import Linear

MOD10K_BASE = 10_000


@dataclass(frozen=True, slots=True)
class Pattern:
    """Where the bits of one point are, and what they mean."""

    positions: tuple[int, ...]
    """Bytes of the block, the most significant first."""
    shift: int
    width: int
    """Bits of the number, from `shift` on."""
    number: Callable[[int], int | None]
    """The number of the bits; None where they are none."""
    bits: Callable[[int], int]
    """Its inverse; ValueError for a number that does not fit."""
    sentinels: frozenset[int]

    def read(self, data: bytes) -> int:
        """The bits, without a meaning."""
        pattern = 0
        for position in self.positions:
            pattern = pattern << 8 | data[position]
        return pattern >> self.shift & (1 << self.width) - 1

    def write(self, image: bytearray, bits: int) -> None:
        pattern = bits << self.shift
        for position in reversed(self.positions):
            image[position] |= pattern & 0xFF
            pattern >>= 8


def pattern_of(point: Point, start: int) -> Pattern:
    """`start`: byte of the block at which the first register of the point begins."""
    low, width = (point.bits[0], point.raw_bits) if point.bits is not None else (0, point.raw_bits)
    number, bits = _meaning(point, width)
    mask = (1 << width) - 1
    sentinels = frozenset(int(raw) & mask for raw in point.sentinels)
    return Pattern(tuple(_positions(point, start)), low, width, number, bits, sentinels)


def _positions(point: Point, start: int) -> Sequence[int]:
    offsets = list(point.register_offsets)
    if not point.weights and point.word_order.startswith("little"):
        offsets.reverse()
    if point.word_order.endswith("_swapped") and len(offsets) % 2 == 0:
        offsets = [offsets[place ^ 1] for place in range(len(offsets))]
    swapped = point.byte_order == "little"
    if point.type.bits == 8:
        return (start + ((point.byte == "low") ^ swapped),)
    return [start + 2 * offset + (place ^ swapped) for offset in offsets for place in (0, 1)]


def _meaning(point: Point, width: int) -> tuple[Callable[[int], int | None], Callable[[int], int]]:
    if point.type is DataType.MOD10K:
        weights = tuple(MOD10K_BASE**place for place in reversed(range(point.length or 1)))
        return _sum(weights, MOD10K_BASE - 1)
    if point.weights:
        return _sum(point.weights, 0xFFFF)
    if point.type.is_bcd:
        return _from_bcd, _to_bcd(width)
    if point.sign == "magnitude":
        return _magnitude(width)
    return _two_complement(width, signed=point.type.value.startswith("int"))


def _sum(weights: Sequence[int], highest: int) -> tuple[Callable[[int], int | None], Callable[[int], int]]:
    """Each register times its weight, the first register in the highest bits."""
    shifts = [16 * place for place in reversed(range(len(weights)))]
    by_weight = sorted(zip(weights, shifts, strict=True), reverse=True)

    def number(bits: int) -> int | None:
        total = 0
        for weight, shift in zip(weights, shifts, strict=True):
            word = bits >> shift & 0xFFFF
            if word > highest:
                return None
            total += word * weight
        return total

    def bits(number: int) -> int:
        pattern = 0
        for weight, shift in by_weight:
            word = min(number // weight, highest)
            if word < 0:
                raise ValueError("it is negative")
            number -= word * weight
            pattern |= word << shift
        if number:
            raise ValueError("no registers have this sum")
        return pattern

    return number, bits


def _from_bcd(bits: int) -> int | None:
    try:
        return int(f"{bits:x}")
    except ValueError:
        return None


def _to_bcd(width: int) -> Callable[[int], int]:
    def bits(number: int) -> int:
        return _fitting(int(str(number), 16) if number >= 0 else -1, width)

    return bits


def _magnitude(width: int) -> tuple[Callable[[int], int | None], Callable[[int], int]]:
    """The highest bit is the sign of the others."""
    sign = 1 << (width - 1)

    def number(bits: int) -> int:
        return -(bits ^ sign) if bits & sign else bits

    def bits(number: int) -> int:
        return _fitting(abs(number), width - 1) | (sign if number < 0 else 0)

    return number, bits


def _two_complement(width: int, *, signed: bool) -> tuple[Callable[[int], int | None], Callable[[int], int]]:
    sign, span = (1 << (width - 1) if signed else 1 << width), 1 << width

    def number(bits: int) -> int:
        return bits - span if bits >= sign else bits

    def bits(number: int) -> int:
        if not sign - span <= number < sign:
            raise ValueError(f"it does not fit into {width} bits")
        return number % span

    return number, bits


def _fitting(bits: int, width: int) -> int:
    if not 0 <= bits < 1 << width:
        raise ValueError(f"it does not fit into {width} bits")
    return bits


@dataclass(frozen=True, slots=True)
class PatternPart:
    """The points of a block that are read as patterns. `scaling` has one entry per point."""

    indexes: tuple[int, ...]
    points: tuple[Point, ...]
    patterns: tuple[Pattern, ...]
    scaling: tuple[Linear | None, ...]
    size: int
    """Bytes of the block."""
    swapped: bool = False

    def decoder(self) -> Callable[[bytes, dict[int, Reason]], tuple[Value, ...]]:
        entries = list(zip(self.indexes, self.patterns, self.scaling, strict=True))

        def decode(data: bytes, bad: dict[int, Reason]) -> tuple[Value, ...]:
            values: list[Value] = []
            for index, pattern, line in entries:
                bits = pattern.read(data)
                number = pattern.number(bits)
                if bits in pattern.sentinels:
                    bad[index] = Reason.SENTINEL
                elif number is None:
                    bad[index] = Reason.UNDECODABLE
                raw = number or 0
                values.append(raw if line is None else line.value(raw))
            return tuple(values)

        return decode

    def encode(self, values: Sequence[Value]) -> bytes:
        image = bytearray(self.size)
        for index, point, pattern, line in zip(
            self.indexes, self.points, self.patterns, self.scaling, strict=True
        ):
            value = values[index]
            if not isinstance(value, int | float) or isinstance(value, bool):
                raise DataError(f"{point.name}: {value!r} is not a number")
            try:
                pattern.write(image, pattern.bits(round(value if line is None else line.raw(value))))
            except (ValueError, OverflowError) as error:
                raise DataError(f"{point.name}: {value} is not a {point.type}: {error}") from None
        return bytes(image)
