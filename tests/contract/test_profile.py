"""A device profile is complete and possible once it is read, or says where and why it is not."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from qilu.contract.profile import DeviceProfile, Limits, ParameterRef, Table
from qilu.contract.validation import Loc

POINT: dict[str, Any] = {"name": "pressure", "table": "holding", "address": 10, "type": "uint16"}


def profile(*points: dict[str, Any], **keys: Any) -> DeviceProfile:
    return DeviceProfile.model_validate({"profile": "press", "points": list(points) or [POINT], **keys})


def problems(*points: dict[str, Any], **keys: Any) -> dict[Loc, str]:
    """Place -> problem; the profile has to be refused."""
    with pytest.raises(ValidationError) as caught:
        profile(*points, **keys)
    return {tuple(error["loc"]): error["msg"] for error in caught.value.errors()}


def another(**keys: Any) -> dict[str, Any]:
    return {**POINT, "name": "other", "address": 50, **keys}


class TestWhatAPointLeavesOpen:
    def test_orders_and_the_first_group_come_from_the_profile(self) -> None:
        point = profile(word_order="little", byte_order="little", groups={"fast": "1s", "slow": "1m"}).points[
            0
        ]
        assert (point.word_order, point.byte_order, point.group) == ("little", "little", "fast")

    def test_its_own_orders_and_group_win(self) -> None:
        own = {**POINT, "word_order": "big", "group": "slow"}
        point = profile(own, word_order="little", groups={"fast": "1s", "slow": "1m"}).points[0]
        assert (point.word_order, point.group) == ("big", "slow")

    def test_a_profile_without_groups_has_one_of_a_second(self) -> None:
        assert profile().groups == {"default": 1.0}
        assert profile().points_of("default") == profile().points

    def test_codes_and_bits_are_states_and_numbers_are_gauges(self) -> None:
        points = (POINT, another(enum={0: "off"}), another(name="bit", address=60, type="bool", bit=1))
        assert [point.kind for point in profile(*points).points] == ["gauge", "state", "state"]

    def test_a_plain_text_is_a_label_in_english(self) -> None:
        label = profile({**POINT, "label": "Pressure"}).points[0].label
        assert (label.text("en"), label.text("zh"), str(label)) == ("Pressure", "Pressure", "Pressure")

    def test_a_profile_that_was_read_can_be_written_and_read_again(self) -> None:
        first = profile({**POINT, "address": "400011", "table": "holding"}, addressing="modicon")
        assert DeviceProfile.model_validate(first.model_dump(mode="json")) == first


class TestModicon:
    @pytest.mark.parametrize(
        ("written", "table", "address"),
        [
            (1, "coil", 0), (9999, "coil", 9998), ("00001", "coil", 0), ("065536", "coil", 65535),
            (10001, "discrete", 0), (30001, "input", 0), (40001, "holding", 0), (49999, "holding", 9998),
            (400001, "holding", 0), (465536, "holding", 65535), ("410000", "holding", 9999),
        ],
    )  # fmt: skip
    def test_the_first_digit_is_the_table(self, written: int | str, table: str, address: int) -> None:
        kind = "bool" if table in ("coil", "discrete") else "uint16"
        point = profile({"name": "p", "address": written, "type": kind}, addressing="modicon").points[0]
        assert (point.table, point.address) == (Table(table), address)

    @pytest.mark.parametrize(
        "written", [0, 40000, 400000, 20001, 50001, 465537, -1, "4x001", 4.5, None, 5000000]
    )
    def test_what_names_no_register_is_refused(self, written: object) -> None:
        point = {"name": "p", "address": written, "type": "uint16"}
        assert ("points", 0, "address") in problems(point, addressing="modicon")

    def test_a_table_that_contradicts_the_address_is_refused(self) -> None:
        point = {**POINT, "table": "input", "address": 40011}
        assert "not input" in problems(point, addressing="modicon")["points", 0, "table"]

    def test_forbidden_ranges_are_written_the_same_way(self) -> None:
        limits = {"unreadable": [{"first": 40041, "last": 40050}]}
        assert (
            profile({**POINT, "address": 40001}, addressing="modicon", limits=limits)
            .limits.unreadable[0]
            .overlaps(Table.HOLDING, 49, 60)
        )

    def test_a_forbidden_range_from_one_table_to_another_is_refused(self) -> None:
        limits = {"unreadable": [{"first": 40010, "last": 30020}]}
        found = problems({**POINT, "address": 40001}, addressing="modicon", limits=limits)
        assert "in table holding, and 30020 in input" in found["limits", "unreadable", 0, "last"]


class TestOverlaps:
    def test_two_points_on_one_register_are_refused_with_both_names(self) -> None:
        text = problems({**POINT, "type": "uint32"}, another(address=11))["points", 1, "address"]
        assert "other overlaps pressure (holding 10 to 11)" in text

    def test_the_order_in_the_file_does_not_matter(self) -> None:
        assert ("points", 1, "address") in problems(another(address=11), {**POINT, "type": "uint32"})

    def test_neighbours_and_other_tables_do_not_overlap(self) -> None:
        profile(
            {**POINT, "type": "uint32"}, another(address=12), another(name="x", address=10, table="input")
        )

    def test_a_long_point_is_compared_with_all_that_it_covers(self) -> None:
        long = {**POINT, "type": "string", "length": 8}
        found = problems(long, another(address=12), another(name="x", address=14))
        assert set(found) == {("points", 1, "address"), ("points", 2, "address")}

    def test_different_bits_may_share_a_register_and_equal_ones_may_not(self) -> None:
        bits = [another(name=f"b{bit}", type="bool", bit=bit) for bit in (0, 15)]
        profile(*bits)
        assert ("points", 2, "address") in problems(*bits, another(type="bool", bit=15))

    def test_the_bytes_and_bits_of_one_register_overlap_where_they_share_a_bit(self) -> None:
        low, high = (another(name=byte, type="uint8", byte=byte) for byte in ("low", "high"))
        profile(low, high)
        profile(low, another(type="bool", bit=8))
        assert ("points", 1, "address") in problems(low, another(type="bool", bit=7))
        assert ("points", 1, "address") in problems(low, another(type="int8", byte="low"))

    def test_a_whole_register_and_its_bit_need_a_declared_alias(self) -> None:
        bit = another(address=10, type="bool", bit=3)
        assert ("points", 1, "address") in problems(POINT, bit)
        profile(POINT, {**bit, "overlaps": "pressure"})

    @pytest.mark.parametrize("name", ["nobody", "other", "far"])
    def test_an_alias_of_nothing_is_refused(self, name: str) -> None:
        points = (POINT, another(name="far", address=90), another(address=10, overlaps=name))
        assert ("points", 2, "overlaps") in problems(*points)


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"address": 65536}, "address"),
        ({"address": -1}, "address"),
        ({"address": 65535, "type": "float32"}, "address"),
        ({"name": "Pressure"}, "name"),
        ({"name": "p__q"}, "name"),
        ({"name": "p__text"}, "name"),
        ({"name": "time"}, "name"),
        ({"name": "device"}, "name"),
        ({"name": "edge"}, "name"),
        ({"name": "enterprise"}, "name"),
        ({"name": "site"}, "name"),
        ({"name": "line"}, "name"),
        ({"type": "uint8"}, "type"),
        ({"byte": "low"}, "byte"),
        ({"type": "int8", "byte": "middle"}, "byte"),
        ({"type": "bcd16", "enum": {10000: "x"}}, "enum"),
        ({"type": "bcd16", "sentinels": [65536]}, "sentinels"),
        ({"encoding": "ascii"}, "encoding"),
        ({"char_bytes": "low"}, "char_bytes"),
        ({"padding": "nul"}, "padding"),
        ({"type": "string", "length": 2, "encoding": "ebcdic"}, "encoding"),
        ({"word_order": "middle"}, "word_order"),
        ({"accumulate": True}, "accumulate"),
        ({"modulus": 1000}, "modulus"),
        ({"kind": "counter", "modulus": 65537}, "modulus"),
        ({"kind": "counter", "modulus": 0}, "modulus"),
        ({"kind": "counter", "modulus": 0.5}, "modulus"),
        ({"kind": "counter", "accumulate": True, "scale": -1}, "scale"),
        ({"kind": "counter", "accumulate": True, "offset": 1}, "offset"),
        ({"kind": "counter", "accumulate": True, "type": "string", "length": 2}, "accumulate"),
        ({"type": "no_such_type"}, "type"),
        ({"type": "bool"}, "type"),
        ({"type": "string"}, "type"),
        ({"type": "string", "length": 0}, "length"),
        ({"type": "string", "length": 126}, "length"),
        ({"length": 2}, "length"),
        ({"bit": 3}, "bit"),
        ({"type": "bool", "bit": 16}, "bit"),
        ({"table": "coil", "type": "bool", "bit": 1}, "bit"),
        ({"table": "coil"}, "type"),
        ({"table": "input", "access": "read_write"}, "access"),
        ({"scale": 0}, "scale"),
        ({"scale": True}, "scale"),
        ({"scale": float("nan")}, "scale"),
        ({"scale": 1e31}, "scale"),
        ({"scale": {"parameter": "ct"}}, "scale"),
        ({"offset": {"parameter": "ct"}}, "offset"),
        ({"type": "string", "length": 2, "scale": 2}, "scale"),
        ({"type": "bool", "bit": 2, "limits": {"min": 0}}, "limits"),
        ({"limits": {"min": 2, "max": 1}}, "limits"),
        ({"limits": {"min": 2, "max": 2}}, "limits"),
        ({"sentinels": [65536]}, "sentinels"),
        ({"sentinels": [-1]}, "sentinels"),
        ({"sentinels": [1.5]}, "sentinels"),
        ({"type": "int16", "sentinels": [-32769]}, "sentinels"),
        ({"type": "float32", "sentinels": [1e39]}, "sentinels"),
        ({"enum": {"on": "On"}}, "enum"),
        ({"enum": {65536: "x"}}, "enum"),
        ({"type": "int16", "enum": {40000: "x"}}, "enum"),
        ({"type": "float32", "enum": {1: "x"}}, "enum"),
        ({"group": "slow"}, "group"),
        ({"kind": "noise"}, "kind"),
        ({"adress": 3}, "adress"),
    ],
)
def test_an_impossible_point_is_refused_at_the_key_that_is_wrong(change: dict[str, Any], place: str) -> None:
    found = problems({**POINT, **change})
    assert [loc[:3] for loc in found] == [("points", 0, place)] * len(found)


@pytest.mark.parametrize(
    ("keys", "place"),
    [
        ({"profile": "Press 1"}, "profile"),
        ({"points": []}, "points"),
        ({"points": "none"}, "points"),
        ({"groups": {}}, "groups"),
        ({"groups": {"fast": 0}}, "groups"),
        ({"limits": {"max_registers": 0}}, "limits"),
        ({"limits": {"max_registers": 1001}}, "limits"),
        ({"limits": {"max_bits": 16001}}, "limits"),
        ({"limits": {"unreadable": [{"table": "holding", "first": 5, "last": 4}]}}, "limits"),
        ({"limits": {"unreadable": [{"table": "holding", "first": 0, "last": 10}]}}, "points"),
        ({"parameters": {"ct": 1e31}}, "parameters"),
        ({"addressing": "one_based"}, "addressing"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_an_impossible_profile_is_refused_at_the_key_that_is_wrong(keys: dict[str, Any], place: str) -> None:
    assert {loc[0] for loc in problems(**keys)} == {place}


def test_two_points_of_one_name_are_refused() -> None:
    assert "holding 10" in problems(POINT, {**POINT, "address": 20})["points", 1, "name"]


def test_a_value_longer_than_one_request_is_refused_unless_it_is_only_written() -> None:
    long = {**POINT, "type": "float64"}
    assert ("points", 0, "type") in problems(long, limits={"max_registers": 3})
    profile({**long, "access": "write"}, limits={"max_registers": 3})


def test_limits_and_scaling_are_read_as_numbers_and_references() -> None:
    keys = {"scale": {"parameter": "ct"}, "limits": {"min": 0}}
    point = profile({**POINT, **keys}, parameters={"ct": 20}).points[0]
    assert (point.scale, point.limits) == (ParameterRef(parameter="ct"), Limits(min=0))


def test_a_device_may_set_the_declared_parameters_and_no_others() -> None:
    press = profile({**POINT, "scale": {"parameter": "ct"}}, parameters={"ct": 20, "pt": 1})
    assert press.parameters_with({"ct": 40}) == {"ct": 40, "pt": 1}
    for wrong in ({"vt": 1.0}, {"ct": 0.0}, {"ct": float("nan")}):
        with pytest.raises(ValidationError):
            press.parameters_with(wrong)


@pytest.mark.parametrize(
    ("change", "warned"),
    [
        ({"type": "uint64"}, True),
        ({"type": "int64", "limits": {"max": 1000}}, False),
        ({"type": "int64", "limits": {"min": -(2**60), "max": 1000}}, True),
        ({"type": "float64"}, False),
    ],
)
def test_integers_that_no_store_keeps_exactly_are_warned_of(change: dict[str, Any], warned: bool) -> None:
    assert bool(profile({**POINT, **change}).warnings()) == warned


@pytest.mark.parametrize(
    ("keys", "wraps_at"),
    [
        ({}, 65536),
        ({"type": "int32"}, 2**32),
        ({"type": "bcd16"}, 10000),
        ({"type": "uint8", "byte": "low"}, 256),
        ({"modulus": 10000}, 10000),
        ({"type": "float32"}, None),
        ({"type": "float32", "modulus": 1e6}, 1e6),
    ],
)
def test_a_counter_starts_again_at_its_modulus_or_where_its_type_ends(
    keys: dict[str, Any], wraps_at: float | None
) -> None:
    assert profile({**POINT, **keys, "kind": "counter"}).points[0].wraps_at == wraps_at


def test_points_are_found_by_name_and_group() -> None:
    groups = {"fast": "1s", "slow": "1m"}
    press = profile(
        POINT, another(group="slow"), another(name="w", address=70, access="write"), groups=groups
    )
    assert press.point("other").address == 50
    assert [point.name for point in press.points_of("fast")] == ["pressure"]
    with pytest.raises(KeyError):
        press.point("nobody")


@pytest.mark.parametrize("scale", [1e-320, -1e-31, 1e31])
def test_a_scale_that_no_computation_stands_is_refused(scale: float) -> None:
    assert problems(another(type="float32", scale=scale))


def test_the_smallest_scale_is_accepted() -> None:
    assert profile(another(type="float32", scale=1e-30)).points[0].scale == 1e-30
