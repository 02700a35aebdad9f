"""Small numeric pieces that machines are built of: lags, ramps, switches and coloured noise, vectorised.

All of them are exact for any step dt (no Euler step whose error or stability depends on dt), so a
simulation may be stepped coarsely for a long run and finely for a live one.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from simulator.physics.noise import Array, Noise

Bools = NDArray[np.bool_]


def lag(value: Array, target: Array | float, tau: Array | float, dt: float) -> Array:
    """First-order lag with time constant tau (s): the exact solution of tau x' = target - x for a constant
    target.
    """
    return value + (target - value) * -np.expm1(-dt / np.asarray(tau))


def ramp(value: Array, target: Array | float, rate: Array | float, dt: float) -> Array:
    """Moves towards target by at most rate (per second) and stops on it."""
    reach = np.asarray(rate) * dt
    return value + np.minimum(np.maximum(target - value, -reach), reach)


def hysteresis(on: Bools, value: Array, on_below: Array | float, off_above: Array | float) -> Bools:
    """A two-point switch: on at or under `on_below`, off at or over `off_above`, between them it stays."""
    return np.where(value <= on_below, True, np.where(value >= off_above, False, on))


def between(low: Array, high: Array, sigma: float) -> Array:
    """The probability that a normal number of mean 0 and standard deviation sigma is between two others."""
    share: Array = (_erf(high / (sigma * 2.0**0.5)) - _erf(low / (sigma * 2.0**0.5))) / 2.0
    return share


_erf = np.vectorize(math.erf, otypes=[np.float64])


def binomial(uniform: Array, n: Array, p: Array) -> Array:
    """How many of n independent events of probability p happen, by inversion of one uniform number."""
    count = np.zeros_like(uniform)
    term = (1.0 - p) ** np.maximum(n, 0.0)
    total = term.copy()
    for k in range(1, int(np.max(n)) + 1):
        count = np.where((uniform >= total) & (k <= n), float(k), count)
        term = term * (n - k + 1.0) / k * p / np.maximum(1.0 - p, 1e-12)
        total = total + term
    return count


def chance(noise: Noise, per_second: Array | float, dt: float) -> Bools:
    """Whether an event of a Poisson process with this rate happens within dt; draws one uniform."""
    return noise.uniform() < -np.expm1(-np.asarray(per_second) * dt)


class OUNoise:
    """Ornstein-Uhlenbeck noise: zero mean, given standard deviation, correlated over tau seconds.

    Exact discretisation (Gillespie, Phys. Rev. E 54, 2084, 1996): the statistics do not depend on dt.
    """

    def __init__(self, noise: Noise, sigma: Array | float, tau: float) -> None:
        self._noise = noise
        self._sigma = sigma
        self._tau = tau
        self.value: Array = noise.normal() * sigma

    def step(self, dt: float) -> Array:
        """Advances by dt and returns the new value, shape (n,)."""
        keep = np.exp(-dt / self._tau)
        self.value = self.value * keep + self._noise.normal() * (self._sigma * np.sqrt(1.0 - keep * keep))
        return self.value
