"""Figures of the simulated machines beside those of the literature: `make physics-report`.

    python -m benchmarks.physics_report          # measures and prints the table of docs/physics.md

Each figure is measured on a fleet with several seeds; those of the weather are sampled over a year.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from simulator.machines import MODELS
from simulator.physics.machine import fleet, nominal_surroundings
from simulator.physics.noise import Array
from simulator.plant.weather import Weather, daily

NAMES = tuple("abcde")
COP = 6390.0  # s from doff to doff
CALM = [{"hours_between_stops": 1e9}] * len(NAMES)


@dataclass(frozen=True)
class Figure:
    """A quantity of a machine; `lowest` and `highest` are those of the literature."""

    quantity: str
    unit: str
    lowest: float
    highest: float | None
    source: str
    measure: Callable[[], Array]
    known_gap: bool = False
    """Whether ours is known to lie outside."""


def machines_of(model: str) -> Any:
    """Five machines of the model that never stop by chance."""
    return MODELS[model](fleet(*NAMES, seed=11, parameters=CALM))


def specific_power() -> Array:
    """kW for each m3/min of free air while the compressor is loaded."""
    machine, seen = machines_of("screw-air-compressor"), []
    loaded_for = np.zeros(len(NAMES))
    for _ in range(900):
        machine.step(1.0, nominal_surroundings(len(NAMES)))
        loaded_for = np.where(machine.loaded, loaded_for + 1, 0)
        steady = loaded_for > 10
        seen.extend((machine.power[steady] / machine.delivered[steady]).tolist())
    return np.array(seen)


def unloaded_share() -> Array:
    """Percent of rated power that a compressor takes unloaded, once its separator is vented."""
    machine, seen = machines_of("screw-air-compressor"), []
    machine.base_demand[:] = 0.05
    for _ in range(1800):
        machine.step(1.0, nominal_surroundings(len(NAMES)))
        vented = machine.motor_on & ~machine.loaded & (machine.internal < 2.2)
        seen.extend((100.0 * machine.power[vented] / machine.rated[vented]).tolist())
    return np.array(seen)


def lost_head() -> Array:
    """Percent of its head that a pump has lost a minute after its margin of NPSH was used up."""
    machine, seen = machines_of("centrifugal-pump"), []
    since = np.zeros(len(NAMES))
    for step in range(3600):
        machine.severity["suction_clogged"][:] = min(step / 2400, 1.0)
        machine.step(1.0, nominal_surroundings(len(NAMES)))
        since = np.where(machine.margin < 0, since + 1, 0)
        seen.extend((100.0 * machine.head_loss[since > 60]).tolist())
    return np.array(seen)


def string_current() -> Array:
    """A of a string of modules around noon of a summer's day."""
    machine, seen = machines_of("pv-inverter"), []
    for second in range(36_000, 50_000, 20):
        machine.step(10.0, nominal_surroundings(len(NAMES), second_of_day=float(second), sky=1.5))
        seen.append(machine.currents[:4].max(axis=0))
    return np.array(seen[10:]).ravel()


def daily_yields() -> Array:
    """kWh for each kWp of every third day of a year, shape (days, n)."""
    weather, machine, yields = Weather(11), machines_of("pv-inverter"), []
    for day in range(0, 365, 3):
        of_day, total = weather.of(day, day + 1), np.zeros(len(NAMES))
        for second in range(18_000, 72_000, 600):
            around = nominal_surroundings(
                len(NAMES),
                second_of_day=float(second),
                day_of_year=day + 1,
                sky=of_day.sky,
                outside=daily(of_day.mean, second),
            )
            machine.step(10.0, around)
            total = total + machine.output / 6.0
        yields.append(total / machine.peak)
    return np.array(yields)


def yield_variation() -> Array:
    """Percent: the standard deviation of the daily yield over its mean."""
    yields = daily_yields()
    variation: Array = 100.0 * yields.std(axis=0) / yields.mean(axis=0)
    return variation


def spinning_energy() -> Array:
    """kWh for each kg of yarn of a ring frame."""
    return _per_unit("ring-spinning-frame", "energy", "yarn_mass", 10.0, 2 * COP)


def moulding_energy() -> Array:
    """kWh for each kg of parts of a moulding machine."""
    return _per_unit("injection-moulding-machine", "energy", "shot_count", 1.0) / 0.42


def _per_unit(model: str, energy: str, made: str, dt: float, seconds: float = 7200.0) -> Array:
    machine = machines_of(model)
    machine.step(dt, nominal_surroundings(len(NAMES)))
    first = machine.values()
    for _ in range(round(seconds / dt)):
        machine.step(dt, nominal_surroundings(len(NAMES)))
    last = machine.values()
    per_unit: Array = (last[energy] - first[energy]) / np.maximum(last[made] - first[made], 1e-9)
    return per_unit


FIGURES = (
    Figure("compressor, loaded: power per free air", "kW/(m³/min)", 5.0, 7.0,
           "CAGI data sheets, typical values at 7 bar", specific_power),
    Figure("compressor, unloaded and vented: share of rated power", "%", 15.0, 35.0,
           "US DOE, Improving Compressed Air System Performance", unloaded_share),
    Figure("pump: head lost a minute after the NPSH margin is used up", "%", 3.0, None,
           "ANSI/HI 9.6.1: NPSHR is the point of 3 % less head", lost_head),
    Figure("photovoltaics: current of a string at noon", "A", 5.0, 15.0,
           "Huawei SUN2000-10KTL-M1, user manual: 15 A at an input", string_current),
    Figure("photovoltaics: variation of the daily yield in a year", "%", 30.0, None,
           "Ibanez, Rosell and Beckman 2003: daily clearness is bimodal", yield_variation),
    Figure("ring frame: energy per yarn", "kWh/kg", 1.45, 1.49,
           "Koc and Kaplan 2007: 1.32 to 1.36 at 20 tex, for 18.2 tex", spinning_energy),
    Figure("moulding: energy per part, while it runs", "kWh/kg", 0.6, 2.5,
           "zetarmold.com, energy of injection moulding", moulding_energy),
)  # fmt: skip


def row(figure: Figure) -> str:
    """The line of a figure in the table of docs/physics.md."""
    low, high = np.quantile(figure.measure(), [0.05, 0.95])
    gap = " (outside)" if figure.known_gap else ""
    return f"{head(figure)} {low:.3g} to {high:.3g}{gap} | {literature(figure)} |"


def head(figure: Figure) -> str:
    """What stands in the line before our range."""
    return f"| {figure.quantity} | {figure.unit} |"


def literature(figure: Figure) -> str:
    """What stands in the line behind our range."""
    upper = "or more" if figure.highest is None else f"to {figure.highest:g}"
    return f"{figure.lowest:g} {upper} | {figure.source}"


if __name__ == "__main__":
    print("| quantity | unit | ours, 5th to 95th percentile | literature | source |")
    print("|---|---|---|---|---|")
    for each in FIGURES:
        print(row(each), flush=True)
