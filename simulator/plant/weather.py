"""The weather of a year in Jinan: how warm it is out of doors and how clear, day by day.

Monthly means are those of 1991 to 2020 (China Meteorological Administration). The clearness of days is
bimodal: most are either blue or overcast (Ibanez, Rosell and Beckman, Solar Energy 75, 2003).
"""

from __future__ import annotations

from functools import lru_cache
from math import pi, sin
from typing import NamedTuple

import numpy as np

from simulator.physics.noise import stream

MONTHLY = (-0.3, 3.5, 9.6, 16.4, 22.3, 26.7, 28.1, 26.7, 22.4, 16.2, 8.3, 1.7)  # degC, January first
MIDDLES = np.cumsum([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30]) + 15.0
SPREAD, PERSISTENCE = 3.0, 0.7  # K of the days of a month, and what a day has of that before it
BLUE, PASSING, OVERCAST = 1.5, 0.0, -3.2  # how far the clouds are from covering the sun
SHARES = (0.45, 0.35, 0.20)  # of days: blue, with passing clouds, overcast


class Day(NamedTuple):
    """The weather of one day: its mean temperature in degC, and what `Surroundings.sky` is."""

    mean: float
    sky: float


@lru_cache(maxsize=366)
def monthly_mean(day_of_year: float) -> float:
    """The temperature to be expected on a day of the year, degC."""
    return float(np.interp(day_of_year, MIDDLES, MONTHLY, period=365.0))


def daily(mean: float, second_of_day: float) -> float:
    """degC at a time of the day: coldest at three in the morning, warmest at three in the afternoon."""
    return mean - 5.0 * sin(2 * pi * (second_of_day / 86_400 + 0.125))


class Weather:
    """A pure function of seed and day, asked for days in ascending order."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._deviation = 0.0
        self._number = -1
        self._day = Day(0.0, 0.0)

    def of(self, number: int, day_of_year: int) -> Day:
        """number: of the day since the plant began, from 0."""
        while self._number < number:
            self._number += 1
            generator = stream(self._seed, "weather", str(self._number))
            fresh = (1.0 - PERSISTENCE**2) ** 0.5 * SPREAD * float(generator.standard_normal())
            self._deviation = PERSISTENCE * self._deviation + fresh
            self._day = Day(0.0, (BLUE, PASSING, OVERCAST)[self._kind(float(generator.random()))])
        return Day(monthly_mean(day_of_year) + self._deviation, self._day.sky)

    @staticmethod
    def _kind(draw: float) -> int:
        return 0 if draw < SHARES[0] else 1 if draw < SHARES[0] + SHARES[1] else 2
