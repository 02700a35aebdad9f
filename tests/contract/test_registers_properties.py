"""What holds for every type, order, place and content of registers; pymodbus' codec is the second opinion."""

from __future__ import annotations

import math
import struct
from itertools import pairwise, product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.client.mixin import ModbusClientMixin

from qilu.contract.profile import DataType, Point, Table
from qilu.contract.reading import Reason, Value
from qilu.contract.registers import compile_block

ORDERS = ("big", "little")
NUMBERS = [kind for kind in DataType if kind.is_integer or kind.is_float]
PYMODBUS = {kind: getattr(ModbusClientMixin.DATATYPE, kind.value.upper()) for kind in NUMBERS}


def values_of(kind: DataType, length: int) -> st.SearchStrategy[Value]:
    if kind is DataType.BOOL:
        return st.booleans()
    if kind is DataType.STRING:
        printable = st.characters(codec="utf-8", exclude_characters="\0")
        texts = st.text(printable, max_size=2 * length).map(lambda text: text.rstrip(" "))
        return texts.filter(lambda text: len(text.encode()) <= 2 * length)
    if kind.is_float:
        return st.floats(width=kind.bits, allow_nan=False, allow_infinity=False)  # type: ignore[arg-type]
    low = -(2 ** (kind.bits - 1)) if kind.startswith("int") else 0
    return st.integers(low, low + 2**kind.bits - 1)


@st.composite
def blocks(draw: st.DrawFn) -> tuple[list[Point], list[Value], int, int]:
    """Points that do not overlap, in any order, a value for each; first address and count of their block."""
    first = draw(st.integers(0, 65535 - 125))
    at = first
    points: list[Point] = []
    values: list[Value] = []
    while True:
        at += draw(st.integers(0, 3))
        kind = draw(st.sampled_from(list(DataType)))
        length = draw(st.integers(1, 6))
        raw: dict[str, Any] = {"name": f"p{len(points)}", "table": "input", "address": at, "type": kind}
        raw |= {"byte_order": draw(st.sampled_from(ORDERS)), "word_order": draw(st.sampled_from(ORDERS))}
        raw |= {"bit": draw(st.integers(0, 15))} if kind is DataType.BOOL else {}
        raw |= {"length": length} if kind is DataType.STRING else {}
        point = Point.model_validate(raw)
        points.append(point)
        values.append(draw(values_of(kind, length)))
        at = point.last + 1
        if len(points) == 12 or draw(st.booleans()):
            break
    order = draw(st.permutations(range(len(points))))
    count = at - first + draw(st.integers(0, 3))
    return [points[i] for i in order], [values[i] for i in order], first, count


@given(blocks())
def test_what_was_written_is_read(block: tuple[list[Point], list[Value], int, int]) -> None:
    points, values, first, count = block
    codec = compile_block(points, Table.INPUT, first, count)
    data = codec.encode(values)
    assert len(data) == 2 * count
    assert codec.decode(data) == (tuple(values), {})
    assert [type(value) for value in codec.decode(data)[0]] == [type(value) for value in values]


@given(blocks(), st.data())
def test_a_block_reads_like_its_points_one_by_one_whatever_the_bytes_are(
    block: tuple[list[Point], list[Value], int, int], data: st.DataObject
) -> None:
    points, _, first, count = block
    # Words of which NaN, Inf and invalid UTF-8 are often made.
    registers = data.draw(
        st.lists(st.sampled_from([b"\xff\xff", b"\x7f\x80", b"OK", b"\0\0"]), min_size=count)
    )
    image = b"".join(registers[:count])
    values, reasons = compile_block(points, Table.INPUT, first, count).decode(image)
    for index, point in enumerate(points):
        start = 2 * (point.address - first)
        alone = compile_block([point], Table.INPUT, point.address, point.size)
        value, reason = alone.decode(image[start : start + 2 * point.size])
        assert (values[index], reasons.get(index)) == (value[0], reason.get(0))


@given(blocks(), st.binary(max_size=260))
def test_garbage_never_raises(block: tuple[list[Point], list[Value], int, int], garbage: bytes) -> None:
    points, _, first, count = block
    image = garbage if len(garbage) % 3 else garbage[: 2 * count].ljust(2 * count, b"\xff")
    values, reasons = compile_block(points, Table.INPUT, first, count).decode(image)
    assert len(values) == len(points)
    assert all((value is None) == (index in reasons) for index, value in enumerate(values))
    assert not any(isinstance(value, float) and not math.isfinite(value) for value in values)


