"""Nothing comes from nowhere: what goes into a machine in a day comes out of it, is lost or stays in it."""

import numpy as np
import pytest

from simulator.machines import MODELS
from simulator.machines.chiller import Chillers
from simulator.machines.injection_moulding_machine import ZONE_UA
from simulator.physics.fluid_properties import EVAPORATION, WATER
from simulator.physics.machine import fleet, nominal_surroundings
from simulator.physics.noise import Array
from tests.simulator.simulated import DAY_STEP, Day, day, stepped

HALL = 22.0  # degC of calm surroundings
CURED = 10.5 * 1.9  # kJ/K of a tyre
MELT = 0.42 * 2.1  # kJ/K of a shot


def total(rate: Array) -> Array:
    """The integral over all steps of a day but the first, which has none before it."""
    summed: Array = rate[1:].sum(axis=0) * DAY_STEP
    return summed


def gained(of: Day, point: str) -> Array:
    rise: Array = of.values[point][-1] - of.values[point][0]
    return rise


def test_gas_burnt_in_a_boiler_is_heat_of_steam_and_feed_water_and_flue_and_shell_and_what_it_stores() -> (
    None
):
    boiler = day("steam-boiler")
    values, water = boiler.values, boiler.values["steam_temperature"]
    excess = values["flue_temperature"] - HALL
    flue = excess * (0.66 / (21.0 - np.minimum(values["flue_oxygen"], 12.0)) + 0.009) / 100.0
    fuel = values["gas_flow"] * 9.97
    shell = 0.012 * 4000.0 * EVAPORATION / 3600.0 * (water - HALL) / 173.0
    useful = (values["steam_flow"] * EVAPORATION + values["feed_flow"] * WATER * (water - 104.0)) / 3600.0
    out = total(fuel * flue + shell + useful) + 6500.0 * 4.4 * gained(boiler, "steam_temperature")
    assert out == pytest.approx(gained(boiler, "gas_volume") * 9.97 * 3600.0, rel=0.001)
    assert total(fuel * values["efficiency"] / 100.0) == pytest.approx(total(useful), rel=0.005)


def test_a_boiler_without_fire_cools_towards_the_hall_and_no_further() -> None:
    machines = stepped("steam-boiler", base_demand=0.0)
    machines.write(0, "burner_enable", 0.0)
    for _ in range(20_000):
        machines.step(10.0, nominal_surroundings(1))
    assert HALL < machines.values()["steam_temperature"][0] < 100.0


def test_the_water_of_a_chiller_stores_what_is_not_taken_from_it_and_the_tower_gets_that_and_the_work() -> (
    None
):
    chiller = day("chiller")
    assert isinstance(chiller.machines, Chillers)
    values = chiller.values
    left = total(values["cooling_load"] - values["cooling_power"])
    assert left == pytest.approx(14_000.0 * gained(chiller, "supply_temperature"), rel=1e-6)
    warmed = values["condenser_outlet_temperature"] - values["condenser_inlet_temperature"]
    rejected = total(warmed * chiller.machines.cooling_flow * WATER)
    assert rejected == pytest.approx(total(values["cooling_power"] + values["compressor_power"]), rel=1e-6)


@pytest.mark.parametrize("cooling", [10.0, 14.0, 40.0])
def test_a_shot_brings_its_heat_into_the_cooling_water_however_long_it_cools(cooling: float) -> None:
    machines = stepped("injection-moulding-machine", steps=2000)
    machines.write(0, "cooling_time_set", cooling)
    now = begin = machines.values()
    drop = heat = 0.0
    for _ in range(2000):
        machines.step(1.0, nominal_surroundings(1))
        now = machines.values()
        heat += float(now["cooling_power"][0])
        drop += float(now["barrel_zone_3"][0] - now["mould_temperature"][0]) / 2000
    shots = float(now["shot_count"][0] - begin["shot_count"][0])
    stored = 120.0 * float(now["mould_temperature"][0] - begin["mould_temperature"][0])
    assert heat + stored == pytest.approx(shots * MELT * drop, rel=0.02)


def test_a_moulding_machine_takes_more_power_than_its_parts_and_its_barrel_give_off() -> None:
    moulding = day("injection-moulding-machine")
    values = moulding.values
    zones = ("barrel_zone_1", "barrel_zone_2", "barrel_zone_3", "nozzle_temperature")
    barrel = sum(total((values[zone] - HALL) * ZONE_UA) for zone in zones)
    melt = gained(moulding, "shot_count") * MELT * (values["barrel_zone_3"].mean(axis=0) - HALL)
    drives = gained(moulding, "energy") * 3600.0 - barrel - melt
    assert (drives > 0.1 * 3600.0 * gained(moulding, "energy")).all()  # their losses warm the oil


def test_steam_of_a_press_is_heat_of_its_tyres_and_of_the_hall_and_what_fills_its_bladders() -> None:
    press = day("tyre-curing-press")
    values = press.values
    step, running = values["step"], values["state"] == 3
    cured = (step[:-1] == 3) & (step[1:] > 3)
    tyres = (cured * (values["tyre_temperature"][:-1] - 28.0)).sum(axis=0) * CURED
    opened = (step == 0) | (step >= 5)
    hall = total(0.085 * (values["platen_temperature"] - HALL) + 480.0 / 260.0 * 11.0 * opened)
    filling = total(((step == 2) & (values["step_time"] < 30.0) & running) * 108.0 / 3600.0)
    stored = 400.0 * gained(press, "platen_temperature") + 480.0 * gained(press, "mould_temperature")
    steam = (tyres + hall + stored) / EVAPORATION + filling
    assert gained(press, "steam_mass") == pytest.approx(steam, rel=0.02)


def test_a_press_that_is_made_hotter_takes_the_steam_for_it() -> None:
    cold, hot = stepped("tyre-curing-press", steps=900), stepped("tyre-curing-press", steps=900)
    hot.write(0, "platen_temperature_set", 182.0)
    used = []
    for machines in (cold, hot):
        begun = float(machines.values()["steam_mass"][0])
        for _ in range(1800):
            machines.step(1.0, nominal_surroundings(1))
        used.append(float(machines.values()["steam_mass"][0]) - begun)
    rise = float(hot.values()["platen_temperature"][0] - cold.values()["platen_temperature"][0])
    assert rise == pytest.approx(10.0, abs=0.1)
    assert used[1] - used[0] > (400.0 + 480.0) * rise / EVAPORATION


def test_an_inverter_gives_what_the_modules_bring_less_its_losses_and_never_more_than_its_rating() -> None:
    for rated, peak, limit in ((110.0, 122.0, 100.0), (110.0, 122.0, 20.0), (5000.0, 9000.0, 100.0)):
        machines = MODELS["pv-inverter"](
            fleet("s", seed=1, parameters=[{"rated_power": rated, "peak_power": peak}])
        )
        machines.write(0, "power_limit", limit)
        for second in range(0, 86_400, 10):
            machines.step(10.0, nominal_surroundings(1, second_of_day=float(second)))
            printed = {name: float(value[0]) for name, value in machines.values().items()}
            direct, output = printed["direct_power"], printed["power"]
            assert 0.0 <= output <= min(direct, rated * limit / 100.0 + 1e-9)
            assert output == pytest.approx(direct * printed["efficiency"] / 100.0)
            lost = rated * (0.0011 + 0.0143 * (direct / rated) ** 2)
            assert direct - output == pytest.approx(min(lost, direct), abs=1e-9 * rated)
