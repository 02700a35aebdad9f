"""The arithmetic of a step as a graph: each node is one number, truth value or code of one machine."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np

Number = float | int | bool | bytes


class Node:
    """A constant, an input, or an operation on other nodes; compared by identity."""

    __slots__ = ("args", "operation", "value")

    def __init__(self, operation: str, args: Sequence[Node] = (), value: Any = None) -> None:
        """value: of a constant; the name of an input; the function of a call."""
        self.operation = operation
        self.args = tuple(args)
        self.value = value

    @property
    def is_constant(self) -> bool:
        return self.operation == "constant"


class Graph:
    """Makes nodes; an operation on constants is carried out, and equal operations are one node."""

    def __init__(self) -> None:
        self._nodes: dict[Hashable, Node] = {}

    def constant(self, value: Number) -> Node:
        """A number that is known. 0.0 and -0.0 differ, and so do 1 and 1.0 and True."""
        return self._kept(("constant", type(value), repr(value)), Node("constant", value=value))

    def input(self, name: str) -> Node:
        """What is given at each step, or before the first."""
        return self._kept(("input", name), Node("input", value=name))

    def operation(self, name: str, args: Sequence[Node], function: Callable[..., Any] | None = None) -> Node:
        """function: computes it of numbers; constants are folded with it."""
        if function is not None and all(arg.is_constant for arg in args):
            with np.errstate(all="ignore"):
                return self.constant(plain(function(*(arg.value for arg in args))))
        same = _unchanged(name, args)
        return same if same is not None else self._kept((name, *map(id, args)), Node(name, args))

    def choice(self, condition: Node, then: Node, otherwise: Node) -> Node:
        """`then` where the condition holds."""
        if condition.is_constant:
            return then if condition.value else otherwise
        if then is otherwise:
            return then
        return self._kept(
            ("where", id(condition), id(then), id(otherwise)), Node("where", (condition, then, otherwise))
        )

    def pick(self, items: Sequence[Node], index: Node) -> Node:
        if index.is_constant:
            return items[int(index.value)]
        row = self._kept(("tuple", *map(id, items)), Node("tuple", items))
        return self._kept(("pick", id(row), id(index)), Node("pick", (row, index)))

    def call(self, function: Callable[..., Any], args: Sequence[Node]) -> Node:
        """A function of numbers that is called as it is."""
        if all(arg.is_constant for arg in args):
            return self.constant(plain(function(*(arg.value for arg in args))))
        key = ("call", id(function), *map(id, args))
        return self._kept(key, Node("call", args, function))

    def _kept(self, key: Hashable, node: Node) -> Node:
        return self._nodes.setdefault(key, node)


def _unchanged(name: str, args: Sequence[Node]) -> Node | None:
    """What an operation with a constant leaves as it is, such as 1.0 * x; None where it does something."""
    for constant, other in (tuple(args), tuple(reversed(args))) if len(args) == 2 else ():
        if constant.is_constant and (name, constant.value) in _NEUTRAL:
            return other
        if constant.is_constant and (name, constant.value) in _DECISIVE:
            return constant
    if len(args) == 2 and args[1].is_constant and (name, args[1].value) in _NEUTRAL_ON_THE_RIGHT:
        return args[0]
    return None


_NEUTRAL_ON_THE_RIGHT = {("divide", 1.0), ("subtract", 0.0)}
_NEUTRAL = {
    ("multiply", 1.0),
    ("logical_and", True),
    ("logical_or", False),
    ("minimum", np.inf),
    ("maximum", -np.inf),
}
_DECISIVE = {("logical_and", False), ("logical_or", True)}


def plain(value: Any) -> Number:
    number: Number = value.item() if isinstance(value, np.generic | np.ndarray) else value
    return number
