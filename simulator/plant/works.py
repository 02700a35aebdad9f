"""The physics of a plant without registers and events: machines, what they share, and the environment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.physics.machine import Machines, Surroundings
from simulator.physics.utility import NOMINAL, Utility
from simulator.plant.buffers import Buffers
from simulator.plant.environment import Disturbances, Moment
from simulator.plant.utilities import Supplies


@dataclass(frozen=True)
class Group:
    """All machines of one model, and the place of each among all devices of the plant."""

    fixed = ("places",)
    machines: Machines
    places: NDArray[np.intp]


class Works:
    """All N machines of a plant, model by model."""

    def __init__(
        self, groups: Sequence[Group], supplies: Supplies, buffers: Buffers, disturbances: Disturbances
    ) -> None:
        n = sum(len(group.places) for group in groups)
        self.groups = list(groups)
        self.supplies = supplies
        self.buffers = buffers
        self.disturbances = disturbances
        self._consumed, self._parts = np.zeros(n), np.zeros(n)

    def step(self, course: Moment, tick: int, dt: float) -> None:
        """Moves all machines on by dt seconds. course: the environment after the step, without noise."""
        everywhere = self.surroundings(course, tick, dt)
        for group in self.groups:
            group.machines.step(dt, seen_from(group.places, everywhere))
        for group in self.groups:
            self.exchange(group)
        self.move_parts()

    def surroundings(self, course: Moment, tick: int, dt: float) -> Surroundings:
        """Of all machines, in the plant's order of devices; to be called once for each step."""
        moment = self.disturbances.step(course, dt)
        nominal = {**NOMINAL, Utility.ELECTRICITY: moment.voltage}
        return Surroundings(
            second_of_day=moment.second_of_day,
            day_of_year=moment.day_of_year,
            ambient=moment.ambient,
            frequency=moment.frequency,
            working=moment.working,
            level={utility: self.supplies.level(utility, nominal[utility]) for utility in Utility},
            demand={utility: self.supplies.demand(utility) for utility in Utility},
            parts=self.buffers.parts(tick),
            room=self.buffers.room(tick),
            reactive=self.supplies.reactive_demand(),
            activity=moment.activity,
            outside=moment.outside,
            sky=moment.sky,
        )

    def exchange(self, group: Group) -> NDArray[np.float64] | None:
        """What the machines of one model took from the others and gave to them; their good parts."""
        machines, places = group.machines, group.places
        for utility, rate in machines.utility_inputs().items():
            self.supplies.rate[utility][places] = rate
        reactive = machines.reactive_power()
        if reactive is not None:
            self.supplies.reactive[places] = reactive
        for utility, level in machines.utility_outputs().items():
            self.supplies.offer[utility][places] = level
        passed = machines.passes()
        if passed is None:
            return None
        self._consumed[places], self._parts[places] = passed
        return passed[1]

    def move_parts(self) -> None:
        """Lets the buffers have what was made, and give what was taken."""
        self.buffers.move(self._consumed, self._parts)


def seen_from(places: NDArray[np.intp], everywhere: Surroundings) -> Surroundings:
    # the constructor, since dataclasses.replace costs more than all the rest here
    return Surroundings(
        second_of_day=everywhere.second_of_day,
        day_of_year=everywhere.day_of_year,
        ambient=everywhere.ambient,
        frequency=everywhere.frequency,
        working=everywhere.working,
        level={utility: level[places] for utility, level in everywhere.level.items()},
        demand={utility: demand[places] for utility, demand in everywhere.demand.items()},
        parts=everywhere.parts[places],
        room=everywhere.room[places],
        reactive=everywhere.reactive[places],
        activity=everywhere.activity,
        outside=everywhere.outside,
        sky=everywhere.sky,
    )
