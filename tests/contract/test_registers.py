"""Registers become values with their reasons, and values become registers."""

from __future__ import annotations

import math
import struct
from typing import Any

import pytest

from qilu.contract.errors import DataError
from qilu.contract.profile import Point, Table
from qilu.contract.reading import ALL_GOOD, Reason, Value
from qilu.contract.registers import BlockCodec, compile_block, encode


def point(name: str = "p", address: int = 0, kind: str = "uint16", **keys: Any) -> Point:
    return Point.model_validate({"name": name, "table": "holding", "address": address, "type": kind, **keys})


def codec(*points: Point, count: int | None = None, parameters: dict[str, float] | None = None) -> BlockCodec:
    size = count or max(point.last for point in points) + 1
    return compile_block(points, points[0].table, 0, size, parameters)


def decoded(one: Point, hexadecimal: str, parameters: dict[str, float] | None = None) -> Value | Reason:
    """The value of a single point, or the reason why it has none."""
    values, reasons = codec(one, parameters=parameters).decode(bytes.fromhex(hexadecimal))
    assert (values[0] is None) == (0 in reasons)
    return reasons.get(0, values[0])


class TestTypesAndOrders:
    @pytest.mark.parametrize(
        ("kind", "registers", "value"),
        [
            ("uint16", "8001", 0x8001),
            ("int16", "8001", -0x7FFF),
            ("uint32", "80000001", 0x80000001),
            ("int32", "80000001", -0x7FFFFFFF),
            ("uint64", "8000000000000001", 0x8000000000000001),
            ("int64", "8000000000000001", -0x7FFFFFFFFFFFFFFF),
            ("float32", "43678000", 231.5),
            ("float64", "406cf00000000000", 231.5),
        ],
    )
    def test_every_number_is_read_as_the_specification_has_it(
        self, kind: str, registers: str, value: float
    ) -> None:
        assert decoded(point(kind=kind), registers) == value

    @pytest.mark.parametrize(
        ("byte_order", "word_order", "four", "eight"),
        [
            ("big", "big", "0a0b0c0d", "0102030405060708"),
            ("little", "big", "0b0a0d0c", "0201040306050807"),
            ("big", "little", "0c0d0a0b", "0708050603040102"),
            ("little", "little", "0d0c0b0a", "0807060504030201"),
        ],
    )
    def test_every_order_of_bytes_and_words(
        self, byte_order: str, word_order: str, four: str, eight: str
    ) -> None:
        orders: dict[str, Any] = {"byte_order": byte_order, "word_order": word_order}
        assert decoded(point(kind="uint32", **orders), four) == 0x0A0B0C0D
        assert decoded(point(kind="uint64", **orders), eight) == 0x0102030405060708

    @pytest.mark.parametrize(
        ("keys", "value"),
        [
            ({"kind": "uint8", "byte": "high"}, 0x91),
            ({"kind": "uint8", "byte": "low"}, 0xFE),
            ({"kind": "int8", "byte": "high"}, 0x91 - 256),
            ({"kind": "int8", "byte": "low"}, -2),
            ({"kind": "uint8", "byte": "high", "byte_order": "little"}, 0xFE),
            ({"kind": "int8", "byte": "low", "byte_order": "little"}, 0x91 - 256),
        ],
    )
    def test_either_byte_of_a_register_is_a_number(self, keys: dict[str, Any], value: int) -> None:
        assert decoded(point(**keys), "91fe") == value

    def test_bytes_share_their_register_with_each_other_and_a_block_with_all_else(self) -> None:
        for order in ("big", "little"):
            orders: dict[str, Any] = {"byte_order": order}
            points = [
                point("low", 2, "uint8", byte="low", **orders),
                point("float", 0, "float32", word_order="little"),
                point("high", 2, "int8", byte="high", scale=0.1, **orders),
                point("next", 3, "uint8", byte="low", **orders),
            ]
            block = codec(*points)
            values = (255, 1.5, -12.8, 7)
            assert block.decode(block.encode(values)) == (values, ALL_GOOD)

    @pytest.mark.parametrize(
        ("kind", "registers", "value"),
        [
            ("bcd16", "0248", 248),
            ("bcd16", "9999", 9999),
            ("bcd32", "00012345", 12345),
            ("bcd32", "99999999", 99999999),
            ("bcd16", "024a", Reason.UNDECODABLE),
            ("bcd16", "a000", Reason.UNDECODABLE),
            ("bcd16", "1e05", Reason.UNDECODABLE),
            ("bcd32", "0000000f", Reason.UNDECODABLE),
        ],
    )
    def test_bcd_has_a_decimal_digit_in_every_four_bits(
        self, kind: str, registers: str, value: Value | Reason
    ) -> None:
        assert decoded(point(kind=kind), registers) == value

    def test_bcd_is_scaled_has_orders_and_sentinels_that_are_patterns(self) -> None:
        assert decoded(point(kind="bcd16", scale=0.1), "0248") == 24.8
        assert decoded(point(kind="bcd32", word_order="little"), "23450001") == 12345
        assert decoded(point(kind="bcd16", sentinels=[0xFFFF, 0x9999]), "ffff") is Reason.SENTINEL
        assert decoded(point(kind="bcd16", sentinels=[0xFFFF, 0x9999]), "9999") is Reason.SENTINEL

    def test_words_have_no_order_where_there_is_one(self) -> None:
        assert decoded(point(word_order="little"), "1234") == 0x1234
        assert decoded(point(byte_order="little", word_order="big"), "1234") == 0x3412

    def test_bits_of_a_register_count_from_the_least_significant(self) -> None:
        flags = [point(f"b{bit}", kind="bool", bit=bit) for bit in range(16)]
        values, _ = codec(*flags).decode(b"\x80\x09")
        assert [bit for bit, value in enumerate(values) if value is True] == [0, 3, 15]
        assert {type(value) for value in values} == {bool}

    def test_bits_count_after_the_bytes_are_in_order(self) -> None:
        assert decoded(point(kind="bool", bit=0, byte_order="little"), "0100") is True

    def test_a_text_ends_at_its_first_nul_and_loses_the_spaces_that_fill_it_up(self) -> None:
        assert decoded(point(kind="string", length=4), "4142204300ff4141") == "AB C"
        assert decoded(point(kind="string", length=2), "41422020") == "AB"
        assert decoded(point(kind="string", length=2), "20414200") == " AB"
        assert decoded(point(kind="string", length=2, byte_order="little"), "42414443") == "ABCD"
        assert decoded(point(kind="string", length=3, word_order="little"), "e7a8bae58e8b") == "稺压"

    @pytest.mark.parametrize(
        ("keys", "registers", "text"),
        [
            ({"char_bytes": "high"}, "4100420043000000", "ABC"),
            ({"char_bytes": "low"}, "0041004200430000", "ABC"),
            ({"char_bytes": "low"}, "ff41ff42ff43ff00", "ABC"),
            ({"char_bytes": "low", "byte_order": "little"}, "4100420043000000", "ABC"),
            ({"padding": "nul"}, "4142202000414141", "AB  "),
            ({"padding": "space"}, "4142202020202020", "AB"),
            ({"padding": "space"}, "4142000041202020", "AB\0\0A"),
            ({"padding": "none"}, "4142202020202020", "AB      "),
            ({"encoding": "gb18030"}, "c2ddb8cb00000000", "螺杆"),
            ({"encoding": "gb18030"}, "c2ddb8cbc200c2c2", Reason.UNDECODABLE),
            ({"encoding": "latin-1"}, "b04320ff00000000", "°C ÿ"),
            ({"encoding": "ascii"}, "b043000000000000", Reason.UNDECODABLE),
            ({"encoding": "ascii"}, "ffffffffffffffff", Reason.UNDECODABLE),
            ({"encoding": "utf-8"}, "b043000000000000", Reason.UNDECODABLE),
        ],
    )
    def test_texts_are_packed_filled_up_and_encoded_as_the_point_says(
        self, keys: dict[str, Any], registers: str, text: str | Reason
    ) -> None:
        assert decoded(point(kind="string", length=4, **keys), registers) == text

    def test_coils_are_packed_from_the_least_significant_bit(self) -> None:
        coils = [point(f"c{n}", n, "bool", table="coil") for n in (9, 0, 2)]
        values, reasons = compile_block(coils, Table.COIL, 0, 10).decode(b"\x05\x02")
        assert (values, reasons) == ((True, True, True), ALL_GOOD)
        assert compile_block(coils, Table.COIL, 0, 10).decode(b"\xfa\xfd")[0] == (False, False, False)


