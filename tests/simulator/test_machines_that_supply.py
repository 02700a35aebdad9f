"""Physics of the utilities: compressed air, electricity, cooling, steam, water and sun."""

import numpy as np
import pytest

from simulator.machines import MODELS
from simulator.physics.fluid_properties import refrigerant_pressure, steam_pressure, steam_temperature
from simulator.physics.machine import Machines, State, Surroundings, fleet, nominal_surroundings
from simulator.physics.utility import Utility
from tests.simulator.simulated import DAY_STEP, day, stepped

AIR = "screw-air-compressor"
METER = "three-phase-energy-meter"
CHILLER = "chiller"
BOILER = "steam-boiler"
PUMP = "centrifugal-pump"
SUN = "pv-inverter"


def now(machines: Machines, point: str) -> float:
    return float(machines.values()[point][0])


def run(
    machines: Machines, seconds: float, surroundings: Surroundings | None = None, dt: float = 1.0
) -> None:
    for _ in range(int(seconds / dt)):
        machines.step(dt, surroundings or nominal_surroundings(1))


def fed(**demand: float) -> Surroundings:
    wanted = {utility: np.zeros(1) for utility in Utility}
    return nominal_surroundings(
        1, demand=wanted | {Utility(name): np.array([value]) for name, value in demand.items()}
    )


def test_a_compressor_cycles_between_its_two_pressures() -> None:
    machines = stepped(AIR, steps=60)
    pressures, loads = [], []
    for _ in range(3600):
        machines.step(1.0, nominal_surroundings(1))
        pressures.append(now(machines, "discharge_pressure"))
        loads.append(now(machines, "loaded"))
    assert 6.8 - 0.1 < min(pressures) < 6.81
    assert 7.59 < max(pressures) < 7.6 + 0.1
    assert np.count_nonzero(np.diff(loads)) > 20


def test_air_in_the_receiver_is_air_delivered_less_air_used() -> None:
    machines = stepped(AIR, steps=10)
    before = now(machines, "discharge_pressure")
    for _ in range(500):
        machines.step(0.5, nominal_surroundings(1))
        pressure = now(machines, "discharge_pressure")
        gained = (pressure - before) * 2.0 / 1.013
        used = (now(machines, "air_delivered") - now(machines, "air_demand")) * 0.5 / 60.0
        assert gained == pytest.approx(used, abs=1e-9)
        before = pressure


def test_a_compressor_that_unloads_for_long_stops_and_starts_again_when_air_is_needed() -> None:
    machines = stepped(AIR, base_demand=0.0)
    run(machines, 3000)
    assert (now(machines, "motor_on"), now(machines, "power") < 0.5) == (0.0, True)
    starts = now(machines, "motor_starts")
    run(machines, 900, fed(air=6.0))
    assert now(machines, "motor_on") == 1.0
    assert now(machines, "motor_starts") == starts + 1


def test_a_lower_set_point_lowers_the_pressure_and_the_power() -> None:
    high, low = stepped(AIR), stepped(AIR)
    low.write(0, "load_pressure_set", 5.5)
    low.write(0, "unload_pressure_set", 6.2)
    energy = []
    for machines in (high, low):
        begin = now(machines, "energy")
        run(machines, 3600)
        energy.append(now(machines, "energy") - begin)
    assert now(low, "discharge_pressure") < 6.4
    assert energy[1] < 0.95 * energy[0]


def test_the_oil_of_a_stopped_compressor_cools_to_ambient() -> None:
    machines = stepped(AIR, steps=600)
    machines.write(0, "run_enable", 0.0)
    run(machines, 7200)
    assert now(machines, "oil_temperature") == pytest.approx(22.0, abs=0.5)
    assert now(machines, "power") == pytest.approx(0.0, abs=1e-3)


def test_the_meter_keeps_apparent_power_and_the_sums_of_the_phases() -> None:
    values = day(METER).values
    for total, phases in {"power": "power", "current_n": ""}.items():
        if phases:
            summed = sum(values[f"{phases}_{phase}"] for phase in "abc")
            assert np.allclose(values[total], summed)
    phase_sum = sum(values[f"voltage_{p}"] * values[f"current_{p}"] for p in "abc") / 1000.0
    assert np.allclose(values["apparent_power"], phase_sum, rtol=1e-9)
    assert np.allclose(values["power_factor"], values["power"] / values["apparent_power"])
    squares = values["power"] ** 2 + values["reactive_power"] ** 2
    assert np.allclose(squares, values["apparent_power"] ** 2, rtol=0.02)
    assert np.allclose(values["voltage_ab"] / values["voltage_a"], np.sqrt(3.0), rtol=0.02)


