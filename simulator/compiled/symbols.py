"""Arrays of symbols: while the code of a model runs on them, they note what it does.

numpy's own functions find them by its dispatch protocols (NEP 13 and NEP 18), so that models need no other
code. An `if` on a symbol, and a plain array indexed by one, cannot be noted: `UntraceableError`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import reduce
from typing import Any, NoReturn

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from simulator.compiled.expression_graph import Graph, Node, plain

_BITWISE = {"bitwise_and": "logical_and", "bitwise_or": "logical_or", "invert": "logical_not"}


class UntraceableError(Exception):
    """The code of a model does something that a graph cannot hold."""


class Symbols(NDArrayOperatorsMixin):
    """An array of nodes of a graph, with the shape and kind of the array that it stands for."""

    def __init__(self, graph: Graph, nodes: Any, dtype: Any) -> None:
        self.graph = graph
        self.nodes: Any = _objects(nodes)
        self.dtype = np.dtype(dtype)

    @property
    def shape(self) -> tuple[int, ...]:
        shape: tuple[int, ...] = self.nodes.shape
        return shape

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        size: int = self.nodes.size
        return size

    @property
    def T(self) -> Symbols:  # noqa: N802 - numpy's name
        return Symbols(self.graph, self.nodes.T, self.dtype)

    def __len__(self) -> int:
        return len(self.nodes)

    def __iter__(self) -> Iterator[Symbols]:
        return (self[index] for index in range(len(self)))

    def __bool__(self) -> bool:
        if self.size == 1 and self.nodes.item().is_constant:
            return bool(self.nodes.item().value)
        raise UntraceableError("an `if` on what is only known at run time: use np.where, all_of or any_of")

    def __array__(self, *_: Any, **__: Any) -> NoReturn:
        raise UntraceableError("a symbol as a plain array: use pick instead of an index")

    def __float__(self) -> NoReturn:
        raise UntraceableError("a symbol as a float")

    __int__ = __index__ = __float__

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if method == "reduce":
            return self._folded(ufunc, kwargs.get("axis", 0))
        if method != "__call__":
            raise UntraceableError(f"{ufunc.__name__}.{method}")
        out, where = kwargs.pop("out", None), kwargs.pop("where", True)
        if kwargs:
            raise UntraceableError(f"{ufunc.__name__} with {', '.join(kwargs)}")
        result = self._elementwise(ufunc, inputs)
        if where is not True:
            result = _where(self.graph, where, result, out[0])
        elif out is not None:
            out[0].nodes = result.nodes
            return out[0]
        return result

    def __array_function__(self, function: Any, _types: Any, args: Any, kwargs: Any) -> Any:
        known = _FUNCTIONS.get(function.__name__)
        if known is None:
            raise UntraceableError(f"np.{function.__name__}")
        return known(self.graph, *args, **kwargs)

    def elementwise(self, function: Callable[..., float], args: Sequence[Any]) -> Symbols:
        """A function of numbers, called for each element."""
        nodes = _spread([_nodes(self.graph, arg) for arg in args])
        return Symbols(self.graph, _each(lambda *own: self.graph.call(function, own), nodes), np.float64)

    def __getitem__(self, key: Any) -> Symbols:
        keys = key if isinstance(key, tuple) else (key,)
        if not any(isinstance(key, Symbols) for key in keys):
            return Symbols(self.graph, self.nodes[key], self.dtype)
        index, items = self._row_and_index(keys)
        picked = [self.graph.pick(list(own), at) for own, at in zip(items, index.nodes.ravel(), strict=True)]
        return Symbols(self.graph, _objects(picked), self.dtype)

    def __setitem__(self, key: Any, value: Any) -> None:
        values = value if isinstance(value, Symbols) else np.asarray(value)
        if isinstance(key, Symbols) and key.dtype == np.bool_:
            self.nodes = _where(self.graph, key, values, self).nodes
            return
        keys = key if isinstance(key, tuple) else (key,)
        if not any(isinstance(key, Symbols) for key in keys):
            self.nodes = self.nodes.copy()
            self.nodes[key] = np.broadcast_to(_nodes(self.graph, values), self.nodes[key].shape)
            return
        index, items = self._row_and_index(keys)
        new, fresh = self.nodes.copy(), np.broadcast_to(_nodes(self.graph, values), index.shape)
        for row, (own, at) in enumerate(zip(items, index.nodes, strict=True)):
            for column, node in enumerate(own):
                here = self.graph.operation("equal", [at, self.graph.constant(column)], np.equal)
                new[row, column] = self.graph.choice(here, fresh[row], node)
        self.nodes = new

    def of_table(self, table: Any) -> Symbols:
        items = _nodes(self.graph, table)
        picked = np.empty(self.shape + items.shape[1:], dtype=object)
        for place in np.ndindex(self.shape):
            for rest in np.ndindex(items.shape[1:]):
                column = [items[(row, *rest)] for row in range(len(items))]
                picked[(*place, *rest)] = self.graph.pick(column, self.nodes[place])
        return Symbols(self.graph, picked, table.dtype)

    def _row_and_index(self, keys: tuple[Any, ...]) -> tuple[Symbols, Any]:
        """Of `array[rows, index]`: the index, and for each of its elements what it chooses from."""
        if len(keys) == 2 and isinstance(keys[1], Symbols) and isinstance(keys[0], np.ndarray):
            return keys[1], self.nodes[keys[0]]
        raise UntraceableError("an index other than [rows, symbols]")

    def _elementwise(self, ufunc: np.ufunc, inputs: Sequence[Any]) -> Symbols:
        if ufunc is np.power and isinstance(inputs[1], int | float) and inputs[1] == 2:
            ufunc, inputs = np.square, inputs[:1]
        kinds = [_dtype(operand) for operand in inputs]
        with np.errstate(all="ignore"):
            dtype = ufunc(*(np.ones((), dtype=kind) for kind in kinds)).dtype
        name = ufunc.__name__
        if all(kind == np.bool_ for kind in kinds):
            name = _BITWISE.get(name, name)
            if name in ("add", "multiply"):
                raise UntraceableError(f"{name} of two truth values")
        nodes = _spread([_nodes(self.graph, operand) for operand in inputs])
        return Symbols(self.graph, _each(lambda *own: self.graph.operation(name, own, ufunc), nodes), dtype)

    def _folded(self, ufunc: np.ufunc, axis: int | tuple[int, ...] | None) -> Symbols:
        name = ufunc.__name__
        nodes = self.nodes.ravel() if axis is None else np.moveaxis(self.nodes, axis, 0)
        dtype = self.dtype
        if name == "add" and dtype == np.bool_:
            dtype = np.dtype(np.int64)
        graph = self.graph

        def joined(a: Any, b: Any) -> Any:
            return _each(lambda *own: graph.operation(name, own, ufunc), [a, b])

        return Symbols(graph, reduce(joined, map(_objects, nodes)), dtype)

    def sum(self, axis: int | None = None, **_: Any) -> Symbols:
        return self._folded(np.add, axis)

    def any(self, axis: int | None = None, **_: Any) -> Symbols:
        return self._folded(np.logical_or, axis)

    def all(self, axis: int | None = None, **_: Any) -> Symbols:
        return self._folded(np.logical_and, axis)

    def max(self, axis: int | None = None, **_: Any) -> Symbols:
        return self._folded(np.maximum, axis)

    def min(self, axis: int | None = None, **_: Any) -> Symbols:
        return self._folded(np.minimum, axis)

    def mean(self, axis: int | None = None, **_: Any) -> Symbols:
        count = self.size if axis is None else self.shape[axis]
        mean: Symbols = self.sum(axis) / float(count)
        return mean

    def copy(self) -> Symbols:
        return Symbols(self.graph, self.nodes.copy(), self.dtype)

    def ravel(self) -> Symbols:
        return Symbols(self.graph, self.nodes.ravel(), self.dtype)

    def astype(self, dtype: Any) -> Symbols:
        kind = np.dtype(dtype)
        if kind == self.dtype:
            return self.copy()
        name = {"i": "int", "f": "float", "b": "bool"}[kind.kind]
        graph = self.graph
        nodes = _each(lambda own: graph.operation(name, [own], kind.type), [self.nodes])
        return Symbols(graph, nodes, kind)


def _objects(nodes: Any) -> Any:
    """An array of nodes; one alone becomes an array without axes."""
    if isinstance(nodes, np.ndarray):
        return nodes
    array = np.empty((len(nodes),) if isinstance(nodes, list) else (), dtype=object)
    array[...] = nodes
    return array


def _nodes(graph: Graph, value: Any) -> Any:
    if isinstance(value, Symbols):
        return value.nodes
    return _each(lambda number: graph.constant(plain(number)), [np.asarray(value)])


def _spread(arrays: Sequence[Any]) -> Sequence[Any]:
    return np.broadcast_arrays(*arrays)


def _each(function: Callable[..., Node], arrays: Sequence[Any]) -> Any:
    shape = arrays[0].shape
    result = np.empty(shape, dtype=object)
    for index in np.ndindex(shape):
        result[index] = function(*(array[index] for array in arrays))
    return result


def _dtype(value: Any) -> Any:
    return value.dtype if isinstance(value, Symbols) else np.asarray(value).dtype


def _where(graph: Graph, condition: Any, then: Any, otherwise: Any) -> Symbols:
    nodes = _spread([_nodes(graph, value) for value in (condition, then, otherwise)])
    dtype = np.result_type(np.ones(1, _dtype(then)), np.ones(1, _dtype(otherwise)))
    return Symbols(graph, _each(graph.choice, nodes), dtype)


def _clip(_graph: Graph, value: Any, low: Any = None, high: Any = None) -> Any:
    above = value if low is None else np.maximum(value, low)
    return above if high is None else np.minimum(above, high)


def _choose(graph: Graph, index: Symbols, choices: Sequence[Any]) -> Symbols:
    result = choices[-1]
    for number in reversed(range(len(choices) - 1)):
        result = _where(graph, index == number, choices[number], result)
    return _where(graph, index == index, result, result) if not isinstance(result, Symbols) else result


def _filled(value: float) -> Callable[..., Symbols]:
    def like(graph: Graph, array: Any, fill: Any = value, **_: Any) -> Symbols:
        nodes = np.broadcast_to(_nodes(graph, fill), array.shape)
        return Symbols(graph, nodes.copy(), np.float64)

    return like


def _stack(graph: Graph, arrays: Sequence[Any], axis: int = 0) -> Symbols:
    nodes = np.stack([_nodes(graph, array) for array in arrays], axis=axis)
    return Symbols(graph, nodes, np.result_type(*(np.ones(1, _dtype(array)) for array in arrays)))


def _bincount(graph: Graph, index: Any, weights: Symbols, minlength: int = 0) -> Symbols:
    length = max(minlength, int(np.max(index, initial=-1)) + 1)
    sums = [graph.constant(0.0)] * length
    for place, weight in zip(index, weights.nodes, strict=True):
        first = sums[place].is_constant and sums[place].value == 0.0
        sums[place] = weight if first else graph.operation("add", [sums[place], weight], np.add)
    return Symbols(graph, _objects(sums), np.float64)


def _reduced(name: str) -> Callable[..., Symbols]:
    def of(_graph: Graph, array: Symbols, axis: int | None = None, **_: Any) -> Symbols:
        result: Symbols = getattr(array, name)(axis)
        return result

    return of


def _broadcast_to(graph: Graph, array: Any, shape: Any) -> Symbols:
    return Symbols(graph, np.broadcast_to(_nodes(graph, array), shape).copy(), _dtype(array))


_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "where": _where,
    "clip": _clip,
    "choose": _choose,
    "zeros_like": _filled(0.0),
    "ones_like": _filled(1.0),
    "full_like": _filled(0.0),
    "stack": _stack,
    "bincount": _bincount,
    "broadcast_to": _broadcast_to,
    "copy": lambda _graph, array: array.copy(),
    "sum": _reduced("sum"),
    "any": _reduced("any"),
    "all": _reduced("all"),
    "max": _reduced("max"),
    "amax": _reduced("max"),
    "min": _reduced("min"),
    "mean": _reduced("mean"),
}
