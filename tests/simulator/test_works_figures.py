"""A works as a whole: one header for air, one bus for electricity, nights, week-ends, weather and seasons."""

from datetime import date
from typing import Any

import numpy as np
import pytest

from simulator.machines import MODELS
from simulator.physics.machine import fleet, nominal_surroundings
from simulator.physics.utility import Utility
from simulator.plant.environment import Environment
from simulator.plant.plant import Plant
from simulator.plant.plant_file import DailyPeriod
from simulator.plant.settings import PlantSettings
from simulator.plant.utilities import Supplies
from simulator.plant.weather import Weather, daily
from tests.simulator.simulated import plant

CALM = {"hours_between_stops": 1e9}
AIR = {"machine": "screw-air-compressor", "feeds": ["mill"]}
MILL = {"device": "mill", "machine": "cnc-machining-centre"}


def now(of: Plant, device: str, point: str) -> float:
    asked = of.devices[device]
    return float(asked._image.machines.values()[point][asked._row])


def test_compressors_of_one_header_have_one_pressure_and_the_second_takes_over_when_the_first_stops() -> None:
    lead = {**AIR, "device": "lead", "parameters": {**CALM, "base_demand": 0.3}}
    next_ = {**AIR, "device": "next", "parameters": {**CALM, "base_demand": 0.3, "load_pressure": 6.5}}
    works = plant(lead, next_, {**AIR, "device": "alone", "feeds": []}, MILL)
    lowest = np.inf
    for tick in range(2400):
        works.advance()
        if tick == 600:
            works.devices["lead"]._image.machines.setpoints["run_enable"][0] = 0.0
        assert now(works, "lead", "discharge_pressure") == now(works, "next", "discharge_pressure")
        lowest = min(lowest, now(works, "lead", "discharge_pressure"))
    assert now(works, "alone", "discharge_pressure") != now(works, "lead", "discharge_pressure")
    assert lowest > 6.2
    assert now(works, "mill", "air_pressure") == pytest.approx(
        now(works, "next", "discharge_pressure"), abs=0.1
    )


def test_air_is_conserved_between_the_receivers_of_a_header() -> None:
    machine: Any = MODELS["screw-air-compressor"](
        fleet("a", "b", parameters=[{"receiver_volume": 1.0}, {"receiver_volume": 3.0}])
    )
    before = float((machine.pressure * machine.volume).sum())
    machine.stand_on(np.array([7, 7]))
    assert float((machine.pressure * machine.volume).sum()) == pytest.approx(before)
    assert machine.pressure[0] == machine.pressure[1]


def test_suppliers_stand_on_one_header_also_by_way_of_others() -> None:
    pairs = [(0, 5), (1, 5), (1, 6), (2, 6), (3, 7)]
    assert Supplies(8, {Utility.AIR: pairs}).headers(Utility.AIR).tolist() == [0, 0, 0, 3, 4, 5, 6, 7]
    assert Supplies(3, {}).headers(Utility.AIR).tolist() == [0, 1, 2]


def test_a_meter_sums_the_reactive_power_of_what_is_behind_it() -> None:
    meter = {"device": "meter", "machine": "three-phase-energy-meter", "feeds": ["air"]}
    works = plant({**meter, "parameters": {"base_load": 0.0}}, {**AIR, "device": "air", "feeds": []})
    for _ in range(50):
        power, factor = now(works, "air", "power"), now(works, "air", "power_factor")
        works.advance()
        reactive = power * np.tan(np.arccos(factor))
        assert now(works, "meter", "reactive_power") == pytest.approx(reactive, rel=1e-6)
        assert now(works, "meter", "power_factor") == pytest.approx(factor, abs=0.01)


def test_the_sun_takes_power_and_leaves_reactive_power_so_the_power_factor_falls_by_day() -> None:
    """The usual complaint behind a photovoltaic system (IET, Wiring Matters 107, 2025)."""
    meter = {"device": "meter", "machine": "three-phase-energy-meter", "feeds": ["roof", "mill"]}
    settings = {**meter, "parameters": {"base_load": 120.0}}
    roof = {"device": "roof", "machine": "pv-inverter"}
    factors = {}
    for hour in (0, 12):
        works = plant(settings, roof, {**MILL, "replicas": 3}, start=f"2026-06-22T{hour:02}:00:00", step=10)
        works.advance(60)
        factors[hour] = now(works, "meter", "power_factor")
        voltage = now(works, "roof", "grid_voltage")
        assert now(works, "meter", "voltage_ab") == pytest.approx(voltage, rel=0.01)
    assert factors[0] - factors[12] > 0.05


