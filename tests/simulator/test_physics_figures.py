"""What an expert of each machine looks at first, with the figure that the literature gives and its source."""

from typing import Any

import numpy as np
import pytest

from simulator.machines import MODELS
from simulator.physics.machine import Machines, fleet, nominal_surroundings

CALM = {"hours_between_stops": 1e9}


def made(model: str, **parameters: float) -> Machines:
    return MODELS[model](fleet("m", parameters=[{**CALM, **parameters}]))


def test_a_pump_without_npsh_margin_has_lost_3_percent_of_its_head_or_more() -> None:
    """NPSHR is the point of 3 % less head (ANSI/HI 9.6.1), and under it the head collapses."""
    pump: Any = made("centrifugal-pump")
    losses: dict[bool, list[float]] = {True: [], False: []}
    since = 0  # seconds with or without a margin
    for step in range(5000):
        pump.severity["suction_clogged"][:] = min(step / 4000, 1.0)
        pump.step(1.0, nominal_surroundings(1))
        curve = float((pump.speed**2 * pump.shut_off - pump.curve * pump.flow**2)[0])
        lost, margin = 1.0 - float(pump.head[0]) / curve, float(pump.margin[0])
        plain = -0.05 <= margin <= 1.0
        since = 0 if plain or (since > 0) != (margin > 0) else since + (1 if margin > 0 else -1)
        since = since or (0 if plain else (1 if margin > 0 else -1))
        if abs(since) > 60:
            losses[since < 0].append(lost)
    assert max(losses[False]) < 0.02
    assert losses[True]
    assert min(losses[True]) > 0.028
    assert max(losses[True]) > 0.06


def test_the_tap_and_the_drill_move_along_z_alone_while_they_are_in_the_part() -> None:
    """A tap that is moved sideways by 0.1 mm breaks."""
    machine: Any = made("cnc-machining-centre")
    strokes = {2: 0, 3: 0}
    sideways, before, deepest = 0.0, None, {2: 0.0, 3: 0.0}
    for _ in range(4400):
        machine.step(0.05, nominal_surroundings(1))
        tool, z = int(machine.tool[0]), float(machine.z[0])
        place = (float(machine.x[0]), float(machine.y[0]))
        if machine.cutting[0] and tool in strokes and z < 0 and before is not None:
            sideways = max(sideways, abs(place[0] - before[1][0]) + abs(place[1] - before[1][1]))
            strokes[tool] += before[0] >= 0
            deepest[tool] = min(deepest[tool], z)
        before = (z, place)
    assert sideways < 0.1
    assert strokes[2] >= 4 * 3 - 2  # four holes in three pecks
    assert strokes[3] >= 3
    assert deepest[2] == pytest.approx(-32, abs=3)
    assert deepest[3] == pytest.approx(-22, abs=3)


def test_roughing_has_entries_exits_and_traverses() -> None:
    machine: Any = made("cnc-machining-centre")
    loads = []
    for _ in range(4400):
        machine.step(0.05, nominal_surroundings(1))
        if machine.cutting[0] and machine.tool[0] == 1 and machine.speed[0] > 2990:
            loads.append(float(machine.load[0]))
    assert min(loads) < 0.1
    assert np.quantile(loads, 0.5) > 0.5
    idle = np.array(loads) < 0.1
    assert np.count_nonzero(np.diff(idle.astype(int)) == 1) >= 5


def test_a_compressor_takes_most_of_a_minute_to_unload_and_uses_power_meanwhile() -> None:
    """Sumps are vented in 30 to 60 s, lest the oil foams (US DOE, Improving Compressed Air Performance)."""
    machine: Any = made("screw-air-compressor", base_demand=0.1)
    air: Any = nominal_surroundings(1)
    for loaded in (False, True, False):
        while machine.loaded[0] != loaded:
            machine.step(0.5, air)
    seconds, power = 0.0, {}
    while machine.internal[0] > 2.1 + 0.1 * 5.4:
        machine.step(0.5, air)
        seconds += 0.5
        power[seconds] = float(machine.power[0] / machine.rated[0])
    assert 25 <= seconds <= 60
    assert power[3.0] > 0.5
    assert 0.25 < power[seconds] < 0.32