class TestWhatIsNoValue:
    def test_sentinels_are_compared_before_scaling(self) -> None:
        both = point(kind="int16", scale=0.1, sentinels=[0x8000, 0x7FFF])
        assert decoded(both, "8000") is Reason.SENTINEL
        assert decoded(both, "7fff") is Reason.SENTINEL
        assert decoded(both, "8001") == -3276.7

    def test_a_negative_sentinel_may_be_written_signed_or_as_its_pattern(self) -> None:
        for raw in (-1, 0xFFFFFFFF):
            assert decoded(point(kind="int32", sentinels=[raw]), "ffffffff") is Reason.SENTINEL

    def test_the_bits_of_a_sentinel_are_none_either(self) -> None:
        whole = point("whole", 0, "uint32", sentinels=[0xFFFFFFFF])
        bits = [point(f"b{n}", n, "bool", bit=n, overlaps="whole") for n in (0, 1)]
        block = codec(bits[0], whole, bits[1])
        assert block.decode(b"\xff" * 4)[1] == dict.fromkeys(range(3), Reason.SENTINEL)
        assert block.decode(b"\xff\xff\xff\xfe") == ((True, 0xFFFFFFFE, True), ALL_GOOD)

    def test_a_sentinel_of_a_float_is_its_number(self) -> None:
        assert decoded(point(kind="float32", sentinels=[0.1]), "3dcccccd") is Reason.SENTINEL
        assert decoded(point(kind="float32", sentinels=[9999]), "461c3c00") is Reason.SENTINEL

    @pytest.mark.parametrize("registers", ["7fc00000", "7f800000", "ff800000", "7f800001", "ffffffff"])
    def test_nan_and_inf_are_bad(self, registers: str) -> None:
        assert decoded(point(kind="float32"), registers) is Reason.NOT_A_NUMBER
        assert decoded(point(kind="float32", scale=0.1, offset=1), registers) is Reason.NOT_A_NUMBER

    def test_a_nan_leaves_its_neighbours_good(self) -> None:
        floats = [point(f"f{n}", 2 * n, "float32") for n in range(3)]
        values, reasons = codec(*floats).decode(struct.pack(">3f", 1, math.nan, 3))
        assert (values, reasons) == ((1, None, 3), {1: Reason.NOT_A_NUMBER})

    def test_floats_whose_sum_overflows_are_good(self) -> None:
        doubles = [point(f"d{n}", 4 * n, "float64") for n in range(3)]
        assert codec(*doubles).decode(struct.pack(">3d", 1.7e308, 1.7e308, 1)) == (
            (1.7e308, 1.7e308, 1),
            ALL_GOOD,
        )

    def test_limits_are_of_the_scaled_value_and_include_their_bounds(self) -> None:
        limited = point(scale=0.1, limits={"min": 1, "max": 2})
        assert [decoded(limited, f"{raw:04x}") for raw in (9, 10, 20, 21)] == [
            Reason.OUT_OF_LIMITS, 1, 2, Reason.OUT_OF_LIMITS,
        ]  # fmt: skip

    def test_a_bound_that_a_float32_cannot_have_exactly_is_good_too(self) -> None:
        limited = point(kind="float32", limits={"min": -0.1, "max": 0.1})
        for bound in (-0.1, 0.1):
            assert decoded(limited, struct.pack(">f", bound).hex()) == pytest.approx(bound)
        assert decoded(limited, struct.pack(">f", 0.10001).hex()) is Reason.OUT_OF_LIMITS

    @pytest.mark.parametrize("limits", [{"min": 5}, {"max": 5}])
    def test_one_bound_is_enough(self, limits: dict[str, float]) -> None:
        results = {decoded(point(limits=limits), f"{raw:04x}") for raw in (4, 5, 6)}
        assert Reason.OUT_OF_LIMITS in results
        assert len(results) == 3

    def test_a_text_that_is_no_utf8_is_undecodable_and_alone_in_that(self) -> None:
        texts = [point("a", 0, "string", length=1), point("b", 1, "string", length=1)]
        assert codec(*texts).decode(b"\xff\xffOK") == ((None, "OK"), {0: Reason.UNDECODABLE})

    def test_an_unknown_code_is_still_a_value(self) -> None:
        assert decoded(point(enum={0: "off"}), "0007") == 7

    @pytest.mark.parametrize("length", [0, 1, 3, 5, 8])
    @pytest.mark.parametrize(
        "kind",
        [
            {"kind": "uint32"},
            {"kind": "float32"},
            {"kind": "float32", "word_order": "little"},
            {"kind": "float32", "scale": 0.1},
            {"kind": "string", "length": 2},
        ],
    )
    def test_bytes_of_another_length_are_a_protocol_error(self, kind: dict[str, Any], length: int) -> None:
        assert codec(point(**kind)).decode(bytes(length)) == ((None,), {0: Reason.PROTOCOL_ERROR})

    @pytest.mark.parametrize("length", [0, 1, 3])
    def test_packed_bits_of_another_length_are_a_protocol_error(self, length: int) -> None:
        coil = point(address=3, kind="bool", table="coil")
        assert compile_block([coil], Table.COIL, 0, 12).decode(bytes(length))[1] == {0: Reason.PROTOCOL_ERROR}


