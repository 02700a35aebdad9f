"""A plant's state as symbols: a copy of its objects in which every array of numbers is one of symbols."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any

import numpy as np

from simulator.compiled.expression_graph import Graph, Node
from simulator.compiled.symbols import Symbols
from simulator.physics.noise import Noise

Path = tuple[Any, ...]
Index = tuple[int, ...]


class TracedNoise:
    """Takes the place of the noise of one model; notes what a step draws."""

    def __init__(self, graph: Graph, noise: Noise, number: int, n: int) -> None:
        self.noise = noise
        self.normals: list[list[Node]] = []
        self.uniforms: list[list[Node]] = []
        self._graph = graph
        self._number = number
        self._n = n

    def normal(self) -> Symbols:
        return self._drawn(self.normals, "normal")

    def uniform(self) -> Symbols:
        return self._drawn(self.uniforms, "uniform")

    def _drawn(self, drawn: list[list[Node]], kind: str) -> Symbols:
        name = f"{kind} {self._number} {len(drawn)}"
        drawn.append([self._graph.input(f"{name} {row}") for row in range(self._n)])
        nodes = np.empty(self._n, dtype=object)
        nodes[:] = drawn[-1]
        return Symbols(self._graph, nodes, np.float64)


@dataclass
class TracedObjects:
    """A copy of objects with symbols in them, and where its arrays are."""

    graph: Graph
    known: Callable[[Path, Index], bool]
    """Whether an element of an array has the same number at every step."""
    arrays: dict[Path, np.ndarray[Any, Any]] = field(default_factory=dict)
    inputs: dict[Path, Any] = field(default_factory=dict)  # arrays of nodes
    noises: list[TracedNoise] = field(default_factory=list)
    _copies: dict[int, Any] = field(default_factory=dict)
    _kept: list[Any] = field(default_factory=list)  # so that no identity is used again

    def copy(self, value: Any, path: Path) -> Any:
        """The value with symbols instead of numbers in arrays; what is found twice is one copy."""
        if id(value) in self._copies:
            return self._copies[id(value)]
        duplicate = self._copied(value, path)
        if duplicate is not value:
            self._copies[id(value)] = duplicate
            self._kept.append(value)
        return duplicate

    def _copied(self, value: Any, path: Path) -> Any:
        match value:
            case np.ndarray() if value.dtype.kind in "fib":
                return self._symbols(value, path)
            case Noise():
                noise = TracedNoise(self.graph, value, len(self.noises), value.machines)
                self.noises.append(noise)
                return noise
            case dict():
                return {key: self.copy(own, (*path, key)) for key, own in value.items()}
            case list():
                return [self.copy(own, (*path, index)) for index, own in enumerate(value)]
        if _is_of_ours(value):
            fixed = getattr(value, "fixed", ())
            duplicate = object.__new__(type(value))
            self._copies[id(value)] = duplicate
            self._kept.append(value)
            for name, own in vars(value).items():
                copied = own if name in fixed else self.copy(own, (*path, name))
                object.__setattr__(duplicate, name, copied)
            return duplicate
        return value

    def _symbols(self, array: Any, path: Path) -> Symbols:
        nodes = np.empty(array.shape, dtype=object)
        for index in np.ndindex(array.shape):
            constant = self.known(path, index)
            nodes[index] = (
                self.graph.constant(array[index].item()) if constant else self.graph.input(f"{path} {index}")
            )
        self.arrays[path], self.inputs[path] = array, nodes.copy()
        return Symbols(self.graph, nodes, array.dtype)

    def scalar(self, name: str, dtype: Any) -> Symbols:
        """One number that is given at each step."""
        return Symbols(self.graph, self.graph.input(name), dtype)


def element_at(root: Any, path: Path) -> Any:
    """What stands at a path of attributes, keys and indices."""
    for step in path:
        root = getattr(root, step) if isinstance(step, str) and hasattr(root, step) else root[step]
    return root


def _is_of_ours(value: Any) -> bool:
    """Whether it is an object with a state of ours."""
    kind = type(value)
    return (
        kind.__module__.startswith("simulator.")
        and hasattr(value, "__dict__")
        and not isinstance(value, type | FunctionType)
        and not hasattr(kind, "_value2member_map_")
    )
