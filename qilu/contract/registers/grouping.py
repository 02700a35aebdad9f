"""Splits the points of a block of registers into parts, as few as their layouts allow."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from qilu.contract.profile import DataType, Point
from qilu.contract.registers.number_format import Layout, Linear, byte_in_register, layouts, linear
from qilu.contract.registers.part_codecs import FlagPart, NumberPart, Part, TextPart
from qilu.contract.registers.patterns import PatternPart, pattern_of


class _Cell(NamedTuple):
    """A point at its place in the block, in bytes from its start."""

    column: int
    point: Point
    layout: Layout
    scaling: Linear | None
    start: int

    @property
    def end(self) -> int:
        return self.start + (1 if self.point.type.bits == 8 else 2 * self.point.size)

    @property
    def codec_key(self) -> tuple[str, Layout]:
        """Cells of equal care can be one part."""
        if self.point.type is DataType.BOOL:
            return "flags", self.layout
        if self.point.type is DataType.STRING:
            return "texts", self.layout
        kind = "bcd" if self.point.type.is_bcd else "numbers"
        return kind if self.scaling is None else f"scaled {kind}", self.layout


def parts_of(
    points: Sequence[Point], first_address: int, count: int, parameters: Mapping[str, float]
) -> tuple[Part, ...]:
    """The parts that together read every point of the block exactly once."""
    plain = [(index, point) for index, point in enumerate(points) if not point.is_pattern]
    cells = sorted(_cells(plain, first_address, parameters), key=lambda cell: (cell.start, cell.column))
    by_care: dict[tuple[str, Layout], list[_Cell]] = {}
    for cell in cells:
        by_care.setdefault(cell.codec_key, []).append(cell)
    parts: list[Part] = [part for alike in by_care.values() for part in _parts(alike, 2 * count)]
    if len(plain) < len(points):
        parts.append(_patterns(points, first_address, 2 * count, parameters))
    return tuple(parts)


def _patterns(
    points: Sequence[Point], first_address: int, size: int, parameters: Mapping[str, float]
) -> PatternPart:
    chosen = [(index, point) for index, point in enumerate(points) if point.is_pattern]
    return PatternPart(
        tuple(index for index, _ in chosen),
        tuple(point for _, point in chosen),
        tuple(pattern_of(point, 2 * (point.address - first_address)) for _, point in chosen),
        tuple(linear(point, parameters) for _, point in chosen),
        size,
    )


def _cells(
    points: Sequence[tuple[int, Point]], first_address: int, parameters: Mapping[str, float]
) -> Iterator[_Cell]:
    # A value of one register has two equal layouts: it takes the one that longer values of the block need.
    needed = {options[0] for _, point in points if len(options := layouts(point)) == 1}
    for index, point in points:
        options = layouts(point)
        layout = next((option for option in options if option in needed), options[0])
        scaling = None if point.type in (DataType.BOOL, DataType.STRING) else linear(point, parameters)
        start = 2 * (point.address - first_address)
        if point.type.bits == 8:
            start += byte_in_register(point, layout)
        yield _Cell(index, point, layout, scaling, start)


def _parts(cells: Sequence[_Cell], size: int) -> Iterator[Part]:
    """One part, or more where points overlap: a struct reads every byte once."""
    endian, swapped, mixed = cells[0].layout
    if cells[0].point.type is DataType.BOOL:
        yield _flags(cells, size)
        return
    for layer in _layers(cells):
        indexes = tuple(cell.column for cell in layer)
        points = tuple(cell.point for cell in layer)
        fields = [(cell.start, cell.end, _code(cell.point)) for cell in layer]
        byte_order_map: tuple[int, ...] = ()
        if mixed:
            layout = struct.Struct(endian + "".join(code for _, _, code in fields))
            byte_order_map = tuple(
                start + (at ^ mixed) for start, end, _ in fields for at in range(end - start)
            )
        else:
            layout = _struct(endian, fields, size)
        if cells[0].point.type is DataType.STRING:
            yield TextPart(indexes, points, layout, swapped)
        else:
            scaling = tuple(cell.scaling for cell in layer if cell.scaling is not None)
            yield NumberPart(
                indexes, points, layout, swapped, scaling, _sentinels(points), byte_order_map, size
            )


def _layers(cells: Sequence[_Cell]) -> list[list[_Cell]]:
    """Cells in the order of their addresses, spread so that none overlaps in its layer."""
    layers: list[list[_Cell]] = []
    for cell in cells:
        layer = next((layer for layer in layers if layer[-1].end <= cell.start), None)
        if layer is None:
            layers.append(layer := [])
        layer.append(cell)
    return layers


def _flags(cells: Sequence[_Cell], size: int) -> FlagPart:
    starts = sorted({cell.start for cell in cells})
    layout = _struct(cells[0].layout.endian, [(start, start + 2, "H") for start in starts], size)
    return FlagPart(
        tuple(cell.column for cell in cells),
        tuple(cell.point for cell in cells),
        layout,
        cells[0].layout.swapped,
        tuple(_bit(starts.index(cell.start), cell.point) for cell in cells),
    )


def _bit(position: int, point: Point) -> tuple[int, int, int]:
    mask = 1 << (point.bit or 0)
    return position, mask, mask if point.invert else 0


def _sentinels(points: Sequence[Point]) -> tuple[tuple[int, frozenset[int | float]], ...]:
    sentinels = ((position, _as_decoded(point)) for position, point in enumerate(points) if point.sentinels)
    return tuple(sentinels)


def _as_decoded(point: Point) -> frozenset[int | float]:
    """Sentinels as `struct` will show them: 0x8000 of an int16 as -32768, 0.1 of a float32 as its nearest."""
    code = f">{point.type.struct_code}"
    if point.type.is_float:
        return frozenset(struct.unpack(code, struct.pack(code, raw))[0] for raw in point.sentinels)
    mask = (1 << point.type.bits) - 1
    patterns = ((int(raw) & mask).to_bytes(point.type.bits // 8) for raw in point.sentinels)
    return frozenset(struct.unpack(code, pattern)[0] for pattern in patterns)


def _code(point: Point) -> str:
    return f"{2 * point.size}s" if point.type is DataType.STRING else point.type.struct_code


def _struct(endian: str, fields: Sequence[tuple[int, int, str]], size: int) -> struct.Struct:
    """A struct of `size` bytes with a field from start to end for each code, and padding between."""
    codes, at = [endian], 0
    for start, end, code in fields:
        codes += [f"{start - at}x", code]
        at = end
    return struct.Struct("".join([*codes, f"{size - at}x"]))