def test_imported_energy_is_the_integral_of_power_and_demand_its_mean() -> None:
    values = day(METER).values
    gained = values["energy_import"][-1] - values["energy_import"][0]
    assert gained == pytest.approx(values["power"][1:].sum(axis=0) * DAY_STEP / 3600.0, rel=1e-6)
    assert (values["peak_demand"][-1] >= values["demand"].max(axis=0) - 1e-9).all()


def test_power_that_is_generated_behind_the_meter_is_fed_in() -> None:
    machines = stepped(METER, base_load=5.0)
    exported = now(machines, "energy_export")
    run(machines, 3600, fed(electricity=-60.0))
    assert now(machines, "power") < -50.0
    assert now(machines, "power_factor") < 0.0
    assert now(machines, "energy_export") - exported == pytest.approx(55.0, abs=3.0)


def test_a_chiller_holds_its_water_and_rejects_what_it_takes_in_plus_its_own_work() -> None:
    machines = stepped(CHILLER, steps=600)
    run(machines, 3600, fed(cooling=80.0))
    assert now(machines, "supply_temperature") == pytest.approx(12.0, abs=0.5)
    assert now(machines, "cooling_power") == pytest.approx(now(machines, "cooling_load"), rel=0.15)
    assert now(machines, "cooling_power") == pytest.approx(
        now(machines, "cop") * now(machines, "compressor_power"), rel=1e-6
    )
    lift = now(machines, "condensing_temperature") - now(machines, "evaporating_temperature")
    carnot = (now(machines, "evaporating_temperature") + 273.15) / lift
    assert 0.3 * carnot < now(machines, "cop") < 0.6 * carnot


def test_water_of_a_chiller_that_is_switched_off_warms_up() -> None:
    machines = stepped(CHILLER, steps=60)
    machines.write(0, "run_enable", 0.0)
    run(machines, 1800)
    assert now(machines, "supply_temperature") > 18.0
    assert now(machines, "compressor_power") == 0.0


def test_a_hotter_day_costs_a_chiller_more_power_for_the_same_cold() -> None:
    cool, hot = stepped(CHILLER), stepped(CHILLER)
    run(cool, 3600, nominal_surroundings(1, outside=15.0))
    run(hot, 3600, nominal_surroundings(1, outside=33.0))
    assert now(hot, "cop") < 0.8 * now(cool, "cop")


def test_more_load_than_a_chiller_can_take_warms_the_loop() -> None:
    machines = stepped(CHILLER)
    run(machines, 1800, fed(cooling=400.0))
    assert now(machines, "slide_valve") == pytest.approx(100.0)
    assert now(machines, "supply_temperature") > 20.0


def test_a_boiler_keeps_pressure_and_level_and_pays_for_steam_with_gas() -> None:
    values = day(BOILER).values
    assert values["steam_pressure"].min() > 12.0
    assert values["steam_pressure"].max() < 14.0
    assert values["water_level"].min() > 35.0
    assert values["water_level"].max() < 65.0
    assert np.allclose(values["steam_temperature"], steam_temperature(values["steam_pressure"]), atol=0.2)
    steam = (values["steam_mass"][-1] - values["steam_mass"][0]) * 1000.0
    feed = (values["feed_mass"][-1] - values["feed_mass"][0]) * 1000.0
    blown = values["blow_down_flow"].sum(axis=0) * DAY_STEP / 3600.0
    assert feed == pytest.approx(steam + blown, rel=0.03)
    gas = values["gas_volume"][-1] - values["gas_volume"][0]
    useful = steam * (2000.0 + 4.19 * 91.0) / 3600.0
    assert (useful / (gas * 9.97) > 0.75).all()
    assert (useful / (gas * 9.97) < 0.95).all()


def test_a_boiler_without_its_burner_loses_pressure() -> None:
    machines = stepped(BOILER)
    machines.write(0, "burner_enable", 0.0)
    run(machines, 1800)
    assert now(machines, "steam_pressure") < 9.0
    assert now(machines, "gas_flow") == 0.0


