"""How one number lies in registers and what it means: orders of bytes and words, scaling, bounds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from itertools import product
from math import copysign, inf, lcm
from typing import NamedTuple

from qilu.contract.profile import DataType, Factor, ParameterRef, Point, PointRef


class Layout(NamedTuple):
    """One way for `struct` to read a value: its endianness, and whether each register is swapped before.

    Two endiannesses of two variants of the data give every order of bytes and words that values of 32 bits
    have and the usual ones of 64 bits, so that no value needs its bytes moved one by one. Only the others
    are `mixed`: byte n of the value, most significant first, is byte n ^ mixed of its registers.
    """

    endian: str
    swapped: bool
    mixed: int = 0


_WORDS_MOVED = {"big": 0, "big_swapped": 2, "little_swapped": 4, "little": 6}
_PLAIN = [Layout(endian, swapped) for endian, swapped in product("><", (False, True))]


def layouts(point: Point) -> tuple[Layout, ...]:
    """The layouts that read `point`; one of 16 bits has two that are equal, half a register has all."""
    bytes_moved = int(point.byte_order == "little")
    if point.type is DataType.STRING:
        return (Layout(">", bool(bytes_moved)),)
    if point.type.bits == 8:
        return tuple(_PLAIN)
    last = 2 * point.size - 1
    moved = (_WORDS_MOVED[point.word_order] | bytes_moved) & last
    plain = [layout for layout in _PLAIN if (last if layout.endian == "<" else 0) ^ layout.swapped == moved]
    return tuple(plain) or (Layout(">", swapped=False, mixed=moved),)


def byte_in_register(point: Point, layout: Layout) -> int:
    """Where in its register, as `layout` has it, a uint8 or int8 is: 0 or 1."""
    return (point.byte == "low") ^ (point.byte_order == "little") ^ layout.swapped


def bounds(point: Point) -> tuple[float, float] | None:
    """What is good, both included; None where everything is."""
    if point.limits.min is None and point.limits.max is None:
        return None
    low = -inf if point.limits.min is None else point.limits.min
    high = inf if point.limits.max is None else point.limits.max
    if point.type is DataType.FLOAT32:
        # 0.1 as a float32 is a little more than 0.1, and a bound itself is good.
        low *= 1 - copysign(2.0**-23, low)
        high *= 1 + copysign(2.0**-23, high)
    return low, high


class Linear(NamedTuple):
    """value = (raw * factor + summand) / divisor, all whole numbers.

    Whole numbers make 231 * 0.1 the float that is written 23.1, and not 23.1 with the dirt of a
    multiplication by a tenth: values of integer types are rounded correctly once, at the division.
    """

    factor: int
    summand: int
    divisor: int

    def value(self, raw: float) -> float:
        """Always a float, also of an integer."""
        return (raw * self.factor + self.summand) / self.divisor

    def raw(self, value: float) -> Fraction:
        """The exact inverse."""
        return (Fraction(value) * self.divisor - self.summand) / self.factor


def linear(point: Point, parameters: Mapping[str, float]) -> Linear | None:
    """The scaling of `point` on a device with these parameters; None when there is nothing to scale, or
    when another point has the scale.

    KeyError for a parameter that is missing: the caller has to hand in all that the profile declares.
    """
    if isinstance(point.scale, PointRef):
        return None
    scale, offset = _number(point.scale, parameters), _number(point.offset, parameters)
    if scale == 1 and offset == 0:
        return None
    return _line(Fraction(str(scale)), offset)


def by_exponent(point: Point, exponent: int, parameters: Mapping[str, float]) -> Callable[[float], float]:
    """From raw to engineering value of a point whose scale another point has, while that has the value
    `exponent`."""
    offset = _number(point.offset, parameters)
    # Short ways for what devices do: this runs for every value, and one of constants only for every block.
    if offset == 0 and (not point.type.is_float or exponent < 0):
        power = 10 ** abs(exponent)
        return (lambda raw: raw / power) if exponent < 0 else (lambda raw: float(raw * power))
    if not point.type.is_float:
        return _line(Fraction(10) ** exponent, offset).value
    factor = 10.0**exponent
    return lambda raw: raw * factor + offset


def _line(slope: Fraction, offset: float) -> Linear:
    # str() gives the decimal number that the user wrote: 0.1 is one tenth here.
    shift = Fraction(str(offset))
    divisor = lcm(slope.denominator, shift.denominator)
    return Linear(int(slope * divisor), int(shift * divisor), divisor)


def _number(factor: Factor, parameters: Mapping[str, float]) -> float:
    return parameters[factor.parameter] if isinstance(factor, ParameterRef) else factor
