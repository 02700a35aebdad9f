"""What is the same for all machines of a plant: the calendar, the weather, warmth of the hall, the mains."""

from __future__ import annotations

from datetime import timedelta
from math import expm1
from typing import NamedTuple

from simulator.physics.noise import Noise
from simulator.physics.signals import OUNoise
from simulator.physics.utility import NOMINAL, Utility
from simulator.plant.settings import PlantSettings
from simulator.plant.weather import Weather, daily

DAY = 86_400
SETTLING = 600.0  # s in which base loads follow the people


def hall(outside: float) -> float:
    """degC in the hall: above the outside by the heat of the machines, heated in winter."""
    return 21.0 + 0.35 * (outside - 16.0) if outside > 2.0 else 16.1


class Moment(NamedTuple):
    """The environment during one step; voltage in V between phases, ambient in degC, frequency in Hz."""

    second_of_day: float
    day_of_year: int
    working: bool
    activity: float
    ambient: float
    outside: float
    sky: float
    voltage: float
    frequency: float


class Disturbances:
    """The noise of the environment: of the warmth of the hall and of the mains."""

    def __init__(self, seed: int) -> None:
        noise = Noise(seed, ["plant"])
        self._warmth = OUNoise(noise, 0.8, 3600.0)
        self._grid = OUNoise(noise, 0.006, 40.0)
        self._frequency = OUNoise(noise, 0.012, 20.0)

    def step(self, course: Moment, dt: float) -> Moment:
        """The environment with the noise of one step more."""
        return course._replace(
            ambient=course.ambient + self._warmth.step(dt)[0],
            voltage=course.voltage * (1.0 + self._grid.step(dt)[0]),
            frequency=course.frequency + self._frequency.step(dt)[0],
        )


class Environment:
    """A pure function of settings and time."""

    def __init__(self, settings: PlantSettings) -> None:
        self._settings = settings
        self._weather = Weather(settings.seed)
        self._dips = settings.voltage_dips
        self._activity: float | None = None
        self._share = -expm1(-settings.step / SETTLING)
        self._minute = -1
        start = settings.start
        self._midnight = start.hour * 3600 + start.minute * 60 + start.second
        self._first_day = start.timetuple().tm_yday

    def course(self, seconds: float) -> Moment:
        """The environment without noise; to be called once for each tick."""
        since_midnight = self._midnight + seconds
        minute = int(since_midnight // 60)
        if minute != self._minute:
            self._minute = minute
            self._start_minute(*divmod(minute, DAY // 60))
        second_of_day = since_midnight % DAY
        outside = daily(self._today.mean, second_of_day)
        wanted = float(self._at_work)
        self._activity = wanted if self._activity is None else self._activity
        self._activity += (wanted - self._activity) * self._share
        return Moment(
            second_of_day=second_of_day,
            day_of_year=self._day_of_year,
            working=self._at_work,
            activity=self._activity,
            ambient=hall(outside),
            outside=outside,
            sky=self._today.sky,
            voltage=self._voltage(seconds),
            frequency=50.0,
        )

    def _start_minute(self, day: int, minute: int) -> None:
        """What stays for a minute. day: since the plant began; minute: of the day."""
        self._day_of_year = int((self._first_day + day - 1) % 365) + 1
        self._today = self._weather.of(day, self._day_of_year)
        self._at_work = self._working(day, minute)

    def _working(self, day: int, minute: float) -> bool:
        shifts, breaks = self._settings.shifts, self._settings.breaks
        today = (self._settings.start + timedelta(days=day)).date()
        if today in self._settings.holidays:
            return False
        on = not shifts or any(span.holds(minute, today.weekday()) for span in shifts)
        return on and not any(span.holds(minute, today.weekday()) for span in breaks)

    def _voltage(self, seconds: float) -> float:
        nominal = NOMINAL[Utility.ELECTRICITY]
        if not self._dips:
            return nominal
        dips = [dip.depth for dip in self._dips if dip.start <= seconds < dip.start + dip.duration]
        return nominal * (1.0 - max(dips, default=0.0))