@pytest.mark.parametrize(("kind", "word_order"), list(product(NUMBERS, ORDERS)))
@given(content=st.binary(min_size=8, max_size=8))
def test_pymodbus_reads_the_same(kind: DataType, word_order: Any, content: bytes) -> None:
    raw = {"name": "p", "table": "input", "address": 0, "type": kind, "word_order": word_order}
    point = Point.model_validate(raw)
    image = content[: 2 * point.size]
    registers = list(struct.unpack(f">{point.size}H", image))
    theirs = ModbusClientMixin.convert_from_registers(registers, PYMODBUS[kind], word_order=word_order)
    assert isinstance(theirs, int | float)
    values, reasons = compile_block([point], Table.INPUT, 0, point.size).decode(image)
    if math.isfinite(theirs):
        assert (values[0], reasons) == (theirs, {})
    else:
        assert reasons == {0: Reason.NOT_A_NUMBER}


@pytest.mark.parametrize("kind", NUMBERS)
@given(data=st.data(), scale=st.sampled_from([0.1, 0.01, 0.001, 2.5, 10, -0.5]), offset=st.integers(-50, 50))
def test_a_scaled_value_is_written_back_to_the_same_registers(
    kind: DataType, data: st.DataObject, scale: float, offset: int
) -> None:
    raw = {"name": "p", "table": "input", "address": 0, "type": kind, "scale": scale, "offset": offset}
    codec = compile_block([Point.model_validate(raw)], Table.INPUT, 0, max(1, kind.bits // 16))
    if kind.is_float:
        value = data.draw(st.floats(-1e6, 1e6, width=32))
        assert codec.decode(codec.encode([value]))[0][0] == pytest.approx(value, rel=1e-6, abs=1e-4)
    else:
        # Above 2^48 the scaled float is coarser than a step of the register.
        limit = 2 ** min(kind.bits - 1, 48)
        register = data.draw(st.integers(0, limit - 1))
        image = register.to_bytes(kind.bits // 8)
        assert codec.encode(codec.decode(image)[0]) == image


@given(st.sets(st.integers(0, 1999), min_size=1), st.integers(0, 63535), st.data())
def test_packed_bits_are_read_and_written(offsets: set[int], first: int, data: st.DataObject) -> None:
    raws = [
        {"name": f"c{offset}", "table": "discrete", "address": first + offset, "type": "bool"}
        for offset in data.draw(st.permutations(sorted(offsets)))
    ]
    count = max(offsets) + 1
    codec = compile_block([Point.model_validate(raw) for raw in raws], Table.DISCRETE, first, count)
    values = tuple(data.draw(st.lists(st.booleans(), min_size=len(raws), max_size=len(raws))))
    image = codec.encode(values)
    assert codec.decode(image) == (values, {})
    assert len(image) == (count + 7) // 8


def test_the_blocks_above_have_every_type_next_to_every_other() -> None:
    """Whole blocks of every pair of types in all orders, without chance."""
    for first, second in pairwise([*DataType, *reversed(DataType)]):
        for orders in product(ORDERS, repeat=4):
            raws = [_raw(first, 0, orders[:2]), _raw(second, 4, orders[2:])]
            codec = compile_block([Point.model_validate(raw) for raw in raws], Table.INPUT, 0, 8)
            values = tuple(_sample(kind) for kind in (first, second))
            assert codec.decode(codec.encode(values)) == (values, {})


def _raw(kind: DataType, address: int, orders: tuple[str, ...]) -> dict[str, Any]:
    raw: dict[str, Any] = {"name": f"p{address}", "table": "input", "address": address, "type": kind}
    raw |= {"byte_order": orders[0], "word_order": orders[1]}
    raw |= {"bit": 5} if kind is DataType.BOOL else {}
    return raw | ({"length": 3} if kind is DataType.STRING else {})


def _sample(kind: DataType) -> Value:
    if kind is DataType.BOOL:
        return True
    return "A\u00e9Z" if kind is DataType.STRING else 231.5 if kind.is_float else 231
