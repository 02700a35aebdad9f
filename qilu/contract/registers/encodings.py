"""How one value lies in registers: number formats, orders of bytes and words, scaling and texts."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from math import lcm
from typing import NamedTuple

from qilu.contract.profile import DataType, Factor, ParameterRef, Point


class Layout(NamedTuple):
    """One way for `struct` to read a value: its endianness, and whether each register is swapped before.

    Two endiannesses of two variants of the data give every order of bytes and words, so that no value needs
    its bytes moved one by one.
    """

    endian: str
    swapped: bool


def layouts(point: Point) -> tuple[Layout, ...]:
    """The layouts that read `point`; one of 16 bits has two that are equal."""
    big_bytes = point.byte_order == "big"
    if point.type is DataType.STRING:
        return (Layout(">", not big_bytes),)
    if point.size == 1:
        return (Layout(">", not big_bytes), Layout("<", big_bytes))
    endian = ">" if point.word_order == "big" else "<"
    return (Layout(endian, point.byte_order != point.word_order),)


class Linear(NamedTuple):
    """value = (raw * factor + summand) / divisor, all whole numbers.

    Whole numbers make 231 * 0.1 the float that is written 23.1, and not 23.1 with the dirt of a
    multiplication by a tenth: values of integer types are rounded correctly once, at the division.
    """

    factor: int
    summand: int
    divisor: int

    def raw(self, value: float) -> Fraction:
        """The exact inverse."""
        return (Fraction(value) * self.divisor - self.summand) / self.factor


def linear(point: Point, parameters: Mapping[str, float]) -> Linear | None:
    """The scaling of `point` on a device with these parameters; None when there is nothing to scale.

    KeyError for a parameter that is missing: the caller has to hand in all that the profile declares.
    """
    scale, offset = _number(point.scale, parameters), _number(point.offset, parameters)
    if scale == 1 and offset == 0:
        return None
    # str() gives the decimal number that the user wrote: 0.1 is one tenth here.
    slope, shift = Fraction(str(scale)), Fraction(str(offset))
    divisor = lcm(slope.denominator, shift.denominator)
    return Linear(int(slope * divisor), int(shift * divisor), divisor)


def _number(factor: Factor, parameters: Mapping[str, float]) -> float:
    return parameters[factor.parameter] if isinstance(factor, ParameterRef) else factor


def decode_text(raw: bytes) -> str:
    """The text up to the first NUL, without spaces at its end; UnicodeDecodeError when it is not UTF-8."""
    return raw.split(b"\0", 1)[0].rstrip(b" ").decode("utf-8")


def encode_text(text: str, size: int) -> bytes:
    """`text` filled up with NUL to `size` bytes; ValueError when it is longer, or would not be read back."""
    raw = text.encode("utf-8")
    if len(raw) > size:
        raise ValueError(f"{len(raw)} bytes do not fit into {size}")
    padded = raw.ljust(size, b"\0")
    if decode_text(padded) != text:
        raise ValueError("a NUL inside or spaces at the end would be lost")
    return padded
