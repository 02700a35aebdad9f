"""What holds for every type, order, place and content of registers; pymodbus' codec is the second opinion."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence
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
WORD_ORDERS = (*ORDERS, "big_swapped", "little_swapped")
ENCODINGS = ("ascii", "utf-8", "gb18030", "latin-1")
NUMBERS = [kind for kind in DataType if kind.is_number and kind is not DataType.MOD10K]
WHOLE_REGISTERS = [kind for kind in NUMBERS if kind.bits >= 16 and not kind.is_bcd and not kind.is_pattern]
INTEGERS = [kind for kind in NUMBERS if kind.is_integer and not kind.is_bcd]
PYMODBUS: Mapping[DataType, Any] = {
    kind: ModbusClientMixin.DATATYPE[kind.value.upper()]
    for kind in WHOLE_REGISTERS
    if kind.value.upper() in ModbusClientMixin.DATATYPE.__members__
}


def values_of(point: Point) -> st.SearchStrategy[Value]:
    kind = point.type
    if kind is DataType.BOOL:
        return st.booleans()
    if kind is DataType.STRING:
        size = point.size * (2 if point.char_bytes == "both" else 1)
        printable = st.characters(codec="latin-1" if point.encoding == "latin-1" else "ascii")
        if point.encoding in ("utf-8", "gb18030"):
            printable |= st.sampled_from("螺杆空压机éß")
        texts = st.text(printable, max_size=size).map(lambda text: text.replace("\0", "-").rstrip(" "))
        return texts.filter(lambda text: _fits(text, size, point))
    if kind.is_float:
        return st.floats(width=kind.bits, allow_nan=False, allow_infinity=False)  # type: ignore[arg-type]
    return st.integers(*point.raw_range)


def _fits(text: str, size: int, point: Point) -> bool:
    # What is filled up and not stripped is as long as its registers.
    room = size - len(text.encode(point.encoding))
    return room == 0 if point.padding == "none" else room >= 0


@st.composite
def patterns(draw: st.DrawFn, kind: DataType) -> dict[str, Any]:
    """A part of the bits, or sign and magnitude, or registers apart; often nothing of it."""
    raw: dict[str, Any] = {}
    width = kind.bits
    if draw(st.booleans()):
        low = draw(st.integers(0, kind.bits - 2))
        raw["bits"] = (low, draw(st.integers(low + 1, kind.bits - 1)))
        width = raw["bits"][1] - low + 1
    if width > 1 and draw(st.booleans()):
        raw["sign"] = "magnitude"
    if kind.bits >= 16 and draw(st.booleans()):
        raw["words"] = draw(st.permutations(range(0, 2 * kind.registers, 2)))
    return raw


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
        raw: dict[str, Any] = {"name": f"p{len(points)}", "table": "input", "address": at, "type": kind}
        raw |= {key: draw(st.sampled_from(known)) for key, known in _choices(kind).items()}
        raw |= draw(patterns(kind)) if kind in INTEGERS else {}
        point = Point.model_validate(raw)
        points.append(point)
        values.append(draw(values_of(point)))
        at = point.last + 1
        if len(points) == 12 or draw(st.booleans()):
            break
    order = draw(st.permutations(range(len(points))))
    count = at - first + draw(st.integers(0, 3))
    return [points[i] for i in order], [values[i] for i in order], first, count


def _choices(kind: DataType) -> dict[str, Sequence[Any]]:
    """The keys that say how a type lies in registers, and all that each may be."""
    orders: dict[str, Sequence[Any]] = {"byte_order": ORDERS, "word_order": WORD_ORDERS}
    if kind is DataType.BOOL:
        return orders | {"bit": range(16), "invert": (False, True)}
    if kind is DataType.MOD10K:
        return orders | {"length": range(1, 5)}
    if kind is DataType.STRING:
        paddings = ("any", "nul", "space", "ff", "none")
        packings = ("both", "high", "low")
        return orders | {
            "length": range(1, 7), "encoding": ENCODINGS, "char_bytes": packings, "padding": paddings
        }  # fmt: skip
    return orders | ({"byte": ("high", "low")} if kind.bits == 8 else {})


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


LETTERS = {  # of the registers as they are read, A the most significant byte of the value
    ("big", "big"): "ABCDEFGH",
    ("little", "big"): "GHEFCDAB",
    ("big_swapped", "big"): "CDABGHEF",
    ("little_swapped", "big"): "EFGHABCD",
    ("big", "little"): "BADCFEHG",
    ("little", "little"): "HGFEDCBA",
    ("big_swapped", "little"): "DCBAHGFE",
    ("little_swapped", "little"): "FEHGBADC",
}


@pytest.mark.parametrize("kind", [kind for kind in WHOLE_REGISTERS if kind.bits == 64])
@pytest.mark.parametrize("orders", LETTERS)
@given(content=st.binary(min_size=8, max_size=8))
def test_all_orders_of_64_bits_are_as_their_letters_say(
    kind: DataType, orders: tuple[str, str], content: bytes
) -> None:
    raw = {"name": "p", "table": "input", "address": 3, "type": kind}
    point = Point.model_validate(raw | dict(zip(("word_order", "byte_order"), orders, strict=True)))
    image = bytes(content["ABCDEFGH".index(letter)] for letter in LETTERS[orders])
    (value,), bad = compile_block([point], Table.INPUT, 1, 7).decode(bytes(4) + image + bytes(2))
    expected = struct.unpack(f">{kind.struct_code}", content)[0]
    assert value == expected or bad == {0: Reason.NOT_A_NUMBER}


@given(st.integers(0, 0xFFFFFFFF), st.sampled_from(WORD_ORDERS), st.sampled_from(ORDERS))
def test_bcd_is_read_digit_by_digit_or_is_undecodable(pattern: int, word_order: str, byte_order: str) -> None:
    raw = {"name": "p", "table": "input", "address": 0, "word_order": word_order, "byte_order": byte_order}
    number, digits = (Point.model_validate({**raw, "type": kind}) for kind in ("uint32", "bcd32"))
    image = compile_block([number], Table.INPUT, 0, 2).encode([pattern])
    (value,), bad = compile_block([digits], Table.INPUT, 0, 2).decode(image)
    expected = 0
    for shift in range(28, -4, -4):
        expected = 10 * expected + (pattern >> shift & 15)
    if all(pattern >> shift & 15 < 10 for shift in range(0, 32, 4)):
        assert (value, bad) == (expected, {})
    else:
        assert (value, bad) == (None, {0: Reason.UNDECODABLE})


@pytest.mark.parametrize(("kind", "word_order"), list(product(PYMODBUS, ORDERS)))
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
    raw |= {"byte": "low"} if kind.bits == 8 else {}
    codec = compile_block([Point.model_validate(raw)], Table.INPUT, 0, kind.registers)
    if kind.is_float:
        value = data.draw(st.floats(-1e6, 1e6, width=32))
        assert codec.decode(codec.encode([value]))[0][0] == pytest.approx(value, rel=1e-6, abs=1e-4)
    else:
        # Above 2^48 the scaled float is coarser than a step of the register.
        limit = min(kind.range[1], 2**48 - 1)
        register = data.draw(st.integers(0, min(10**14, limit)))
        image = (int(str(register), 16) if kind.is_bcd else register).to_bytes(2 * kind.registers)
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
        for orders in product(ORDERS, WORD_ORDERS, repeat=2):
            raws = [_raw(first, 0, orders[:2]), _raw(second, 4, orders[2:])]
            codec = compile_block([Point.model_validate(raw) for raw in raws], Table.INPUT, 0, 8)
            values = tuple(_sample(kind) for kind in (first, second))
            assert codec.decode(codec.encode(values)) == (values, {})


def _raw(kind: DataType, address: int, orders: tuple[str, ...]) -> dict[str, Any]:
    raw: dict[str, Any] = {"name": f"p{address}", "table": "input", "address": address, "type": kind}
    raw |= {"byte_order": orders[0], "word_order": orders[1]}
    raw |= {"bit": 5} if kind is DataType.BOOL else {}
    raw |= {"byte": "high"} if kind.bits == 8 else {}
    return raw | ({"length": 3} if kind in (DataType.STRING, DataType.MOD10K) else {})


def _sample(kind: DataType) -> Value:
    if kind is DataType.BOOL:
        return True
    return "A\u00e9Z" if kind is DataType.STRING else 231.5 if kind.is_float else 57
