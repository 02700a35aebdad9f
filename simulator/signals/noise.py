"""Random numbers by counting: each a pure function of seed, device, point and draw, without any state.

The mixing function is that of SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number
generators", 2014); normal numbers are made by the method of Box and Muller. One draw of all devices costs
a few operations on arrays, and a device has the same numbers whatever stands beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from hashlib import blake2b
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from simulator.physics.noise import Array

Keys = NDArray[np.uint64]

_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31, _S11 = (np.uint64(bits) for bits in (30, 27, 31, 11))


def device_keys(seed: int, devices: Sequence[str]) -> Keys:
    """A key for each device, shape (n,)."""
    return np.array([_hash(f"{seed}/{device}") for device in devices], dtype=np.uint64)


def point_keys(devices: Keys, point: str) -> Keys:
    """A key for each device and this point, shape (n,)."""
    return _mix(devices ^ np.uint64(_hash(point)))


def uniform(keys: Keys, draw: int) -> Array:
    """The draw of this number of every key, in [0, 1)."""
    with np.errstate(over="ignore"):
        mixed = _mix(keys + np.uint64(draw & 0xFFFFFFFFFFFFFFFF) * _GAMMA)
    return (mixed >> _S11).astype(np.float64) * 2.0**-53


def normal(keys: Keys, draw: int) -> Array:
    """The draw of this number of every key, standard normal."""
    radius = np.sqrt(-2.0 * np.log1p(-uniform(keys, 2 * draw)))
    result: Array = radius * np.cos(2.0 * np.pi * uniform(keys, 2 * draw + 1))
    return result


def normals_of_four(keys: Keys, draws: NDArray[np.uint64]) -> Array:
    """Four normal numbers of every key for each draw, shape (draws, *keys.shape, 4), within 3.7 deviations.

    A quarter of one hash each, by a table of quantiles: for noise of which there is much.
    """
    numbers = keys + draws.reshape(-1, *(1,) * keys.ndim) * _GAMMA
    rest = numbers >> _S30
    for factor, shift in ((_FIRST, _S27), (_SECOND, _S31)):
        numbers ^= rest
        numbers *= factor
        np.right_shift(numbers, shift, out=rest)
    numbers ^= rest
    quarters = numbers.view(np.uint16).reshape(*numbers.shape, 4) & np.uint16(len(_quantiles()) - 1)
    normals: Array = np.take(_quantiles(), quarters)
    return normals


@cache
def _quantiles() -> Array:
    """The normal distribution in 4,096 parts of equal probability."""
    of_normal = NormalDist()
    return np.array([of_normal.inv_cdf((number + 0.5) / 4096.0) for number in range(4096)])


def _hash(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")


def _mix(keys: Keys) -> Keys:
    with np.errstate(over="ignore"):
        keys = keys + _GAMMA
        keys = (keys ^ (keys >> _S30)) * _FIRST
        keys = (keys ^ (keys >> _S27)) * _SECOND
        mixed: Keys = keys ^ (keys >> _S31)
    return mixed
