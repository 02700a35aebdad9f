"""No part comes from nowhere or is lost: what a machine takes is good, is scrap or is still in it."""

import numpy as np
import pytest

from simulator.machines import MODELS
from simulator.physics.machine import Machines, Surroundings, fleet, nominal_surroundings
from simulator.physics.noise import Array
from simulator.physics.utility import NOMINAL
from tests.simulator.simulated import MISSING, day

COUNTERS = {  # of all parts, of those that are no good
    "cnc-machining-centre": ("part_count", "reject_count"),
    "conveyor-packaging-line": ("pack_count", "reject_count"),
    "injection-moulding-machine": ("shot_count", "reject_count"),
    "robot-cell": ("cycle_count", None),
    "tyre-curing-press": ("tyre_count", "scrap_count"),
}


def disturbed(generator: np.random.Generator, n: int) -> Surroundings:
    """Surroundings in which now and then something is missing."""
    some = np.where(generator.random(n) < 0.2, 0.0, np.inf)
    level = {utility: np.full(n, nominal) for utility, nominal in NOMINAL.items()}
    for utility, missing in MISSING.items():
        level[utility] = np.where(generator.random(n) < 0.05, missing, level[utility])
    room = np.where(generator.random(n) < 0.2, 0.0, np.inf)
    return nominal_surroundings(n, parts=some, room=room, working=bool(generator.random() < 0.9), level=level)


@pytest.mark.parametrize("model", sorted(COUNTERS))
def test_parts_taken_are_good_parts_and_rejects_and_what_is_in_the_machine(model: str) -> None:
    n = 4
    machines = MODELS[model](fleet(*"abcd", seed=2, parameters=[{"hours_between_stops": 1.0}] * n))
    for fault in machines.faults:
        machines.severity[fault][0] = 0.6  # the first one makes rejects
    machines.step(2.0, nominal_surroundings(n))
    generator = np.random.default_rng(5)
    begin, within = counted(machines), in_process(machines)
    taken, good = np.zeros(n), np.zeros(n)
    surroundings = nominal_surroundings(n)
    for step in range(20_000):
        if step % 60 == 0:
            surroundings = disturbed(generator, n)
        machines.step(2.0, surroundings)
        passed = machines.passes()
        assert passed is not None
        taken, good = taken + passed[0], good + passed[1]
    parts, rejects = counted(machines)[0] - begin[0], counted(machines)[1] - begin[1]
    assert (parts[1:] > 20).all()
    assert (good == parts - rejects).all()
    assert (taken + within == parts + in_process(machines)).all()


def counted(machines: Machines) -> tuple[Array, Array]:
    """All parts, and those that are no good."""
    values = machines.values()
    every, bad = next(names for names in COUNTERS.values() if names[0] in values)
    parts: Array = values[every]
    return parts.copy(), values[bad].copy() if bad else np.zeros_like(parts)


def in_process(machines: Machines) -> Array:
    """Parts in each machine: the one of a cycle that has begun; a packaging line has none for long."""
    cycle = getattr(machines, "cycle", None)
    return np.zeros(4) if cycle is None else (~cycle.at_start).astype(np.float64)


def test_each_tyre_is_cured_once_and_uses_the_bladder_once() -> None:
    values = day("tyre-curing-press").values
    tyres = values["tyre_count"][-1] - values["tyre_count"][0]
    uses = np.diff(values["bladder_uses"], axis=0)
    assert (np.where(uses > 0, uses, 0).sum(axis=0) == tyres).all()
    cured = ((values["step"][:-1] <= 3) & (values["step"][1:] >= 4)).sum(axis=0)
    assert (np.abs(cured - tyres) <= 1).all()
    assert (tyres > 80).all()


def test_a_press_scraps_no_tyre_that_it_had_in_work_when_the_plant_began() -> None:
    presses = MODELS["tyre-curing-press"](fleet(*map(str, range(40))))
    begun = None
    for _ in range(900):
        presses.step(1.0, nominal_surroundings(40))
        begun = presses.values()["scrap_count"] if begun is None else begun
    assert (presses.values()["scrap_count"] == begun).all()