@pytest.mark.parametrize(
    ("model", "starts"),
    [
        ("chiller", "compressor_starts"),
        ("screw-air-compressor", "motor_starts"),
        ("steam-boiler", "burner_starts"),
        ("centrifugal-pump", "starts"),
    ],
)
def test_the_past_of_a_starts_counter_is_that_of_the_same_machine(model: str, starts: str) -> None:
    """Starts in an hour of running, before the first tick and in ten days from then on."""
    names = "abcdefghij"
    machine = MODELS[model](fleet(*names, seed=3))
    machine.step(10.0, nominal_surroundings(len(names)))
    first = {name: np.array(machine.values()[name], dtype=float) for name in (starts, "run_hours")}
    for _ in range(8640):
        machine.step(10.0, nominal_surroundings(len(names)))
    last = {name: np.array(machine.values()[name], dtype=float) for name in first}
    past = first[starts].sum() / first["run_hours"].sum()
    now = (last[starts] - first[starts]).sum() / (last["run_hours"] - first["run_hours"]).sum()
    assert past / 3 < now + 0.003
    assert now < 5 * past


def test_a_string_of_modules_carries_a_current_that_makers_allow() -> None:
    """15 A (Huawei SUN2000-10KTL) to 23 A (SUN2000-28KTL) at one input."""
    machine = made("pv-inverter")
    highest, energy, strings = 0.0, 0.0, np.zeros(4)
    for second in range(25_000, 60_000, 10):
        machine.step(10.0, nominal_surroundings(1, second_of_day=float(second)))
        values = machine.values()
        strings = np.array([values[f"string_{number}_current"][0] for number in range(1, 5)])
        highest = max(highest, float(strings.max()))
        energy = float(values["direct_power"][0])
        if energy > 1:
            share = strings.mean() * float(values["direct_voltage"][0]) / 1000 / energy
            assert share == pytest.approx(1 / 20, rel=0.05)
    assert 6 < highest < 15


def test_a_barrel_zone_without_its_heater_sags_by_some_tens_of_kelvin_between_its_neighbours() -> None:
    """Steel and melt carry heat into it; alone it would fall to the temperature of the hall."""
    machine: Any = made("injection-moulding-machine")
    machine.severity["heater_failure"][:] = 1.0
    sagged = []
    for _ in range(3600):
        machine.step(2.0, nominal_surroundings(1))
        sagged.append(232.0 - float(machine.barrel[2][0]))
    assert 20 < sagged[-1] < 110
    assert max(sagged[:200]) > 15
    assert np.abs(machine.barrel[1] - 222.0)[0] < 5


def test_a_moulding_machine_that_stands_takes_a_third_of_its_power_or_less() -> None:
    machine: Any = made("injection-moulding-machine")
    energy = {}
    for working in (True, False):
        for _ in range(300):
            machine.step(1.0, nominal_surroundings(1, working=working))
        before = float(machine.energy[0])
        for _ in range(900):
            machine.step(1.0, nominal_surroundings(1, working=working))
        energy[working] = float(machine.energy[0]) - before
    assert energy[False] < energy[True] / 3


def test_the_level_of_a_boiler_swells_when_more_steam_is_drawn() -> None:
    """A boiler man looks for this first: changes within 5 s of level and of steam go together."""
    boiler: Any = made("steam-boiler")
    level, steam = [], []
    for _ in range(3600):
        boiler.step(5.0, nominal_surroundings(1))
        level.append(float(boiler.level[0]))
        steam.append(float(boiler.steam[0]))
    # the level of a step is that of the steam of the step before
    assert np.corrcoef(np.diff(level)[1:], np.diff(steam)[:-1])[0, 1] > 0.3


def test_the_demand_of_a_meter_is_that_of_whole_quarters_of_the_clock() -> None:
    """As meters do that are synchronised to the hour (Itron ACE6000, manual, 7.10.4.5)."""
    meter: Any = MODELS["three-phase-energy-meter"](fleet("m", seed=2))
    changed, before = [], None
    for second in range(36_000 - 100, 36_000 + 2800, 5):
        meter.step(5.0, nominal_surroundings(1, second_of_day=float(second)))
        demand = float(meter.demand[0])
        if before is not None and demand != before:
            changed.append(second)
        before = demand
    assert changed == [36_000, 36_900, 37_800, 38_700]
