"""Arrays, repeated structures and flags become points; what is wrong with one is told at its own place."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from qilu.config.settings_file import load_text
from qilu.contract.errors import ConfigError
from qilu.contract.profile import DeviceProfile, Point, PointRef, Table
from qilu.contract.registers import compile_block

POINT: dict[str, Any] = {"name": "voltage", "table": "holding", "address": 10, "type": "uint32"}
SCALED: dict[str, Any] = {"name": "sf", "table": "holding", "address": 0, "type": "int16"}
COIL = "{name: v, table: coil, address: 65530, type: bool}"
WRONG_TYPE = "{name: v, table: input, address: 1, type: int}"


def points(*written: dict[str, Any], **keys: Any) -> dict[str, Point]:
    """What a profile spells out, by name in its order; read again from what it writes, it is the same."""
    profile = DeviceProfile.model_validate({"profile": "meter", "points": list(written), **keys})
    assert DeviceProfile.model_validate(profile.model_dump(mode="json")) == profile
    return {point.name: point for point in profile.points}


def reported(text: str) -> str:
    """What a user is told about a file that is wrong."""
    with pytest.raises(ConfigError) as caught:
        load_text(f"profile: meter\n{text}", DeviceProfile, file="meter.yaml")
    return str(caught.value)


class TestArrays:
    def test_the_elements_have_numbers_and_lie_one_behind_the_other(self) -> None:
        found = points({**POINT, "count": 3, "label": {"en": "Voltage", "zh": "电压"}})
        assert {name: point.address for name, point in found.items()} == {
            "voltage_1": 10, "voltage_2": 12, "voltage_3": 14,
        }  # fmt: skip
        assert [point.label.zh for point in found.values()] == ["电压1", "电压2", "电压3"]
        assert str(found["voltage_2"].label) == "Voltage 2"

    def test_they_may_be_further_apart_and_have_endings_of_their_own(self) -> None:
        found = points({**POINT, "suffixes": ["a", "b", 3], "stride": 10})
        assert {name: point.address for name, point in found.items()} == {
            "voltage_a": 10, "voltage_b": 20, "voltage_3": 30,
        }  # fmt: skip

    @pytest.mark.parametrize(
        ("keys", "last"),
        [
            ({"type": "float64"}, 18),
            ({"type": "string", "length": 5}, 20),
            ({"type": "uint8", "byte": "low"}, 12),
            ({"type": "bool", "table": "coil"}, 12),
            ({"type": "bool", "bit": 3}, 12),
        ],
    )
    def test_without_a_stride_an_element_follows_the_one_before(
        self, keys: dict[str, Any], last: int
    ) -> None:
        assert points({**POINT, **keys, "count": 3})["voltage_3"].address == last

    def test_modicon_addresses_are_those_of_the_first(self) -> None:
        written = {"name": "voltage", "address": 30011, "type": "uint16", "count": 2}
        found = points(written, addressing="modicon")
        assert [(point.table, point.address) for point in found.values()] == [("input", 10), ("input", 11)]


class TestRepeatedStructures:
    STRUCTURE = ({**SCALED, "address": 100}, {**POINT, "address": 101, "scale": {"point": "sf"}})

    def test_every_copy_has_all_points_at_its_own_addresses(self) -> None:
        found = points(SCALED, structures=[{"count": 3, "stride": 20, "points": self.STRUCTURE}])
        assert {name: point.address for name, point in found.items()} == {
            "sf": 0, "sf_1": 100, "voltage_1": 101, "sf_2": 120, "voltage_2": 121,
            "sf_3": 140, "voltage_3": 141,
        }  # fmt: skip

    def test_a_copy_refers_to_its_own_points_and_to_those_outside(self) -> None:
        outside = {**POINT, "name": "current", "address": 110, "scale": {"point": "common"}}
        alarm = {**POINT, "name": "alarm", "address": 112, "flags": {0: "hot"}, "count": 2}
        alias = {"name": "hot", "table": "holding", "address": 113, "type": "bool", "bit": 0}
        copies = {"suffixes": ["a", "b"], "stride": 20, "points": [*self.STRUCTURE, outside, alarm]}
        copies["points"] += [{**alias, "overlaps": "alarm_1"}]  # type: ignore[operator]
        found = points({**SCALED, "name": "common"}, structures=[copies])
        assert found["voltage_b"].scale == PointRef(point="sf_b")
        assert found["current_b"].scale == PointRef(point="common")
        assert found["alarm_b_2_hot"].overlaps == "alarm_b_2"
        assert (found["hot_b"].overlaps, found["hot_b"].address) == ("alarm_b_1", 133)

    def test_modicon_addresses_are_translated(self) -> None:
        structure = {"count": 2, "stride": 5, "points": [{"name": "p", "address": 40001, "type": "uint16"}]}
        found = points(structures=[structure], addressing="modicon")
        assert [point.address for point in found.values()] == [0, 5]

    def test_a_profile_may_have_nothing_else(self) -> None:
        profile = {"profile": "x", "structures": [{"count": 1, "stride": 1, "points": [POINT]}]}
        assert [point.name for point in DeviceProfile.model_validate(profile).points] == ["voltage_1"]


class TestFlags:
    def test_each_named_bit_is_a_bool_beside_the_whole(self) -> None:
        found = points({**POINT, "name": "alarms", "flags": {0: "over_voltage", 3: "door_open"}})
        assert list(found) == ["alarms", "alarms_over_voltage", "alarms_door_open"]
        flag = found["alarms_door_open"]
        assert (flag.type, flag.overlaps, flag.kind, str(flag.label)) == (
            "bool", "alarms", "state", "Door open",
        )  # fmt: skip

    def test_a_flag_may_have_a_label_and_belongs_to_the_group_of_its_integer(self) -> None:
        named = {"name": "hot", "label": {"zh": "过热"}}
        groups = {"fast": "1s", "slow": "9s"}
        flag = points({**POINT, "flags": {1: named}, "group": "slow"}, groups=groups)["voltage_hot"]
        assert (flag.label.text("zh"), flag.group) == ("过热", "slow")

    @pytest.mark.parametrize("byte_order", ["big", "little"])
    @pytest.mark.parametrize("word_order", ["big", "little", "big_swapped", "little_swapped"])
    @pytest.mark.parametrize("kind", ["uint16", "int16", "uint32", "int32", "uint64", "int64"])
    def test_they_are_the_bits_of_the_integer_in_every_order(
        self, kind: str, word_order: str, byte_order: str
    ) -> None:
        orders = {"word_order": word_order, "byte_order": byte_order, "type": kind}
        bits = range(int(kind.removeprefix("u").removeprefix("int")))
        found = list(points({**POINT, **orders, "flags": {bit: f"bit{bit}" for bit in bits}}).values())
        decode = compile_block(found, Table.HOLDING, 10, len(bits) // 16).decode
        for bit_set in bits:
            values, _ = decode((1 << bit_set).to_bytes(len(bits) // 8))
            whole = values[0]
            assert isinstance(whole, int)
            assert list(values[1:]) == [bool(whole >> bit & 1) for bit in bits]

    @pytest.mark.parametrize("byte_order", ["big", "little"])
    @pytest.mark.parametrize("byte", ["high", "low"])
    def test_bits_of_half_a_register_are_counted_in_it(self, byte: str, byte_order: str) -> None:
        keys = {"type": "uint8", "byte": byte, "byte_order": byte_order}
        found = list(points({**POINT, **keys, "flags": {bit: f"bit{bit}" for bit in range(8)}}).values())
        values, _ = compile_block(found, Table.HOLDING, 10, 1).decode(b"\x81\x4c")
        whole = values[0]
        assert isinstance(whole, int)
        assert list(values[1:]) == [bool(whole >> bit & 1) for bit in range(8)]


class TestScaleFactors:
    def test_a_scale_factor_knows_what_sunspec_says_of_it(self) -> None:
        found = points(SCALED, {**POINT, "scale": {"point": "sf"}})
        assert (found["sf"].sentinels, found["sf"].limits.min, found["sf"].limits.max) == ((0x8000,), -10, 10)

    def test_what_it_says_itself_wins(self) -> None:
        own = {**SCALED, "limits": {"min": -3, "max": 3}, "sentinels": []}
        found = points(own, {**POINT, "scale": {"point": "sf"}})
        assert (found["sf"].sentinels, found["sf"].limits.max) == ((), 3)

    @pytest.mark.parametrize(
        "change",
        [
            {"name": "other"}, {"type": "float32"}, {"access": "write"}, {"scale": 0.1}, {"offset": 1},
            {"scale": {"point": "sf"}},
        ],
    )  # fmt: skip
    def test_what_cannot_be_an_exponent_is_refused(self, change: dict[str, Any]) -> None:
        with pytest.raises(ValidationError) as caught:
            points({**SCALED, **change}, {**POINT, "scale": {"point": "sf"}})
        assert ("points", 1, "scale", "point") in [error["loc"] for error in caught.value.errors()]

    def test_one_of_another_group_is_warned_of(self) -> None:
        groups = {"fast": "1s", "slow": "1h"}
        scaled = {**POINT, "scale": {"point": "sf"}}
        for group, warned in (("fast", 0), ("slow", 1)):
            raw = {"profile": "x", "groups": groups, "points": [{**SCALED, "group": group}, scaled]}
            assert len(DeviceProfile.model_validate(raw).warnings()) == warned


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            """points:
- {name: v, table: input, address: 1, type: uint16, count: 2}
- {name: x, table: input, address: 2, type: uint16}""",
            "meter.yaml:4: points.1.address: x overlaps v_2 (input 2 to 2)",
        ),
        (
            "points:\n- {name: v, table: input, address: 65535, type: uint16, count: 3}",
            "meter.yaml:3: points.0.address: address 65536 does not exist",
        ),
        (
            "points:\n- {name: v, table: input, address: 1, type: uint16, flags: {16: x}}",
            "meter.yaml:3: points.0.flags.16: uint16 has no bit 16; bits are 0 to 15",
        ),
        (
            "points:\n- {name: v, table: input, address: 1, type: bcd16, flags: {1: x}}",
            "meter.yaml:3: points.0.flags: `flags` means nothing for a bcd16",
        ),
        (
            "points:\n- {name: v, table: input, address: 1, type: uint16, flags: {1: X}}",
            "meter.yaml:3: points.0.flags.1: 'v_X'",
        ),
        (
            "points:\n- {name: v, table: holding, address: 1, type: uint16, access: write, flags: {1: x}}",
            "meter.yaml:3: points.0.flags: a point that is only written has no flags",
        ),
        (
            "points:\n- {name: v, table: input, address: 1, type: uint16, count: 0}",
            "meter.yaml:3: points.0.count: 0 is not at least 1",
        ),
        (
            "points:\n- {name: v, table: input, address: 1, type: uint16, stride: 2}",
            "meter.yaml:3: points.0.stride: the number of copies is missing",
        ),
        (
            "points:\n- {name: v, table: input, address: 1, type: uint16, count: 3, suffixes: [a, b]}",
            "meter.yaml:3: points.0.suffixes: count is 3, but there are 2 suffixes",
        ),
        (
            "structures:\n- count: 3\n  points:\n  - {name: v, table: input, address: 1, type: uint16}",
            "meter.yaml:3: structures.0.count: `count` needs to know how far it is",
        ),
        (
            f"structures:\n- {{count: 2, stride: 9, points: [{COIL}]}}",
            "meter.yaml:3: structures.0.points.0.address: address 65539 does not exist",
        ),
        (
            f"structures:\n- count: 2\n  stride: 1\n  points:\n  - {WRONG_TYPE}",
            "meter.yaml:6: structures.0.points.0.type: 'int' is not one of",
        ),
        (
            "structures:\n- {count: 2, stide: 9, points: []}",
            "meter.yaml:3: structures.0.stide: unknown key; did you mean stride?",
        ),
    ],
)
def test_a_problem_is_reported_where_the_file_has_it(text: str, line: str) -> None:
    assert line in reported(text)


KEYS = [
    "name", "label", "table", "address", "type", "length", "bit", "byte", "word_order", "scale", "point",
    "flags", "count", "stride", "suffixes", "overlaps", "points", "structures", "group", "groups", "kind",
    "addressing", "limits", "unreadable", "sentinels",
]  # fmt: skip
WORDS = ["v", "v_1", "uint16", "string", "holding", "coil", "big", "modicon", "40001"]
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 70000) | st.floats() | st.sampled_from(["", "\0", *WORDS]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(KEYS) | st.integers(0, 70), inner, max_size=6)
    ),
    max_leaves=20,
)
ODD_KEYS = (
    "count",
    "stride",
    "suffixes",
    "flags",
    "scale",
    "type",
    "word_order",
    "overlaps",
    "label",
    "name",
)


def read_or_refuse(raw: dict[str, Any]) -> None:
    with contextlib.suppress(ValidationError):
        DeviceProfile.model_validate({"profile": "x", **raw})


@given(
    st.lists(st.just(POINT) | JUNK, max_size=3) | JUNK,
    st.dictionaries(st.sampled_from(["structures", "groups", "addressing", "word_order", "limits"]), JUNK),
)
def test_nonsense_is_refused_and_breaks_nothing(written: object, others: dict[str, Any]) -> None:
    read_or_refuse({"points": written, **others})


@given(st.dictionaries(st.sampled_from(ODD_KEYS), JUNK, max_size=3))
def test_a_point_with_odd_keys_is_refused_or_read(odd: dict[str, Any]) -> None:
    read_or_refuse({"points": [{**POINT, **odd}]})
    read_or_refuse({"structures": [{"count": 2, "stride": 9, "points": [{**POINT, **odd}]}]})
    read_or_refuse({"structures": [{"count": 2, "stride": 9, "points": [POINT], **odd}]})
