"""Randomness of simulated machines: one independent stream per device, drawn for a whole model at once.

A device's stream is a Philox generator (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011)
whose key is a hash of the plant's seed and the device's name. So draw number k of a device is the same
whoever stands beside it: adding, removing or reordering machines changes no other machine's noise. All
machines of a model draw in lockstep, whatever state they are in, and draws are made in blocks of BLOCK per
device to keep the cost per tick small; a stream is sequential, so the size of a block changes no number.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

BLOCK = 256


def stream(seed: int, device: str, purpose: str) -> np.random.Generator:
    """The generator of one device for one purpose; a pure function of its arguments, the same in every
    process.
    """
    digest = blake2b(f"{seed}/{device}/{purpose}".encode(), digest_size=16).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest, "little")))


class Noise:
    """The streams of n machines; every draw has shape (n,) and must not be written to."""

    def __init__(self, seed: int, devices: Sequence[str]) -> None:
        self._seed, self._devices = seed, devices
        self._normals = self._uniforms = np.empty((0, len(devices)))
        self._next_normal = self._next_uniform = 0

    @property
    def machines(self) -> int:
        return len(self._devices)

    @cached_property
    def _spread(self) -> Sequence[np.random.Generator]:
        return [stream(self._seed, device, "spread") for device in self._devices]

    @cached_property
    def _normal(self) -> Sequence[np.random.Generator]:
        return [stream(self._seed, device, "normal") for device in self._devices]

    @cached_property
    def _uniform(self) -> Sequence[np.random.Generator]:
        return [stream(self._seed, device, "uniform") for device in self._devices]

    def ahead(self, steps: int, normals: int, uniforms: int) -> Array:
        """What so many steps will draw, each of them so many normal and uniform numbers of every machine;
        shape (steps, normals + uniforms, n)."""
        n = len(self._devices)
        first = self._next_normals(steps * normals).reshape(steps, normals, n)
        then = self._next_uniforms(steps * uniforms).reshape(steps, uniforms, n)
        return np.concatenate([first, then], axis=1)

    def _next_normals(self, count: int) -> Array:
        kept = self._normals[self._next_normal : self._next_normal + count]
        self._next_normal += len(kept)
        more = [generator.standard_normal(count - len(kept)) for generator in self._normal if count]
        return np.concatenate([kept, np.array(more).reshape(len(self._devices), -1).T])

    def _next_uniforms(self, count: int) -> Array:
        kept = self._uniforms[self._next_uniform : self._next_uniform + count]
        self._next_uniform += len(kept)
        more = [generator.random(count - len(kept)) for generator in self._uniform if count]
        return np.concatenate([kept, np.array(more).reshape(len(self._devices), -1).T])

    def spread(self) -> Array:
        """Standard normal within +-2, for what differs from machine to machine and stays so for life."""
        return np.array([np.clip(generator.standard_normal(), -2.0, 2.0) for generator in self._spread])

    def normal(self) -> Array:
        if self._next_normal == len(self._normals):
            drawn = [generator.standard_normal(BLOCK) for generator in self._normal]
            self._normals = np.ascontiguousarray(np.array(drawn).T)
            self._next_normal = 0
        self._next_normal += 1
        row: Array = self._normals[self._next_normal - 1]
        return row

    def uniform(self) -> Array:
        """The next number of every machine, uniform in [0, 1)."""
        if self._next_uniform == len(self._uniforms):
            drawn = [generator.random(BLOCK) for generator in self._uniform]
            self._uniforms = np.ascontiguousarray(np.array(drawn).T)
            self._next_uniform = 0
        self._next_uniform += 1
        row: Array = self._uniforms[self._next_uniform - 1]
        return row
