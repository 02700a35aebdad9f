"""Values whose power of ten stands in another register, as SunSpec has them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qilu.contract.profile import DeviceProfile
from qilu.contract.reading import ALL_GOOD, BlockSchema, Origin, Reading, Reason, Value
from qilu.contract.registers import compile_block
from qilu.contract.scale_factors import ScaleFactors, exponents_of

SF: dict[str, Any] = {"name": "sf", "table": "holding", "address": 0, "type": "int16"}
POWER: dict[str, Any] = {
    "name": "power", "table": "holding", "address": 1, "type": "int16", "scale": {"point": "sf"},
    "sentinels": [0x8000],
}  # fmt: skip
ORIGIN = Origin("edge-1", "inverter-1", "inverter")


def exponents(*points: dict[str, Any], **keys: Any) -> ScaleFactors:
    profile = DeviceProfile.model_validate({"profile": "inverter", "points": list(points), **keys})
    found = exponents_of(profile, profile.parameters)
    assert found is not None
    return found


def reading(bad: dict[str, Reason] | None = None, **values: Value) -> Reading:
    """One block with these raw values; `bad` ones have none."""
    bad = bad or {}
    columns = BlockSchema(ORIGIN, "default", (*values, *bad))
    nothing: tuple[Value, ...] = (None,) * len(bad)
    reasons = {len(values) + index: reason for index, reason in enumerate(bad.values())}
    return Reading(columns, 1000, (*values.values(), *nothing), reasons or ALL_GOOD)


def power(device: ScaleFactors, *readings: Reading, again: Reading | None = None) -> Value | Reason:
    """The power in one poll, or why there is none; `again`: what was read once more after it."""
    for one in device.scaled(readings, () if again is None else (again,)):
        if "power" in one.columns.points:
            index = one.columns.points.index("power")
            assert (one.values[index] is None) == (index in one.reasons)
            return one.reasons.get(index, one.values[index])
    raise AssertionError("no power in this poll")


@pytest.mark.parametrize(
    ("raw", "exponent", "value"),
    [
        (2345, -2, 23.45), (3, -1, 0.3), (7, 3, 7000.0), (-5, 0, -5.0), (231, -10, 2.31e-8), (1, 10, 1e10),
    ],
)  # fmt: skip
def test_a_value_is_its_register_times_the_power_of_ten(raw: int, exponent: int, value: float) -> None:
    found = power(exponents(SF, POWER), reading(sf=exponent, power=raw))
    assert (found, type(found)) == (value, float)


def test_the_exponent_may_be_in_another_block_before() -> None:
    device = exponents(SF, POWER)
    assert power(device, reading(power=50), reading(sf=1), again=reading(sf=1)) is Reason.UNDECODABLE
    assert power(device, reading(sf=-1), reading(power=50), again=reading(sf=-1)) == 5


def test_an_exponent_of_another_reply_counts_only_where_it_is_the_same_after_the_value() -> None:
    device = exponents(SF, POWER)
    apart = reading(sf=-1), reading(power=50)
    assert power(device, *apart) is Reason.UNDECODABLE
    assert power(device, *apart, again=reading(sf=0)) is Reason.UNDECODABLE
    assert device.changed(apart, [reading(sf=0)])
    assert not device.changed(apart, [reading(sf=-1)])


def test_in_one_poll_group_only_the_exponent_of_the_same_poll_counts() -> None:
    device = exponents(SF, POWER)
    assert power(device, reading(sf=-1, power=50)) == 5
    assert power(device, reading(power=50), reading({"sf": Reason.TIMEOUT})) is Reason.TIMEOUT
    assert power(device, reading(sf=-2, power=50)) == 0.5


class TestInAnotherPollGroup:
    def device(self) -> ScaleFactors:
        return exponents({**SF, "group": "slow"}, POWER, groups={"fast": "1s", "slow": "1h"})

    def test_the_last_exponent_counts(self) -> None:
        device = self.device()
        assert device.scaled([reading(sf=-1)]) == [reading(sf=-1)]
        assert power(device, reading(power=50)) == 5

    def test_before_the_first_there_is_no_value(self) -> None:
        device = self.device()
        assert power(device, reading(power=50)) is Reason.NOT_POLLED
        device.scaled([reading({"sf": Reason.TIMEOUT})])
        assert power(device, reading(power=50)) is Reason.TIMEOUT

    @pytest.mark.parametrize("lost", [Reason.TIMEOUT, Reason.UNREACHABLE, Reason.DEVICE_BUSY])
    def test_it_outlasts_polls_in_which_it_was_not_heard(self, lost: Reason) -> None:
        device = self.device()
        device.scaled([reading(sf=-1)])
        device.scaled([reading({"sf": lost})])
        assert power(device, reading(power=50)) == 5

    def test_it_ends_when_the_device_says_that_it_has_none(self) -> None:
        device = self.device()
        device.scaled([reading(sf=-1)])
        device.scaled([reading({"sf": Reason.SENTINEL})])
        assert power(device, reading(power=50)) is Reason.SENTINEL


@pytest.mark.parametrize(
    ("registers", "reasons"),
    [
        ("80000032", {0: Reason.SENTINEL, 1: Reason.SENTINEL}),
        ("000b0032", {0: Reason.OUT_OF_LIMITS, 1: Reason.OUT_OF_LIMITS}),
        ("fff50032", {0: Reason.OUT_OF_LIMITS, 1: Reason.OUT_OF_LIMITS}),
        ("fffe8000", {1: Reason.SENTINEL}),
        ("fffe0032", {}),
    ],
)
def test_from_registers_to_values_or_reasons(registers: str, reasons: dict[int, Reason]) -> None:
    profile = DeviceProfile.model_validate({"profile": "inverter", "points": [SF, POWER]})
    codec = compile_block(profile.points, profile.points[0].table, 0, 2)
    columns = BlockSchema(ORIGIN, "default", ("sf", "power"))
    values, bad = codec.decode(bytes.fromhex(registers))
    (found,) = ScaleFactors(profile, {}).scaled([Reading(columns, 1000, values, bad)])
    assert dict(found.reasons) == reasons
    assert found.values == tuple(None if n in reasons else value for n, value in enumerate((-2, 0.5)))


def test_limits_and_offset_are_of_the_scaled_value() -> None:
    device = exponents(SF, {**POWER, "limits": {"min": 0, "max": 10}, "offset": {"parameter": "zero"}},
                       parameters={"zero": 4})  # fmt: skip
    assert power(device, reading(sf=-1, power=60)) == 10
    assert power(device, reading(sf=-1, power=61)) is Reason.OUT_OF_LIMITS
    assert power(device, reading(sf=0, power=-5)) is Reason.OUT_OF_LIMITS


def test_an_exponent_beyond_all_reason_never_overflows() -> None:
    device = exponents({**SF, "limits": {}, "sentinels": []}, {**POWER, "type": "float64", "sentinels": []})
    assert power(device, reading(sf=30000, power=1)) is Reason.OUT_OF_LIMITS
    assert power(device, reading(sf=30, power=1e300)) is Reason.NOT_A_NUMBER


def test_what_is_bad_already_keeps_its_reason_and_other_points_their_values() -> None:
    device = exponents(SF, POWER, {**POWER, "name": "state", "address": 5, "scale": 1})
    before = reading({"power": Reason.ILLEGAL_ADDRESS}, sf=1, state=7)
    assert device.scaled([before]) == [before]


def test_a_profile_without_scale_factors_costs_nothing() -> None:
    profile = DeviceProfile.model_validate({"profile": "meter", "points": [SF]})
    assert exponents_of(profile, {}) is None


values = st.none() | st.integers(-40000, 40000) | st.floats(allow_nan=False)


@given(st.lists(st.tuples(values, values), max_size=6))
def test_no_values_whatever_they_are_break_it(polls: list[tuple[Value, Value]]) -> None:
    device = exponents(SF, POWER)
    for sf, raw in polls:
        given = {name: value for name, value in (("sf", sf), ("power", raw)) if value is not None}
        (found,) = device.scaled(
            [reading(dict.fromkeys({"sf", "power"} - set(given), Reason.TIMEOUT), **given)]
        )
        assert all((value is None) == (index in found.reasons) for index, value in enumerate(found.values))