class TestScaling:
    @pytest.mark.parametrize(
        ("raw", "scale", "offset", "value"),
        [
            (231, 0.1, 0, 23.1), (3, 0.1, 0, 0.3), (7, 0.001, 0, 0.007), (1, 10, 0, 10),
            (213, 0.1, -40, -18.7), (1000, 0.05, 0.3, 50.3), (9, -0.5, 1, -3.5),
            (65535, 1e-9, 0, 6.5535e-05), (5, 1, 0.1, 5.1),
        ],
    )  # fmt: skip
    def test_a_scaled_integer_is_the_float_nearest_to_the_decimal(
        self, raw: int, scale: float, offset: float, value: float
    ) -> None:
        result = decoded(point(scale=scale, offset=offset), f"{raw:04x}")
        assert (result, type(result)) == (value, float)

    def test_an_unscaled_integer_stays_one_beside_scaled_neighbours(self) -> None:
        values, _ = codec(point("a", 0), point("b", 1, scale=0.1)).decode(b"\x00\x02\x00\x02")
        assert [type(value) for value in values] == [int, float]

    def test_parameters_are_the_ones_of_the_device(self) -> None:
        keys: dict[str, Any] = {"scale": {"parameter": "ct"}, "offset": {"parameter": "zero"}}
        assert decoded(point(**keys), "0003", {"ct": 20, "zero": 0.5}) == 60.5
        assert decoded(point(**keys), "0003", {"ct": 1, "zero": 0}) == 3

    def test_a_missing_parameter_shows_when_the_block_is_compiled(self) -> None:
        with pytest.raises(KeyError):
            codec(point(scale={"parameter": "ct"}))