def test_more_steam_than_the_burner_can_make_lowers_the_pressure() -> None:
    machines = stepped(BOILER)
    run(machines, 900, fed(steam=6000.0))
    assert now(machines, "firing_rate") == pytest.approx(100.0)
    assert now(machines, "steam_pressure") < 12.5


def test_a_pump_keeps_its_pressure_and_obeys_the_affinity_laws_by_hand() -> None:
    machines = stepped(PUMP, steps=900)
    assert now(machines, "discharge_pressure") == pytest.approx(4.0, abs=0.4)
    machines.write(0, "automatic", 0.0)
    heads, flows, powers = [], [], []
    for speed in (100.0, 90.0):
        machines.write(0, "speed_set", speed)
        run(machines, 60)
        flows.append(now(machines, "flow"))
        heads.append(now(machines, "head"))
        powers.append(now(machines, "shaft_power"))
        hydraulic = flows[-1] / 3600.0 * 9.81 * heads[-1]
        assert now(machines, "efficiency") == pytest.approx(hydraulic / powers[-1] * 100.0, rel=0.05)
    assert flows[1] < flows[0]
    assert heads[1] < heads[0]
    assert powers[1] < 0.85 * powers[0]


def test_volume_pumped_is_flow_over_time() -> None:
    values = day(PUMP).values
    gained = values["volume"][-1] - values["volume"][0]
    assert gained == pytest.approx(values["flow"][1:].sum(axis=0) * DAY_STEP / 3600.0, rel=1e-6)


def test_the_sun_rises_and_sets_and_power_follows_it() -> None:
    values = day(SUN).values
    hours = np.arange(len(values["power"])) * DAY_STEP / 3600.0
    night = (hours < 4.0) | (hours > 20.5)
    assert (values["power"][night] == 0).all()
    assert (values["state"][night] == State.OFF).all()
    assert (values["power"][(hours > 11) & (hours < 13)].max(axis=0) > 40.0).all()
    assert (values["power"] <= values["direct_power"]).all()
    assert (values["power"] <= 110.0 + 1e-9).all()
    gained = values["energy"][-1] - values["energy"][0]
    assert gained == pytest.approx(values["power"].sum(axis=0) * DAY_STEP / 3600.0, rel=1e-6)
    assert (gained > 200.0).all()


def test_days_are_shorter_in_winter() -> None:
    made = []
    for day_of_year in (172, 355):
        machines = MODELS[SUN](fleet("s", seed=1))
        for second in range(0, 86_400, 60):
            machines.step(10.0, nominal_surroundings(1, second_of_day=float(second), day_of_year=day_of_year))
        made.append(now(machines, "energy_today"))
    assert made[1] < 0.7 * made[0]


def test_a_power_limit_is_kept_and_says_so() -> None:
    machines = stepped(SUN, steps=60)
    machines.write(0, "power_limit", 20.0)
    run(machines, 60)
    assert now(machines, "power") <= 22.0 + 1e-9
    assert now(machines, "limited") == 1.0


def test_an_inverter_leaves_a_grid_that_is_out_of_range() -> None:
    machines = stepped(SUN, steps=60)
    level = {**nominal_surroundings(1).level, Utility.ELECTRICITY: np.array([290.0])}
    run(machines, 10, nominal_surroundings(1, level=level))
    assert (now(machines, "power"), now(machines, "state")) == (0.0, State.IDLE)


@pytest.mark.parametrize(
    ("pressure", "temperature"), [(0.0, 100.0), (5.0, 158.9), (10.0, 184.1), (13.0, 195.1)]
)
def test_steam_is_as_hot_as_the_steam_table_says(pressure: float, temperature: float) -> None:
    assert float(steam_temperature(np.array(pressure))) == pytest.approx(temperature, abs=0.6)
    assert float(steam_pressure(np.array(temperature))) == pytest.approx(pressure, abs=0.25)


@pytest.mark.parametrize(
    ("temperature", "pressure"), [(-10.0, 2.006), (0.0, 2.928), (20.0, 5.717), (40.0, 10.166)]
)
def test_refrigerant_pressure_is_as_the_table_says(temperature: float, pressure: float) -> None:
    assert float(refrigerant_pressure(np.array(temperature))) == pytest.approx(pressure, rel=0.02)
