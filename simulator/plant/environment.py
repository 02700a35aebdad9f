"""What is the same for all machines of a plant: time of day, shifts, warmth of the hall, the mains."""

from __future__ import annotations

from math import pi, sin
from typing import NamedTuple

from simulator.physics.noise import Noise
from simulator.physics.signals import OUNoise
from simulator.physics.utility import NOMINAL, Utility
from simulator.plant.settings import PlantSettings

DAY = 86_400


class Moment(NamedTuple):
    """The environment during one step; voltage in V between phases, ambient in degC, frequency in Hz."""

    second_of_day: float
    day_of_year: int
    working: bool
    ambient: float
    voltage: float
    frequency: float


class Environment:
    """A pure function of settings and time, with noise of its own."""

    def __init__(self, settings: PlantSettings) -> None:
        noise = Noise(settings.seed, ["plant"])
        self._settings = settings
        self._warmth = OUNoise(noise, 0.8, 3600.0)
        self._grid = OUNoise(noise, 0.006, 40.0)
        self._frequency = OUNoise(noise, 0.012, 20.0)
        start = settings.start
        self._midnight = start.hour * 3600 + start.minute * 60 + start.second
        self._first_day = start.timetuple().tm_yday

    def step(self, seconds: float) -> Moment:
        """The environment at so many seconds after the beginning; to be called once for each tick."""
        step = self._settings.step
        since_midnight = self._midnight + seconds
        second_of_day = since_midnight % DAY
        # coldest at three in the morning, warmest at three in the afternoon
        daily = -5.0 * sin(2 * pi * (second_of_day / DAY + 0.125))
        return Moment(
            second_of_day=second_of_day,
            day_of_year=int((self._first_day + since_midnight // DAY - 1) % 365) + 1,
            working=self._working(second_of_day / 60),
            ambient=23.0 + daily + float(self._warmth.step(step)[0]),
            voltage=self._voltage(seconds) * (1.0 + float(self._grid.step(step)[0])),
            frequency=50.0 + float(self._frequency.step(step)[0]),
        )

    def _working(self, minute: float) -> bool:
        shifts, breaks = self._settings.shifts, self._settings.breaks
        on = not shifts or any(span.holds(minute) for span in shifts)
        return on and not any(span.holds(minute) for span in breaks)

    def _voltage(self, seconds: float) -> float:
        nominal = NOMINAL[Utility.ELECTRICITY]
        dips = [
            dip.depth
            for dip in self._settings.voltage_dips
            if dip.start <= seconds < dip.start + dip.duration
        ]
        return nominal * (1.0 - max(dips, default=0.0))