class TestBlocks:
    def test_values_come_in_the_order_of_the_points_and_not_of_the_addresses(self) -> None:
        shuffled = [point("c", 4), point("a", 0, "float32"), point("b", 2, kind="bool", bit=1), point("d", 5)]
        data = struct.pack(">fHxxHH", 1.5, 2, 7, 8)
        assert codec(*shuffled).decode(data)[0] == (7, 1.5, True, 8)

    def test_addresses_count_from_the_block_and_those_between_are_left_out(self) -> None:
        block = compile_block([point("a", 102), point("b", 105)], Table.HOLDING, 100, 8)
        assert block.decode(bytes(range(16))) == ((0x0405, 0x0A0B), ALL_GOOD)

    def test_an_alias_reads_the_registers_of_another_point(self) -> None:
        aliases = [
            point("whole", 0, "uint32"),
            point("low", 1, overlaps="whole"),
            point("high", 0, overlaps="whole"),
        ]
        assert codec(*aliases).decode(b"\x00\x01\x00\x02")[0] == (0x10002, 2, 1)

    @pytest.mark.parametrize(("first", "count"), [(1, 9), (0, 1), (0, 10)])
    def test_a_point_outside_of_the_block_is_refused(self, first: int, count: int) -> None:
        points = [point("a", 0, "uint32", table="holding" if count != 10 else "input")]
        with pytest.raises(ValueError, match="is not in holding"):
            compile_block(points, Table.HOLDING, first, count)


