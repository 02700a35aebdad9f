"""The codec between registers and values, compiled once for each block that is read.

The bytes are the registers of a reply as they are on the wire, or for coils and discrete inputs the packed
bits. Decoding never raises, whatever the bytes are: what cannot be a value becomes None with a reason.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import chain
from math import isfinite
from operator import itemgetter, ne, or_
from types import MappingProxyType

from qilu.contract.errors import DataError
from qilu.contract.profile import DataType, Point, PointRef, Table
from qilu.contract.reading import ALL_GOOD, Reason, Value
from qilu.contract.registers.grouping import parts_of
from qilu.contract.registers.number_format import bounds
from qilu.contract.registers.part_codecs import NumberPart, Part, as_bit, swap_bytes

Decoded = tuple[tuple[Value, ...], Mapping[int, Reason]]
"""One value per point, and why those that are not good are not: as `Reading` has them."""

Decode = Callable[[bytes], Decoded]
Encode = Callable[[Sequence[Value]], bytes]

_BITS_OF_BYTE = [tuple(bool(byte >> bit & 1) for bit in range(8)) for byte in range(256)]


@dataclass(frozen=True, slots=True)
class BlockCodec:
    """Reads and writes the points of one block: `count` addresses of `table` from `first_address`.

    `decode` takes 2 * count bytes, or (count + 7) // 8 of packed bits; with any other length every value is
    bad, protocol_error. `encode` is its inverse for one value per point, in the order of `points`; addresses
    between the points are 0, and points on the same register are joined by OR. It raises DataError.

    A float32 is decoded to exactly its number: 0.1 becomes 0.10000000149011612. Shortening it to seven digits
    would halve a record but cost 0.2 CPU-seconds per million points (benchmarks/registers.py) and not be
    exact. An integer that is scaled becomes a float, an unscaled one stays an integer. A point whose scale
    another point has is raw here, without its limits: `ScaleFactors` does the rest.
    """

    points: tuple[Point, ...]
    table: Table
    first_address: int
    count: int
    decode: Decode
    encode: Encode


def compile_block(
    points: Sequence[Point],
    table: Table,
    first_address: int,
    count: int,
    parameters: Mapping[str, float] | None = None,
) -> BlockCodec:
    """The codec of one block; `parameters` are all numbers that the scaling of the points refers to.

    ValueError for a point that is not wholly inside the block, KeyError for a parameter that is missing.
    """
    points = tuple(points)
    for point in points:
        if point.table is not table or point.address < first_address or point.last >= first_address + count:
            block = f"{table} {first_address} to {first_address + count - 1}"
            raise ValueError(
                f"{point.name} ({point.table} {point.address} to {point.last}) is not in {block}"
            )
    if table.holds_bits:
        offsets = [point.address - first_address for point in points]
        decode, encode = _bit_decoder(points, offsets, count), _bit_encoder(points, offsets, count)
    else:
        parts = parts_of(points, first_address, count, parameters or {})
        decode, encode = _register_decoder(points, parts, 2 * count), _register_encoder(points, parts)
    return BlockCodec(points, table, first_address, count, decode, encode)


def encode(point: Point, value: Value, parameters: Mapping[str, float] | None = None) -> bytes:
    """The registers of one point as they are on the wire; a coil is one byte, 0 or 1.

    A part of a register gives the whole register with the rest 0. DataError when the value does not fit, or
    when another point has its scale.
    """
    if isinstance(point.scale, PointRef):
        raise DataError(f"{point.name}: its scale is in {point.scale.point}, which is not known here")
    return compile_block((point,), point.table, point.address, point.size, parameters).encode((value,))


def _register_decoder(points: tuple[Point, ...], parts: Sequence[Part], size: int) -> Decode:
    careful = _general_decoder(points, parts, size)
    if len(parts) == 1 and isinstance(part := parts[0], NumberPart):
        in_order = part.indexes == tuple(range(len(points)))
        is_plain = not (part.swapped or part.scaling or part.sentinels or part.byte_order_map or part.is_bcd)
        if in_order and is_plain and not _limits(points):
            return _fast_decoder(part, careful)
    return careful


def _fast_decoder(part: NumberPart, careful: Decode) -> Decode:
    """The whole block in one unpack: what most devices have, and what the gateway's speed rests on."""
    unpack, broken = part.layout.unpack, _all_bad(len(part.points))
    if not part.has_floats:

        def decode_integers(data: bytes) -> Decoded:
            try:
                return unpack(data), ALL_GOOD
            except struct.error:
                return broken

        return decode_integers

    def decode_floats(data: bytes) -> Decoded:
        try:
            values = unpack(data)
        except struct.error:
            return broken
        return (values, ALL_GOOD) if isfinite(sum(values)) else careful(data)

    return decode_floats


