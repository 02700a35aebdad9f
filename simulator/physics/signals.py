"""Small numeric pieces that machines are built of: lags, ramps, switches and coloured noise, vectorised.

All of them are exact for any step dt (no Euler step whose error or stability depends on dt), so a
simulation may be stepped coarsely for a long run and finely for a live one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.physics.noise import Array, Noise

Bools = NDArray[np.bool_]


def lag(value: Array, target: Array | float, tau: Array | float, dt: float) -> Array:
    """First-order lag with time constant tau (s): the exact solution of tau x' = target - x for a constant
    target.
    """
    return value + (target - value) * -np.expm1(-dt / tau)


def ramp(value: Array, target: Array | float, rate: Array | float, dt: float) -> Array:
    """Moves towards target by at most rate (per second) and stops on it."""
    reach = rate * dt
    return value + np.minimum(np.maximum(target - value, -reach), reach)


def hysteresis(on: Bools, value: Array, on_below: Array | float, off_above: Array | float) -> Bools:
    """A two-point switch: on at or under `on_below`, off at or over `off_above`, between them it stays."""
    return np.where(value <= on_below, True, np.where(value >= off_above, False, on))


def elementwise(function: Callable[..., float]) -> Callable[..., Array]:
    """The function of numbers on arrays, for what numpy does not have."""
    on_arrays = np.vectorize(function, otypes=[np.float64])

    def of(*arrays: Any) -> Array:
        symbols = next((array for array in arrays if hasattr(array, "elementwise")), None)
        result: Array = on_arrays(*arrays) if symbols is None else symbols.elementwise(function, arrays)
        return result

    return of


def all_of(flags: Any) -> bool:
    """Whether all are known to be true."""
    return isinstance(flags, np.ndarray) and bool(flags.all())


def any_of(flags: Any) -> bool:
    """Whether one is true, or may be."""
    return not isinstance(flags, np.ndarray) or bool(flags.any())


def pick(table: NDArray[Any], index: Any) -> NDArray[Any]:
    """The row of a table for each index."""
    picked: NDArray[Any] = table[index] if isinstance(index, np.ndarray) else index.of_table(table)
    return picked


def between(low: Array, high: Array, sigma: float) -> Array:
    """The probability that a normal number of mean 0 and standard deviation sigma is between two others."""
    share: Array = (_erf(high / (sigma * 2.0**0.5)) - _erf(low / (sigma * 2.0**0.5))) / 2.0
    return share


_erf = elementwise(math.erf)


def _binomial(uniform: float, n: float, p: float) -> float:
    """How many of n independent events of probability p happen, by inversion of one uniform number."""
    term = total = (1.0 - p) ** max(n, 0.0)
    count = 0
    while uniform >= total and count < n:
        count += 1
        term *= (n - count + 1.0) / count * p / max(1.0 - p, 1e-12)
        total += term
    return float(count)


binomial = elementwise(_binomial)


def chance(noise: Noise, per_second: Array | float, dt: float) -> Bools:
    """Whether an event of a Poisson process with this rate happens within dt; draws one uniform."""
    return noise.uniform() < -np.expm1(-per_second * dt)


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
