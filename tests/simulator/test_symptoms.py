"""Every fault of every machine shows what docs/simulator.md promises, and the page tells of every fault."""

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from simulator.control.fault_names import MACHINE_FAULTS, SENSOR_FAULTS
from simulator.control.network_fault_names import NETWORK_FAULTS
from simulator.machines import MODELS
from simulator.network_faults.catalogue import FAULTS
from simulator.physics.machine import fleet, nominal_surroundings
from simulator.plant.faults import REBOOT
from simulator.plant.faults import SENSOR_FAULTS as SENSORS
from tests.simulator.simulated import profile

PAGE = (Path(__file__).parents[2] / "docs" / "simulator.md").read_text(encoding="utf-8")
TABLE = PAGE.split("### What a fault of a machine shows")[1].split("\n## ")[0]
ROW = re.compile(r"^\| `(\S+)` \| `(\S+)` \| ([\w, ]*) ?\| ([\w, ]*) ?\|$", re.MULTILINE)
N = 4  # machines whose mean is compared
SEVERITY = 0.8
# a machine that has tripped shows nothing more
TRIPS_LATER = {
    ("centrifugal-pump", "bearing_wear"): 0.5,
    ("chiller", "refrigerant_leak"): 0.5,
    ("cnc-machining-centre", "tool_wear"): 0.5,
    ("conveyor-packaging-line", "belt_drag"): 0.5,
    ("steam-boiler", "scale"): 0.5,
    ("tyre-curing-press", "steam_trap_blocked"): 0.6,
}
HOURS, SETTLED = 4, 2  # of running, and those before anything is compared


class Promise(NamedTuple):
    """A row of the page: points that rise and points that fall."""

    model: str
    fault: str
    rises: tuple[str, ...]
    falls: tuple[str, ...]


def named(cell: str) -> tuple[str, ...]:
    return tuple(name for name in cell.replace(" ", "").split(",") if name)


PROMISES = [Promise(model, fault, named(up), named(down)) for model, fault, up, down in ROW.findall(TABLE)]


def shown(promise: Promise, severity: float) -> dict[str, float]:
    """Of each promised point the mean after it has settled; of a counter what it gained."""
    never = [{"hours_between_stops": 1e6}]
    machines = MODELS[promise.model](fleet(*map(str, range(N)), seed=3, parameters=never * N))
    machines.severity[promise.fault][:] = severity
    seen: dict[str, list[float]] = {name: [] for name in promise.rises + promise.falls}
    for step in range(HOURS * 720):
        machines.step(5.0, nominal_surroundings(N))
        if step >= SETTLED * 720:
            values = machines.values()
            for name, means in seen.items():
                means.append(float(np.mean(values[name])))
    kinds = {point.name: point.kind for point in profile(promise.model).points}
    return {
        name: means[-1] - means[0] if kinds[name] == "counter" else float(np.mean(means))
        for name, means in seen.items()
    }


def test_the_page_tells_of_every_fault_of_every_machine() -> None:
    faults = [(model, fault) for model in sorted(MODELS) for fault in MODELS[model](fleet("a")).faults]
    assert [(promise.model, promise.fault) for promise in PROMISES] == faults


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: f"{promise.model} {promise.fault}")
def test_a_fault_of_a_machine_shows_what_the_page_promises(promise: Promise) -> None:
    severity = TRIPS_LATER.get((promise.model, promise.fault), SEVERITY)
    well, ill = shown(promise, 0.0), shown(promise, severity)
    assert well
    for name in promise.rises:
        assert ill[name] > well[name] + 0.02 * abs(well[name]), f"{name}: {well[name]} and {ill[name]}"
    for name in promise.falls:
        assert ill[name] < well[name] - 0.02 * abs(well[name]), f"{name}: {well[name]} and {ill[name]}"


def test_a_client_is_reported_the_effects_that_the_page_promises() -> None:
    reported = [
        Promise(model, fault, text.rises, text.falls)
        for model, faults in MACHINE_FAULTS.items()
        for fault, text in faults.items()
    ]
    assert sorted(reported) == sorted(PROMISES)


def test_every_fault_has_a_name_in_both_languages() -> None:
    assert NETWORK_FAULTS.keys() == FAULTS.keys()
    assert SENSOR_FAULTS.keys() == {*SENSORS, REBOOT}
    for text in [*NETWORK_FAULTS.values(), *SENSOR_FAULTS.values()]:
        assert all((text.label.zh, text.label.en, text.expect.zh, text.expect.en))