def _general_decoder(points: tuple[Point, ...], parts: Sequence[Part], size: int) -> Decode:
    broken = _all_bad(len(points))
    decoders = [(part.decoder(), part.swapped) for part in parts]
    needs_swap = any(part.swapped for part in parts)
    order = [index for part in parts for index in part.indexes]
    arrange = None if order == sorted(order) else itemgetter(*map(order.index, range(len(points))))
    limits, bits = _limits(points), _bits_of_sentinels(points)

    def decode(data: bytes) -> Decoded:
        bad: dict[int, Reason] = {}
        values: tuple[Value, ...] = ()
        if len(data) != size:
            return broken
        swapped = swap_bytes(data) if needs_swap else data
        for decode_part, is_swapped in decoders:
            values += decode_part(swapped if is_swapped else data, bad)
        if arrange is not None:
            values = arrange(values)
        for index, low, high in limits:
            if not low <= values[index] <= high:  # type: ignore[operator]  # only numbers have limits
                bad.setdefault(index, Reason.OUT_OF_LIMITS)
        if not bad:
            return values, ALL_GOOD
        for index, whole in bits:
            if bad.get(whole) is Reason.SENTINEL:
                bad[index] = Reason.SENTINEL
        return tuple(None if index in bad else value for index, value in enumerate(values)), bad

    return decode


def _limits(points: Sequence[Point]) -> list[tuple[int, float, float]]:
    """Index and bounds of the points that have some; where another point has the scale, that comes first."""
    return [
        (index, *good)
        for index, point in enumerate(points)
        if not isinstance(point.scale, PointRef) and (good := bounds(point))
    ]


def _bits_of_sentinels(points: Sequence[Point]) -> list[tuple[int, int]]:
    """Index of a bool and of the integer whose bit it is: where that means no value, its bits mean none."""
    at = {point.name: index for index, point in enumerate(points) if point.sentinels}
    return [
        (index, at[point.overlaps])
        for index, point in enumerate(points)
        if point.type is DataType.BOOL and point.overlaps in at
    ]


def _register_encoder(points: tuple[Point, ...], parts: Sequence[Part]) -> Encode:
    def encode_block(values: Sequence[Value]) -> bytes:
        _match(points, values)
        images = [part.encode(values) for part in parts]
        images = [
            swap_bytes(image) if part.swapped else image for part, image in zip(parts, images, strict=True)
        ]
        if len(images) == 1:
            return images[0]
        return reduce(or_, (int.from_bytes(image) for image in images)).to_bytes(len(images[0]))

    return encode_block


def _bit_decoder(points: Sequence[Point], offsets: Sequence[int], count: int) -> Decode:
    plain = _plain_bit_decoder(offsets, count)
    if not any(point.invert for point in points):
        return plain
    inverted = [point.invert for point in points]

    def decode(data: bytes) -> Decoded:
        values, bad = plain(data)
        return values if bad else tuple(map(ne, values, inverted)), bad

    return decode


def _plain_bit_decoder(offsets: Sequence[int], count: int) -> Decode:
    size, broken = (count + 7) // 8, _all_bad(len(offsets))
    pick = None if list(offsets) == list(range(count)) else _picker(offsets)

    def decode(data: bytes) -> Decoded:
        if len(data) != size:
            return broken
        bits = tuple(chain.from_iterable(map(_BITS_OF_BYTE.__getitem__, data)))
        return bits[:count] if pick is None else pick(bits), ALL_GOOD

    return decode


def _picker(offsets: Sequence[int]) -> Callable[[tuple[bool, ...]], tuple[bool, ...]]:
    if len(offsets) == 1:
        only = offsets[0]
        return lambda bits: (bits[only],)
    return itemgetter(*offsets)


def _bit_encoder(points: tuple[Point, ...], offsets: Sequence[int], count: int) -> Encode:
    def encode_block(values: Sequence[Value]) -> bytes:
        _match(points, values)
        image = 0
        for point, offset, value in zip(points, offsets, values, strict=True):
            image |= (as_bit(point, value) != point.invert) << offset
        return image.to_bytes((count + 7) // 8, "little")

    return encode_block


def _match(points: Sequence[Point], values: Sequence[Value]) -> None:
    if len(points) != len(values):
        raise DataError(f"{len(values)} values for {len(points)} points")


def _all_bad(count: int) -> Decoded:
    return (None,) * count, MappingProxyType(dict.fromkeys(range(count), Reason.PROTOCOL_ERROR))
