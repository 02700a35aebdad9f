"""Values look the same wherever they are shown: colours, terms, units, decimals, durations."""

from __future__ import annotations

import re

import pytest

from qilu.config.profiles import profiles, shipped_configs
from qilu.contract.display import (
    HATCHED_STATES,
    QUALITIES,
    QUALITY_COLORS,
    REASONS,
    STATE_COLORS,
    STATES,
    TERMS,
    DisplayUnit,
    decimals,
    display_unit,
    duration_text,
    machine_states,
    number_text,
)
from qilu.contract.display.palette import LEVEL_COLORS, SERIES_COLORS
from qilu.contract.profile import Label, Point
from qilu.contract.reading import Quality, Reason

SHIPPED = profiles(sorted(file.stem for file in (shipped_configs() / "profiles").glob("*.yaml")))


def point(**keys: object) -> Point:
    return Point.model_validate({"name": "p", "table": "input", "address": 0, "type": "uint16", **keys})


def test_every_state_and_quality_has_one_colour_and_a_text_in_both_languages() -> None:
    assert set(STATE_COLORS) == set(STATES) >= HATCHED_STATES
    assert set(QUALITY_COLORS) == set(QUALITIES) == set(Quality)
    assert set(REASONS) == set(Reason)
    for label in (*STATES.values(), *QUALITIES.values(), *REASONS.values(), *TERMS.values()):
        assert label.zh
        assert label.en
    assert len(set(STATE_COLORS.values())) == len(STATE_COLORS)


def test_every_colour_is_six_digits_and_no_line_of_a_chart_looks_like_a_fault() -> None:
    colors = (*STATE_COLORS.values(), *QUALITY_COLORS.values(), *LEVEL_COLORS.values(), *SERIES_COLORS)
    assert all(re.fullmatch(r"#[0-9A-F]{6}", color) for color in colors)
    assert not {STATE_COLORS["fault"], QUALITY_COLORS[Quality.BAD]} & set(SERIES_COLORS)


def test_no_two_reasons_read_the_same() -> None:
    for language in ("zh", "en"):
        assert len({label.text(language) for label in REASONS.values()}) == len(REASONS)


def test_the_state_point_of_every_shipped_machine_is_understood() -> None:
    found = 0
    for profile in SHIPPED.values():
        for each in profile.points:
            if each.name == "state" and each.enum:
                found += 1
                assert "unknown" not in machine_states(each).values(), profile.profile
    assert found > 5


def test_a_code_with_another_text_is_an_unknown_state() -> None:
    codes = {0: Label(en="Stopped"), 1: Label(zh="报警"), 2: Label(en="docked")}
    assert machine_states(point(enum=codes)) == {0: "off", 1: "fault", 2: "unknown"}


def test_a_chinese_page_has_legal_units_and_an_english_one_the_usual_ones() -> None:
    assert display_unit("bar", "zh").unit == "MPa"
    assert display_unit("bar", "zh").shown(7.13) == pytest.approx(0.713)
    assert [display_unit(unit, "zh").unit for unit in ("rpm", "m3/min", "kWh")] == ["r/min", "m³/min", "kW·h"]
    assert [display_unit(unit, "en").unit for unit in ("bar", "rpm", "kWh", "m3/min")] == [
        "bar", "rpm", "kWh", "m³/min",
    ]  # fmt: skip


def test_an_unknown_unit_stays_and_a_preferred_one_wins() -> None:
    assert display_unit("cN", "zh") == DisplayUnit("cN")
    fahrenheit = DisplayUnit("°F", 1.8, 32)
    assert display_unit("°C", "en", {"°C": fahrenheit}).shown(100) == pytest.approx(212)


@pytest.mark.parametrize(
    ("keys", "unit", "places"),
    [
        ({"scale": 0.01}, None, 2),
        ({"scale": 0.01}, DisplayUnit("MPa", 0.1), 3),
        ({"scale": 10}, None, 0),
        ({"scale": 0.05}, None, 2),
        ({}, None, 0),
        ({"type": "float32"}, None, 2),
        ({"type": "float32", "limits": {"min": 0, "max": 6000}}, None, 0),
        ({"type": "float32", "limits": {"max": 6000}, "normal": {"max": 9}}, None, 3),
        ({"enum": {1: "on"}, "kind": "state"}, None, 0),
        ({"scale": 1e-12}, None, 6),
    ],
)
def test_a_value_has_the_decimals_that_its_device_resolves(
    keys: dict[str, object], unit: DisplayUnit | None, places: int
) -> None:
    assert decimals(point(**keys), unit) == places


def test_no_number_is_a_minus_zero() -> None:
    assert number_text(-0.04, 1) == "0.0"
    assert number_text(-0.06, 1) == "-0.1"
    assert number_text(7.125, 2) == "7.12"


@pytest.mark.parametrize(
    ("seconds", "chinese", "english"),
    [
        (-5, "0 毫秒", "0 ms"),
        (0.16, "160 毫秒", "160 ms"),
        (119.9, "119 秒", "119 s"),
        (120, "2 分钟", "2 min"),
        (7_200, "2 小时", "2 h"),
        (187_200, "52 小时", "52 h"),
        (400_000, "4 天", "4 d"),
    ],
)
def test_a_duration_is_one_number_of_one_unit(seconds: float, chinese: str, english: str) -> None:
    assert duration_text(seconds, "zh") == chinese
    assert duration_text(seconds, "en") == english