def test_a_week_has_shifts_on_its_working_days_and_none_on_holidays() -> None:
    settings = PlantSettings.model_validate({
        "machines": [{**MILL, "port": 5020}],
        "start": "2026-06-22T00:00:00",  # a Monday
        "shifts": [{"start": "22:00", "end": "06:00", "days": ["mon", "tue", "wed", "thu", "fri"]}],
        "holidays": ["2026-06-24"],
        "step": 10,
    })  # fmt: skip
    environment = Environment(settings)
    hours = [environment._working(hour // 24, hour % 24 * 60.0) for hour in range(8 * 24)]
    worked = [sum(hours[24 * day : 24 * day + 24]) for day in range(8)]
    assert worked == [2, 8, 0, 8, 8, 6, 0, 2]
    assert settings.holidays == (date(2026, 6, 24),)


@pytest.mark.parametrize(("minute", "weekday", "holds"), [(1380, 4, True), (60, 5, True), (1380, 5, False)])
def test_a_night_shift_belongs_to_the_day_on_which_it_starts(minute: int, weekday: int, holds: bool) -> None:
    shift = DailyPeriod.model_validate({"start": "22:00", "end": "06:00", "days": ["fri"]})
    assert shift.holds(minute, weekday) is holds


def test_the_load_of_a_night_is_below_that_of_a_shift() -> None:
    works = plant(
        {"device": "meter", "machine": "three-phase-energy-meter", "feeds": ["air", "cold"]},
        {**AIR, "device": "air", "feeds": [], "parameters": CALM},
        {"device": "cold", "machine": "chiller", "parameters": CALM},
        start="2026-06-22T00:00:00",
        shifts=[{"start": "08:00", "end": "17:00"}],
        step=10,
    )
    means = {}
    for part, ticks in (("night", 2520), ("between", 540), ("shift", 2880)):
        energy = now(works, "meter", "energy_import")
        works.advance(ticks)
        means[part] = (now(works, "meter", "energy_import") - energy) / ticks
    assert means["night"] < 0.75 * means["shift"]


def test_a_year_has_seasons_and_days_that_are_blue_or_overcast() -> None:
    weather = Weather(1)
    days = [weather.of(day, day % 365 + 1) for day in range(730)]
    month = {name: np.mean([days[day].mean for day in span]) for name, span in
             (("january", range(31)), ("july", range(181, 212)))}  # fmt: skip
    assert month["january"] == pytest.approx(-0.3, abs=2.5)
    assert month["july"] == pytest.approx(28.1, abs=2.5)
    kinds = [sum(day.sky > 1 for day in days), sum(day.sky < -1 for day in days)]
    assert kinds[0] / 730 == pytest.approx(0.45, abs=0.06)
    assert kinds[1] / 730 == pytest.approx(0.20, abs=0.06)
    again = Weather(1)
    assert again.of(100, 101) == days[100]
    assert daily(20.0, 54_000) == 25.0


def test_the_yield_of_a_roof_differs_from_day_to_day_by_more_than_30_percent() -> None:
    """Coefficient of variation of the daily yield over a year; daily clearness is bimodal (Ibanez 2003)."""
    weather, inverter = Weather(3), MODELS["pv-inverter"](fleet("roof"))
    yields = []
    for day in range(0, 365, 3):
        of_day = weather.of(day, day + 1)
        for second in range(18_000, 72_000, 600):
            outside = daily(of_day.mean, second)
            surroundings = nominal_surroundings(
                1, second_of_day=float(second), day_of_year=day + 1, sky=of_day.sky, outside=outside
            )
            inverter.step(10.0, surroundings)
            yields.append((day, float(inverter.values()["power"][0]) / 6.0))
    numbers = np.array([sum(kwh for at, kwh in yields if at == day) for day in range(0, 365, 3)])
    assert 0.30 < numbers.std() / numbers.mean() < 0.75
    assert 2.5 < numbers.mean() / 122.0 < 5.0  # kWh a day and kWp: Jinan has about 3.6
    assert numbers.min() < 0.25 * numbers.max()