class TestEncoding:
    @pytest.mark.parametrize(
        ("keys", "value", "registers"),
        [
            ({"kind": "float32", "word_order": "little"}, 231.5, "80004367"),
            ({"scale": 0.1}, 23.1, "00e7"),
            ({"kind": "int16", "offset": -40, "scale": 0.1}, -18.7, "00d5"),
            ({"kind": "uint64"}, 2**64 - 1, "ffffffffffffffff"),
            ({"kind": "bool", "bit": 3}, True, "0008"),
            ({"kind": "string", "length": 2}, "AB", "41420000"),
            ({"kind": "string", "length": 2, "byte_order": "little"}, "ABC", "42410043"),
            ({"kind": "bool", "table": "coil"}, True, "01"),
            ({"kind": "uint8", "byte": "high"}, 7, "0700"),
            ({"kind": "bcd32", "word_order": "little", "scale": 0.1}, 1234.5, "23450001"),
            ({"kind": "int64", "word_order": "little_swapped"}, 0x0102030405060708, "0506070801020304"),
            ({"kind": "string", "length": 3, "char_bytes": "low"}, "AB", "004100420000"),
            ({"kind": "string", "length": 2, "padding": "space"}, "AB", "41422020"),
            ({}, 6.6, "0007"),
        ],
    )
    def test_a_value_becomes_the_registers_of_its_point(
        self, keys: dict[str, Any], value: Value, registers: str
    ) -> None:
        assert encode(point(address=7, **keys), value).hex() == registers

    def test_points_on_one_register_are_joined(self) -> None:
        flags = codec(point("a", 0, "bool", bit=0), point("b", 0, "bool", bit=15), point("c", 1), count=3)
        assert flags.encode((True, True, 5)).hex() == "800100050000"

    @pytest.mark.parametrize(
        ("keys", "value"),
        [
            ({}, 65536), ({}, -1), ({}, math.nan), ({}, math.inf), ({}, None), ({}, "7"), ({}, True),
            ({"scale": 0.1}, 6553.6), ({"kind": "float32"}, 1e39), ({"kind": "bool", "bit": 1}, 2),
            ({"kind": "bool", "table": "coil"}, "on"), ({"kind": "string", "length": 1}, "ABC"),
            ({"kind": "string", "length": 2}, "A "), ({"kind": "string", "length": 2}, "A\0B"),
            ({"kind": "string", "length": 2}, 5), ({"kind": "string", "length": 2}, "\ud800"),
            ({"kind": "string", "length": 2, "char_bytes": "low"}, "ABC"),
            ({"kind": "string", "length": 2, "encoding": "ascii"}, "é"),
            ({"kind": "string", "length": 2, "padding": "none"}, "ABC"),
            ({"kind": "bcd16"}, 10000), ({"kind": "bcd16"}, -1), ({"kind": "uint8", "byte": "low"}, 256),
            ({"kind": "uint64", "word_order": "big_swapped"}, 2**64), ({"scale": {"point": "sf"}}, 5),
        ],
    )  # fmt: skip
    def test_a_value_that_does_not_fit_is_refused_by_name(self, keys: dict[str, Any], value: Value) -> None:
        with pytest.raises(DataError, match="valve"):
            encode(point("valve", **keys), value)

    def test_as_many_values_as_points_are_needed(self) -> None:
        with pytest.raises(DataError, match="1 values for 2 points"):
            codec(point("a", 0), point("b", 1)).encode((1,))
