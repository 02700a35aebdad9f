"""What a simulated machine is: physics for all machines of one model, without sockets, clock or randomness.

All machines of one model are stepped together: every quantity is an array of shape (n,), one element per
machine. A model is written in `simulator/machines/`, its points and registers in `configs/profiles/` under
the same name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from qilu.contract.errors import DataError
from simulator.physics.alarms import Alarm
from simulator.physics.noise import Array, Noise
from simulator.physics.signals import Bools
from simulator.physics.utility import NOMINAL, Utility

Values = Mapping[str, NDArray[Any]]


class State(IntEnum):
    """What a machine is doing; the codes of every profile's `state` point."""

    OFF = 0
    IDLE = 1
    SETUP = 2
    RUNNING = 3
    FAULT = 4
    MAINTENANCE = 5


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the machines of one model find around them during one step."""

    second_of_day: float
    day_of_year: int
    ambient: float  # degC in the hall
    frequency: float  # Hz of the mains
    working: bool  # False in a break and between shifts
    level: Mapping[Utility, Array]  # of each utility at each machine
    demand: Mapping[Utility, Array]  # what the machines that each machine feeds took during the last step
    parts: Array  # waiting before each machine; infinite where nothing is placed before it
    room: Array  # behind each machine; infinite where nothing is placed behind it
    reactive: Array  # kvar that the machines behind each meter took during the last step
    activity: float = 1.0  # of the people in the works, 0 to 1: base loads follow it
    outside: float = 22.0  # degC out of doors
    sky: float = 0.0  # how clear it is: 1.5 blue, 0 with clouds that pass, -3 overcast

    @property
    def closed(self) -> Bools:
        """Whether nobody works."""
        closed: Bools = np.logical_not(self.working)
        return closed

    @property
    def voltage(self) -> Array:
        """V between phases."""
        return self.level[Utility.ELECTRICITY]


def nominal_surroundings(n: int, **changes: Any) -> Surroundings:
    """Surroundings of n machines in which nothing is short: a working day at noon, 22 degC, nominal
    supplies.
    """
    values: dict[str, Any] = {
        "second_of_day": 43_200.0,
        "day_of_year": 172,
        "ambient": 22.0,
        "frequency": 50.0,
        "working": True,
        "level": {utility: np.full(n, nominal) for utility, nominal in NOMINAL.items()},
        "demand": {utility: np.zeros(n) for utility in Utility},
        "parts": np.full(n, np.inf),
        "room": np.full(n, np.inf),
        "reactive": np.zeros(n),
    }
    return Surroundings(**values | changes)


@dataclass(frozen=True, slots=True)
class Parameter:
    """A machine constant that a plant may set: what it is otherwise, and what is possible."""

    default: float
    minimum: float
    maximum: float
    above: str | None = None  # another one, which it must exceed

    def within(self, minimum: float | None, maximum: float | None) -> Parameter:
        """The same between other bounds, where they are given."""
        return replace(
            self,
            minimum=self.minimum if minimum is None else minimum,
            maximum=self.maximum if maximum is None else maximum,
        )


@dataclass(frozen=True)
class Fleet:
    """The machines of one model in a plant: their names, noise and the plant's settings of each."""

    devices: Sequence[str]
    noise: Noise
    parameters: Sequence[Mapping[str, float]]
    known: dict[str, Parameter] = field(default_factory=dict)  # every parameter that the model asked for

    @property
    def n(self) -> int:
        return len(self.devices)

    def parameter(
        self,
        name: str,
        default: float,
        spread: float = 0.0,
        *,
        minimum: float | None = None,
        maximum: float | None = None,
        above: str | None = None,
    ) -> Array:
        """A machine constant, shape (n,): as set for the machine, else the default give or take `spread`
        (relative). A plant may set it from `minimum` to `maximum`: else a tenth to ten times the default.
        """
        self.known[name] = Parameter(default, default / 10.0, default * 10.0, above).within(minimum, maximum)
        drawn = default * (1.0 + spread * self.noise.spread())
        return np.array([float(own.get(name, drawn[i])) for i, own in enumerate(self.parameters)])

    def healthy(self, faults: Sequence[str]) -> dict[str, Array]:
        """No fault on any machine."""
        return {fault: np.zeros(self.n) for fault in faults}

    def between(self, low: float, high: float) -> Array:
        """A number per machine, uniform between low and high: where each stands at the beginning."""
        return low + (high - low) * self.noise.uniform()


def fleet(*devices: str, seed: int = 0, parameters: Sequence[Mapping[str, float]] = ()) -> Fleet:
    """A fleet of the named devices, for tests and for trying a model by hand."""
    return Fleet(devices, Noise(seed, devices), parameters or [{}] * len(devices))


class Machines(Protocol):
    """All machines of one model in a plant."""

    setpoints: dict[str, Array]  # points that can be written, in engineering units
    severity: dict[str, Array]  # how far each of its faults has come, 0 healthy to 1 broken, shape (n,)
    supplies: tuple[Utility, ...] = ()  # what it hands to the machines it feeds
    alarms: tuple[Alarm, ...] = ()  # limits at which it stops by itself
    faults: tuple[str, ...] = ()  # what can go wrong with it, gradually, in its physics
    fixed: tuple[str, ...] = ()  # attributes with arrays of places, which no step changes
    cos_phi: float = 0.87  # of its power, where the model does not know more

    def step(self, dt: float, surroundings: Surroundings) -> None:
        """Advances all machines by dt seconds, 0 < dt <= 10."""

    def values(self) -> Values:
        """Every point of the profile but `serve_counter` after the last step, in engineering units, shape
        (n,).

        Text is an array of bytes (dtype S). Not to be called before the first step.
        """

    def utility_inputs(self) -> Mapping[Utility, Array]:
        """The rate at which each machine took from shared supplies in the last step; what is not named was
        not used.
        """
        return {}

    def reactive_power(self) -> Array | None:
        """kvar that each machine took in the last step; None: it takes no electricity."""
        power = self.utility_inputs().get(Utility.ELECTRICITY)
        return None if power is None else np.abs(power) * np.tan(np.arccos(self.cos_phi))

    def stand_on(self, headers: NDArray[np.intp]) -> None:  # noqa: ARG002 - most stand alone
        """Tells suppliers with the same number that they stand on one header."""
        return

    def utility_outputs(self) -> Mapping[Utility, Array]:
        """The level at which each machine supplies those it feeds; a meter passes electricity on and gives
        none.
        """
        return {}

    def passes(self) -> tuple[Array, Array] | None:
        """Parts taken from before each machine in the last step, and good ones put behind it; None: it makes
        no parts.
        """
        return None

    def cycle_seconds(self) -> Array | None:
        """What a part takes each machine at its nominal speed; None: not made one by one."""
        return None

    def write(self, index: int, point: str, value: float) -> None:
        """Sets a set-point of one machine; the profile's limits were checked. DataError: the machine refuses
        the value.
        """
        if point not in self.setpoints:
            raise DataError(f"point {point!r} cannot be written")
        self.setpoints[point][index] = value
