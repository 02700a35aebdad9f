"""From engineering values to registers and bits, for all machines of one model at once.

The mirror of the codec that `qilu.contract.registers` compiles for reading.

raw = (value - offset) / scale, rounded half to even. A gauge outside its type's range saturates, a counter
wraps as a real one does. A value that is not a number becomes the point's first sentinel, else NaN in a
float and the largest number of an integer, as an input shows whose wire is broken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qilu.contract.profile import DataType, ParameterRef, Point, PointRef
from simulator.physics.machine import Values
from simulator.physics.noise import Array

Columns = Callable[[int], int]  # address -> column of the image
Write = Callable[[Values], None]


def factor(value: float | ParameterRef, parameters: Sequence[Mapping[str, float]]) -> Array:
    """A scale or offset of every machine, shape (n,): a constant, or each machine's own parameter."""
    if isinstance(value, ParameterRef):
        return np.array([float(own[value.parameter]) for own in parameters])
    return np.full(len(parameters), float(value))


def scales(points: Sequence[Point], parameters: Sequence[Mapping[str, float]]) -> Callable[[Values], Array]:
    """The scales of points, shape (points, n); those that another point gives are the power of ten of its
    value.
    """
    fixed = np.array(
        [factor(1.0 if isinstance(point.scale, PointRef) else point.scale, parameters) for point in points]
    )
    scales = {i: point.scale.point for i, point in enumerate(points) if isinstance(point.scale, PointRef)}

    def current(values: Values) -> Array:
        if not scales:
            return fixed
        scale = fixed.copy()
        for row, name in scales.items():
            scale[row] = 10.0 ** np.asarray(values[name], dtype=np.float64)
        return scale

    return current


def writers(
    image: NDArray[Any], column: Columns, points: Iterable[Point], parameters: Sequence[Mapping[str, float]]
) -> list[Write]:
    """Functions that write the given points of one table of registers into `image`, shape (n, registers) of
    '>u2'.

    Points that are encoded alike are written together, so the cost of a tick hardly grows with their
    number.
    """
    numbers: dict[tuple[DataType, str, str, bool], list[Point]] = {}
    flags: dict[int, list[Point]] = {}
    writers: list[Write] = []
    for point in points:
        if point.type is DataType.BOOL:
            flags.setdefault(point.address, []).append(point)
        elif point.type is DataType.STRING:
            writers.append(_text_writer(image, column(point.address), point))
        else:
            alike = (point.type, point.byte_order, point.word_order, point.kind == "counter")
            numbers.setdefault(alike, []).append(point)
    writers += [_number_writer(image, column, alike, parameters) for alike in numbers.values()]
    writers += [_flag_writer(image, column(address), alike) for address, alike in flags.items()]
    return writers


def _number_writer(
    image: NDArray[Any], column: Columns, points: list[Point], parameters: Sequence[Mapping[str, float]]
) -> Write:
    first, n = points[0], len(image)
    kind, size = first.type, first.size
    wire = np.dtype({"u": ">u", "i": ">i", "f": ">f"}[kind.value[0]] + str(kind.bits // 8))
    names = [point.name for point in points]
    scale = scales(points, parameters)
    offset = np.array([factor(point.offset, parameters) for point in points])
    places = np.array([column(point.address) + word for point in points for word in range(size)])
    missing = np.array([[_missing(point)] for point in points])
    counter = first.kind == "counter"

    def write(values: Values) -> None:
        engineering = np.array([values[name] for name in names], dtype=np.float64)
        raw = (engineering - offset) / scale(values)
        if kind.is_integer:
            raw = as_integers(raw, kind, counter, missing)
        words = raw.astype(wire).view(">u2").reshape(len(names), n, size)
        if first.word_order == "little":
            words = words[:, :, ::-1]
        if first.byte_order == "little":
            words = words.byteswap()
        image[:, places] = words.transpose(1, 0, 2).reshape(n, -1)

    return write


def _missing(point: Point) -> float:
    """The raw number that stands for no value in an integer."""
    if point.sentinels:
        return float(point.sentinels[0])
    return _range_of(point.type)[2] if point.type.is_integer else 0.0


def as_integers(raw: Array, kind: DataType, counter: bool, missing: Array) -> NDArray[Any]:
    """Raw floats as numbers of an integer type: rounded, then wrapped (counter) or saturated."""
    target, lowest, highest = _range_of(kind)
    absent = np.isnan(raw)
    any_absent = bool(absent.any())
    raw = np.rint(np.where(absent, 0.0, raw) if any_absent else raw)
    if counter:
        raw = np.mod(raw - lowest, 2.0**kind.bits) + lowest
    whole = np.minimum(np.maximum(raw, lowest), highest).astype(target)
    if not any_absent:
        return whole
    # a sentinel of an int16 may be spelled 0x8000 or -32768
    unsigned = np.mod(missing, 2.0**kind.bits).astype(f"uint{kind.bits}").astype(target)
    return np.where(absent, unsigned, whole)


@cache
def _range_of(kind: DataType) -> tuple[np.dtype[Any], float, float]:
    """numpy's type of an integer, and the floats between which it can be made of one."""
    target = np.dtype(kind.value)
    bounds = np.iinfo(target)
    # the largest float that still fits: 2**64 - 1 itself would round up to 2**64
    highest = float(bounds.max) if kind.bits < 64 else float(np.nextafter(float(bounds.max), 0.0))
    return target, float(bounds.min), highest


def _flag_writer(image: NDArray[Any], column: int, points: list[Point]) -> Write:
    """Bits that share one register; bit 0 is the least significant of the register's value."""
    swapped = points[0].byte_order == "little"

    def write(values: Values) -> None:
        words = np.zeros(len(image), dtype=np.uint16)
        for point in points:
            words |= (values[point.name] != 0).astype(np.uint16) << np.uint16(point.bit or 0)
        image[:, column] = words.byteswap() if swapped else words

    return write


def _text_writer(image: NDArray[Any], column: int, point: Point) -> Write:
    """Text as bytes, two in a register, cut or filled with zeros to the point's length."""
    size = point.size

    def write(values: Values) -> None:
        text = values[point.name].astype(f"S{2 * size}")
        words = np.frombuffer(text.tobytes(), dtype=">u2").reshape(len(image), size)
        image[:, column : column + size] = words.byteswap() if point.byte_order == "little" else words

    return write


def bit_writer(image: NDArray[np.uint8], columns: Mapping[str, int]) -> Write:
    """Writes points of a table of bits into `image`, shape (n, bits), one byte (0 or 1) per bit."""
    names = list(columns)
    places = np.array([columns[name] for name in names], dtype=np.intp)

    def write(values: Values) -> None:
        image[:, places] = (np.array([values[name] for name in names]) != 0).T

    return write
