"""Simulated machines for tests: profiles from the shipped files, and a week of each model, run once.

The week is the day of seven machines, each with a seed of its own; QILU_DAYS=7 lets each of them work a week.
"""

import os
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qilu.config.profiles import profiles
from qilu.contract.profile import DeviceProfile
from simulator.machines import MODELS
from simulator.physics.machine import Machines, fleet, nominal_surroundings
from simulator.physics.utility import Utility
from simulator.plant.plant import Plant
from simulator.plant.settings import PlantSettings
from simulator.registers.device import Device
from simulator.registers.image import Image

DAY, DAY_STEP = 86_400.0, 10.0
DAYS = int(os.environ.get("QILU_DAYS", "1"))
NAMES = tuple("abcdefg")
# levels at which nobody can work
MISSING = {Utility.ELECTRICITY: 200.0, Utility.AIR: 2.0, Utility.STEAM: 3.0, Utility.COOLING: 40.0}


class Day(NamedTuple):
    """Every number of seven machines at every step of a day: point -> array of shape (steps, 7)."""

    machines: Machines
    values: Mapping[str, NDArray[Any]]


@cache
def profile(model: str) -> DeviceProfile:
    return profiles([model])[model]


@cache
def day(model: str) -> Day:
    """A day in calm surroundings, from midnight, in steps of DAY_STEP."""
    machines = MODELS[model](fleet(*NAMES, seed=5))
    record: dict[str, list[NDArray[Any]]] = {}
    calmly = nominal_surroundings(len(NAMES))
    for step in range(int(DAYS * DAY / DAY_STEP)):
        days, second = divmod(step * DAY_STEP, DAY)
        machines.step(DAY_STEP, replace(calmly, second_of_day=second, day_of_year=172 + int(days)))
        for name, value in machines.values().items():
            record.setdefault(name, []).append(np.array(value))
    return Day(machines, {name: np.array(values) for name, values in record.items()})


def stepped(model: str, *, steps: int = 1, dt: float = 1.0, seed: int = 0, **parameters: float) -> Machines:
    """One machine of a model after some steps in calm surroundings."""
    machines = MODELS[model](fleet("m", seed=seed, parameters=[parameters]))
    for _ in range(steps):
        machines.step(dt, nominal_surroundings(1))
    return machines


def device(model: str, *, row: int = 0, n: int = 1, **changes: Any) -> Device:
    """A device of a model after one step, with its image filled."""
    machines = MODELS[model](fleet(*[f"m{index}" for index in range(n)]))
    machines.step(1.0, nominal_surroundings(n))
    image = Image(profile(model), machines, [{}] * n)
    image.refresh()
    return Device(f"m{row}", image, row, **changes)


def plant(*machines: Mapping[str, Any], **changes: Any) -> Plant:
    """A plant of the given machines' settings; port and unit are filled in where they are not given."""
    entries = [{"port": 5020 + index, **machine} for index, machine in enumerate(machines)]
    settings = PlantSettings.model_validate({"seed": 7, "step": 1, "machines": entries, **changes})
    return Plant(settings, profiles({machine.machine for machine in settings.machines}))
