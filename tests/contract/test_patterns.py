"""Numbers that are a part of their registers, lie apart, or are sums; the values are worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qilu.config.settings_file import load_text
from qilu.contract.errors import ConfigError, DataError
from qilu.contract.profile import DeviceProfile, Point
from qilu.contract.reading import Reason
from qilu.contract.registers import compile_block

UNDECODABLE, SENTINEL = Reason.UNDECODABLE, Reason.SENTINEL


def profile(*rows: str, head: str = "") -> DeviceProfile:
    points = "".join(f"  - {{{row}}}\n" for row in rows)
    return load_text(f"profile: meter\n{head}points:\n{points}", DeviceProfile)


def read(words: list[int], *rows: str) -> Any:
    points = profile(*rows).points
    codec = compile_block(points, points[0].table, 0, len(words))
    values, bad = codec.decode(b"".join(word.to_bytes(2) for word in words))
    return bad.get(0, values[0])


ROW = "name: a, table: input, address: 0"


@pytest.mark.parametrize(
    ("words", "keys", "value"),
    [
        ([0x5A7F], "type: uint16, bits: [4, 7]", 7),
        ([0x5AF0], "type: int16, bits: [4, 7]", -1),
        ([0x5A7F], "type: uint16, bits: [4, 7], sentinels: [7]", SENTINEL),
        ([0x0001, 0x8000], "type: uint32, bits: [15, 16], scale: 0.5", 1.5),
        ([0x8005], "type: uint16, sign: magnitude", -5),
        ([0x8000, 0x0005], "type: int32, sign: magnitude, scale: 0.1", -0.5),
        ([0xFD12, 0x3456], "type: int24", 0x123456),
        ([0x12FF, 0xFFFE], "type: int24", -2),
        ([0x12FF, 0xFFFE], "type: uint24", 0xFFFFFE),
        ([0x0001, 0x0002, 0x0003], "type: uint48", 0x000100020003),
        ([0x0003, 0x0002, 0x0001], "type: uint48, word_order: little", 0x000100020003),
        ([0xFFFF, 0xFFFF, 0xFFFE], "type: int48", -2),
        ([0x2611], "type: bcd8, byte: high", 26),
        ([0x2611], "type: bcd8, byte: low", 11),
        ([0x2A11], "type: bcd8, byte: high", UNDECODABLE),
        ([0x0012, 0x3456, 0x7890, 0x1234], "type: bcd64", 12345678901234),
        ([1, 2345, 6789, 42], "type: mod10k, length: 4", 1_2345_6789_0042),
        ([42, 6789, 2345, 1], "type: mod10k, length: 4, word_order: little", 1_2345_6789_0042),
        ([1, 10000], "type: mod10k, length: 2", UNDECODABLE),
        ([321, 7], "type: uint16, weights: [1, 1000]", 7321),
    ],
)
def test_a_number_is_what_its_keys_make_of_its_registers(words: list[int], keys: str, value: Any) -> None:
    assert read(words, f"{ROW}, {keys}") == value


def test_registers_that_lie_apart_are_one_number_and_what_lies_between_is_another() -> None:
    words = "name: total, table: holding, address: [78, 80], type: uint32, word_order: little, scale: 0.1"
    points = profile(words, "name: frequency, table: holding, address: 79, type: uint16, scale: 0.01").points
    assert (points[0].address, points[0].size) == (78, 3)
    codec = compile_block(points, points[0].table, 78, 3)
    data = b"".join(word.to_bytes(2) for word in (0x0002, 5001, 0x0001))
    assert codec.decode(data) == ((6553.8, 50.01), {})
    assert codec.encode((6553.8, 50.01)) == data


def test_registers_apart_in_a_structure_and_in_modicons_notation() -> None:
    text = """
profile: meter
addressing: modicon
structures:
  - count: 2
    stride: 10
    points:
      - {name: total, address: [40079, 40081], type: uint32}
