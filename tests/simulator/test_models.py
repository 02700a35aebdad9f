"""What every model of machine promises, whatever it is: the same suite over all of them."""

import numpy as np
import pytest

from qilu.contract.profile import SERVE_COUNTER
from simulator.machines import MODELS
from simulator.physics.machine import State, fleet, nominal_surroundings
from simulator.physics.operation import LEGAL
from simulator.physics.utility import Utility
from simulator.plant.parameters import of_machine
from tests.simulator.simulated import DAY_STEP, MISSING, day, profile

# in calm surroundings these stand still; everything else must live
CONSTANT_SUPPLIES = {
    "air_pressure",
    "cooling_supply_temperature",
    "frequency",
    "grid_frequency",
    "grid_voltage",
    "steam_supply_pressure",
}

every_model = pytest.mark.parametrize("model", sorted(MODELS))


@every_model
def test_a_machine_says_every_point_of_its_profile_and_no_other(model: str) -> None:
    points = {point.name for point in profile(model).points}
    assert set(day(model).values) | {SERVE_COUNTER} == points
    assert SERVE_COUNTER not in day(model).values


@every_model
def test_a_profile_has_the_serve_counter_in_its_first_group_and_labels_in_both_languages(model: str) -> None:
    counter = profile(model).point(SERVE_COUNTER)
    assert (counter.type, counter.kind, counter.group) == (
        "uint32",
        "counter",
        next(iter(profile(model).groups)),
    )
    assert profile(model).title.en
    assert profile(model).title.zh
    assert 12 <= len(profile(model).points) <= 40
    for point in profile(model).points:
        assert point.label.en, point.name
        assert point.label.zh, point.name


@every_model
def test_every_value_stays_finite_and_within_the_limits_of_its_profile_for_a_day(model: str) -> None:
    for point in profile(model).points:
        if point.name == SERVE_COUNTER or point.type == "string":
            continue
        values = day(model).values[point.name]
        assert np.isfinite(values).all(), point.name
        if point.limits.min is not None:
            assert values.min() >= point.limits.min, point.name
        if point.limits.max is not None:
            assert values.max() <= point.limits.max, point.name


@every_model
def test_counters_never_run_backwards(model: str) -> None:
    for point in profile(model).points:
        if point.kind == "counter" and point.name != SERVE_COUNTER:
            assert (np.diff(day(model).values[point.name].astype(float), axis=0) >= 0).all(), point.name


@every_model
def test_codes_are_always_ones_that_the_profile_explains(model: str) -> None:
    for point in profile(model).points:
        if point.enum:
            assert set(np.unique(day(model).values[point.name])) <= set(point.enum), point.name


@every_model
def test_a_machine_changes_its_state_only_in_legal_ways(model: str) -> None:
    if "state" not in day(model).values:
        return
    states = day(model).values["state"]
    changed = states[1:] != states[:-1]
    steps = set(zip(states[:-1][changed].tolist(), states[1:][changed].tolist(), strict=True))
    for old, new in steps:
        assert State(new) in LEGAL[State(old)], f"{State(old).name} to {State(new).name}"


@every_model
def test_the_values_of_a_machine_move(model: str) -> None:
    gauges = [point.name for point in profile(model).points if point.kind == "gauge" and not point.writable]
    still = [name for name in gauges if np.ptp(day(model).values[name][:, 0]) == 0]
    assert set(still) <= CONSTANT_SUPPLIES


@every_model
def test_a_machine_lives_with_every_parameter_that_it_may_have(model: str) -> None:
    extremes = [
        {name: end}
        for name, parameter in of_machine(profile(model)).items()
        for end in (parameter.minimum, parameter.maximum)
    ]
    n = len(extremes)
    machines = MODELS[model](fleet(*map(str, range(n)), parameters=extremes))
    for step in range(720):
        machines.step(10.0, nominal_surroundings(n, second_of_day=36_000.0 + 10.0 * step))
        for name, values in machines.values().items():
            odd = np.flatnonzero(~np.isfinite(values)) if values.dtype.kind != "S" else np.zeros(0, dtype=int)
            assert not len(odd), f"{name} with {extremes[odd[0]]}"


@every_model
def test_stepping_machines_together_or_alone_gives_the_same_numbers(model: str) -> None:
    together, alone = MODELS[model](fleet("a", "b", "c", seed=3)), MODELS[model](fleet("b", seed=3))
    for step in range(400):
        together.step(1.0, nominal_surroundings(3, second_of_day=36_000.0 + step))
        alone.step(1.0, nominal_surroundings(1, second_of_day=36_000.0 + step))
    lonely = alone.values()
    for name, values in together.values().items():
        assert values[1] == lonely[name][0], name


@every_model
def test_two_machines_of_a_model_are_not_the_same(model: str) -> None:
    values = day(model).values
    assert any((values[name][:, 0] != values[name][:, 1]).any() for name in values)


@every_model
def test_energy_is_power_over_time(model: str) -> None:
    values = day(model).values
    if "energy" not in values or "power" not in values:
        return
    integral = np.cumsum(values["power"].astype(float), axis=0) * DAY_STEP / 3600.0
    gained = values["energy"] - values["energy"][0]
    assert np.allclose(gained, integral - integral[0], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("utility", Utility)
@every_model
def test_a_machine_waits_with_alarm_4_for_a_supply_that_it_uses_and_goes_on_when_it_is_back(
    model: str, utility: Utility
) -> None:
    machines = MODELS[model](fleet("a", parameters=[{"hours_between_stops": 1e6}]))
    machines.step(1.0, nominal_surroundings(1))
    if utility not in machines.utility_inputs() or "alarm" not in machines.values():
        return
    short = nominal_surroundings(
        1, level={**nominal_surroundings(1).level, utility: np.full(1, MISSING[utility])}
    )
    output = []
    for surroundings in (short, nominal_surroundings(1)):
        for _ in range(1200):
            machines.step(1.0, surroundings)
        output.append((int(machines.values()["state"][0]), int(machines.values()["alarm"][0])))
    assert output == [(State.IDLE, 4), (State.RUNNING, 0)]


@pytest.mark.parametrize("size", [0.1, 1.0, 10.0])
def test_a_pump_of_another_size_works_at_its_best_flow_with_a_main_of_its_size(size: float) -> None:
    own = {"best_flow": 80.0 * size, "motor_power": 18.5 * size, "resistance": 0.0052 / size**2}
    known = of_machine(profile("centrifugal-pump"))
    assert all(known[name].minimum <= value <= known[name].maximum for name, value in own.items())
    machines = MODELS["centrifugal-pump"](fleet("a", parameters=[own]))
    for _ in range(600):
        machines.step(1.0, nominal_surroundings(1))
    assert machines.values()["efficiency"][0] > 70.0
    assert machines.values()["npsh_margin"][0] > 3.0
