"""From recorded registers and bits to columns of numbers, for all machines of one model over many ticks.

What a client that polls every tick would have got: rounded to the steps of the registers, wrapped, with ill
sensors and stuck bits. The mirror of `encoder.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qilu.contract.profile import SERVE_COUNTER, DataType, Point, PointRef, Table
from simulator.physics.noise import Array
from simulator.registers.encoder import factor
from simulator.registers.image import Image

RecordedRegisters = Mapping[Table, NDArray[np.uint8]]
"""The image of n machines at T ticks: for each table bytes of shape (T, n, bytes of one machine)."""
DIGITS = 9  # after the decimal point; a scale such as 0.1 leaves noise behind them


class Recorder:
    """Takes copies of an image, tick by tick, into memory of a fixed size."""

    def __init__(self, image: Image, rows: int) -> None:
        n = len(image.parameters)
        self.image = image
        self.rows = 0
        self._shown = {
            table: np.frombuffer(buffer, dtype=np.uint8).reshape(n, -1)
            for table, buffer in image.buffers.items()
            if buffer
        }
        self._recorded = {
            table: np.empty((rows, *shown.shape), dtype=np.uint8) for table, shown in self._shown.items()
        }

    def take(self) -> None:
        """One more row, as the registers stand now."""
        for table, shown in self._shown.items():
            self._recorded[table][self.rows] = shown
        self.rows += 1

    def read(self) -> RecordedRegisters:
        """All rows since the last time; valid until the next `take`."""
        recorded = {table: rows[: self.rows] for table, rows in self._recorded.items()}
        self.rows = 0
        return recorded


def columns(image: Image, recorded: RecordedRegisters, row: int) -> dict[str, NDArray[Any]]:
    """The points of one machine by name, without its serve counter; each of shape (T,).

    Text is bytes, a bit or a whole number without scale an integer, anything else a float, NaN where the
    register holds a sentinel.
    """
    served: dict[str, NDArray[Any]] = {}
    for point in image.profile.points:
        if point.name != SERVE_COUNTER:
            served[point.name] = _raw(image, recorded[point.table][:, row], point)
    parameters = [image.parameters[row]]
    return {point.name: _engineering(point, served, parameters) for point in image.profile.points
            if point.name != SERVE_COUNTER}  # fmt: skip


def _raw(image: Image, bytes_of: NDArray[np.uint8], point: Point) -> NDArray[Any]:
    """What stands in the point's registers, in its own type."""
    first = image.areas[point.table].column(point.address)
    if point.table.holds_bits:
        return bytes_of[:, first].astype(np.int64)
    words = bytes_of[:, 2 * first : 2 * (first + point.size)].reshape(len(bytes_of), point.size, 2)
    if point.word_order == "little":
        words = words[:, ::-1]
    if point.byte_order == "little":
        words = words[:, :, ::-1]
    flat = np.ascontiguousarray(words).reshape(len(bytes_of), 2 * point.size)
    if point.type is DataType.STRING:
        return flat.view(f"S{2 * point.size}")[:, 0]
    if point.type is DataType.BOOL:
        return (flat.view(">u2")[:, 0].astype(np.int64) >> (point.bit or 0)) & 1
    kind = {"u": ">u", "i": ">i", "f": ">f"}[point.type.value[0]] + str(point.type.bits // 8)
    return flat.view(kind)[:, 0].astype(point.type.value)


def _engineering(
    point: Point, raw: Mapping[str, NDArray[Any]], parameters: Sequence[Mapping[str, float]]
) -> NDArray[Any]:
    values = raw[point.name]
    if point.type in (DataType.STRING, DataType.BOOL):
        return values
    plain = point.scale == 1.0 and point.offset == 0.0
    missing = np.isin(values, [_as_raw(point, sentinel) for sentinel in point.sentinels])
    if plain and not missing.any():
        return values
    offset = factor(point.offset, parameters)[0]
    scale: Array | float
    if isinstance(point.scale, PointRef):
        scale = 10.0 ** raw[point.scale.point].astype(np.float64)
    else:
        scale = float(factor(point.scale, parameters)[0])
    engineering = np.round(values.astype(np.float64) * scale + offset, DIGITS)
    return np.where(missing, np.nan, engineering)


def _as_raw(point: Point, sentinel: float) -> float:
    """A sentinel of an int16 may be spelled 0x8000 or -32768."""
    if point.type.value.startswith("int") and sentinel >= 2 ** (point.type.bits - 1):
        return sentinel - float(2**point.type.bits)
    return sentinel