"""
    points = load_text(text, DeviceProfile).points
    assert [(point.name, point.address, point.words) for point in points] == [
        ("total_1", 78, (0, 2)), ("total_2", 88, (0, 2)),
    ]  # fmt: skip


def test_a_date_is_its_parts() -> None:
    """2026-11-29, two digits a byte, and packed into one register."""
    assert [read([0x2611, 0x2900], f"{ROW}, type: bcd8, byte: {byte}") for byte in ("high", "low")] == [
        26,
        11,
    ]
    packed = 26 << 9 | 11 << 5 | 29
    assert [read([packed], f"{ROW}, type: uint16, bits: {bits}") for bits in ([9, 15], [5, 8], [0, 4])] == [
        26, 11, 29,
    ]  # fmt: skip


def test_a_contact_that_is_closed_when_the_door_is_shut() -> None:
    rows = [f"name: {name}, table: discrete, address: {at}, type: bool, invert: {invert}"
            for name, at, invert in (("open", 0, "true"), ("on", 1, "false"))]  # fmt: skip
    codec = compile_block(profile(*rows).points, profile(*rows).points[0].table, 0, 2)
    assert codec.decode(b"\x03") == ((False, True), {})
    assert codec.encode((False, True)) == b"\x03"
    assert read([0x0004], f"{ROW}, type: bool, bit: 2, invert: true") is False


def test_a_text_that_is_filled_up_with_ff() -> None:
    assert (
        read([0x4142, 0x43FF, 0xFFFF], f"{ROW}, type: string, length: 3, encoding: ascii, padding: ff")
        == "ABC"
    )


def test_a_mantissa_of_24_bits_lies_beside_its_exponent() -> None:
    points = profile(
        "name: exponent, table: input, address: 0, type: int8, byte: high",
        "name: power, table: input, address: 0, type: int24, scale: {point: exponent}, overlaps: exponent",
    ).points
    assert compile_block(points, points[0].table, 0, 2).decode(bytes.fromhex("ff0004d2"))[0] == (-1, 1234)


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ("type: uint16, bits: [7, 4]", "a uint16 has no bits 7 to 4"),
        ("type: uint16, bits: [4, 16]", "a uint16 has no bits 4 to 16"),
        ("type: float32, bits: [4, 7]", "bits can be chosen of an integer only"),
        ("type: float32, sign: magnitude", "a float32 has no sign and magnitude"),
        ("type: uint16, invert: true", "`invert` means nothing for a uint16"),
        ("type: mod10k", "a MOD10 number has 1 to 4 registers"),
        ("type: uint32, weights: [1, 1000]", "registers of a uint32 are no sum"),
        ("type: uint16, bits: [0, 3], flags: {0: hot}", "`flags` means nothing"),
        ("type: uint16, bits: [0, 3], sentinels: [16]", "16 is not a raw value"),
    ],
)
def test_keys_that_do_not_go_together_are_refused(keys: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        profile(f"{ROW}, {keys}")


@pytest.mark.parametrize("addresses", ["[1, 2, 3]", "[1, 1]", "[1]"])
def test_addresses_that_are_no_number_of_that_type_are_refused(addresses: str) -> None:
    with pytest.raises(ConfigError, match="a uint32 has 2 registers, each of its own"):
        profile(f"name: a, table: input, address: {addresses}, type: uint32")


@given(st.lists(st.integers(0, 0xFFFF), min_size=2, max_size=2))
def test_what_a_sum_reads_it_writes(words: list[int]) -> None:
    point = Point.model_validate(
        {"name": "a", "table": "input", "address": 0, "type": "uint16", "weights": (1, 0x10000)}
    )
    codec = compile_block((point,), point.table, 0, 2)
    data = b"".join(word.to_bytes(2) for word in words)
    assert codec.encode(codec.decode(data)[0]) == data


def test_a_number_that_no_pattern_has_is_refused() -> None:
    point = Point.model_validate(
        {"name": "a", "table": "input", "address": 0, "type": "uint16", "bits": (4, 7)}
    )
    with pytest.raises(DataError, match="a: 16 is not a uint16: it does not fit into 4 bits"):
        compile_block((point,), point.table, 0, 1).encode((16,))
