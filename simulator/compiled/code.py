"""Python code of a graph: one function of plain numbers, each computed once and only where it is needed."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from simulator.compiled.expression_graph import Node

DEEPEST = 12  # operations that are nested in one expression

_INFIX = {
    "add": "+", "subtract": "-", "multiply": "*", "divide": "/", "true_divide": "/", "floor_divide": "//",
    "remainder": "%", "mod": "%", "power": "**", "float_power": "**",
    "less": "<", "less_equal": "<=", "greater": ">", "greater_equal": ">=", "equal": "==", "not_equal": "!=",
    "logical_and": "and", "logical_or": "or", "bitwise_and": "&", "bitwise_or": "|", "bitwise_xor": "^",
}  # fmt: skip
_PREFIX = {"negative": "-", "logical_not": "not ", "positive": "+"}
_CALLS: Mapping[str, Callable[..., Any]] = {
    "absolute": abs, "fabs": abs, "sqrt": math.sqrt, "exp": math.exp, "expm1": math.expm1, "log": math.log,
    "log10": math.log10, "log1p": math.log1p, "sin": math.sin, "cos": math.cos, "tan": math.tan,
    "arccos": math.acos, "arcsin": math.asin, "arctan": math.atan, "arctan2": math.atan2, "tanh": math.tanh,
    "hypot": math.hypot, "radians": math.radians, "deg2rad": math.radians, "degrees": math.degrees,
    "int": int, "float": float, "bool": bool,
    "isnan": math.isnan, "isfinite": math.isfinite,
}  # fmt: skip
_TWICE = {"maximum": ">=", "minimum": "<=", "fmax": ">=", "fmin": "<="}


def _floor(number: float) -> float:
    return number // 1.0 if math.isfinite(number) else number


def _ceil(number: float) -> float:
    return -(-number // 1.0) if math.isfinite(number) else number


def _sign(number: float) -> float:
    return (number > 0.0) - (number < 0.0) + 0.0


_OWN: Mapping[str, Callable[..., Any]] = {"floor": _floor, "ceil": _ceil, "sign": _sign, "rint": round}


class Code:
    """Lines that compute nodes, and the functions that they call."""

    def __init__(self, indent: str, known: Mapping[int, str] | None = None) -> None:
        """known: of nodes by their identity, the names under which they stand already."""
        self.lines: list[str] = []
        self.functions: dict[str, Any] = {"INF": math.inf, "NAN": math.nan}
        self.names: dict[int, str] = dict(known or {})
        self._indent = indent
        self._uses: dict[int, int] = {}

    def count(self, nodes: Sequence[Node]) -> None:
        """Nodes that will be computed: what is used more than once among them gets a name."""
        stack = list(nodes)
        while stack:
            node = stack.pop()
            seen = self._uses.get(id(node), 0)
            twice = 2 if node.operation in _TWICE or node.operation == "square" else 1
            self._uses[id(node)] = seen + 1
            if not seen and id(node) not in self.names:
                for arg in node.args:
                    stack.extend([arg] * twice)

    def add(self, nodes: Sequence[Node], *, indent: str = "", prefix: str = "t") -> list[str]:
        """Lines that compute these nodes; the names or constants under which each stands then."""
        for node in nodes:
            self._name_shared(node, indent, prefix)
        return [self._named(node, indent, prefix) for node in nodes]

    def _name_shared(self, root: Node, indent: str, prefix: str) -> None:
        """Computes what `root` needs and what is used more than once or lies deep, innermost first."""
        stack: list[tuple[Node, bool]] = [(root, False)]
        depth: dict[int, int] = {}
        while stack:
            node, ready = stack.pop()
            if node.is_constant or id(node) in self.names or (not ready and id(node) in depth):
                continue
            if not ready:
                stack.append((node, True))
                stack.extend((arg, False) for arg in node.args)
                continue
            deep = 1 + max(
                (depth.get(id(arg), 0) for arg in node.args if id(arg) not in self.names), default=0
            )
            depth[id(node)] = deep
            if self._uses.get(id(node), 0) > 1 or deep >= DEEPEST:
                self._named(node, indent, prefix)

    def _named(self, node: Node, indent: str, prefix: str) -> str:
        if node.is_constant:
            return _literal(node.value)
        if id(node) not in self.names:
            name = f"{prefix}{len(self.names)}"
            self.lines.append(f"{self._indent}{indent}{name} = {self._expression(node)}")
            self.names[id(node)] = name
        return self.names[id(node)]

    def _expression(self, node: Node) -> str:
        if node.is_constant:
            return _literal(node.value)
        if id(node) in self.names:
            return self.names[id(node)]
        return self._operation(node)

    def _operation(self, node: Node) -> str:
        name, args = node.operation, node.args
        texts = [self._expression(arg) for arg in args]
        if name == "power" and args[1].is_constant and args[1].value == 0.5:
            name, texts = "sqrt", texts[:1]
        if name in _INFIX:
            return f"({texts[0]} {_INFIX[name]} {texts[1]})"
        if name in _PREFIX:
            return f"({_PREFIX[name]}{texts[0]})"
        if name in _TWICE:
            first, second = texts
            return f"({first} if {first} {_TWICE[name]} {second} else {second})"
        match name:
            case "where":
                return f"({texts[1]} if {texts[0]} else {texts[2]})"
            case "square":
                return f"({texts[0]} * {texts[0]})"
            case "tuple":
                return f"({', '.join(texts)},)"
            case "pick":
                return f"{texts[0]}[{texts[1]}]"
            case "call":
                return self._called(f"call_{id(node.value)}", node.value, texts)
        function = _CALLS.get(name) or _OWN.get(name)
        if function is None:
            raise KeyError(f"no code for {name}")
        return self._called(f"f_{name}", function, texts)

    def _called(self, name: str, function: Callable[..., Any], texts: Sequence[str]) -> str:
        self.functions[name] = function
        return f"{name}({', '.join(texts)})"


def _literal(value: Any) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return {"inf": "INF", "-inf": "(-INF)"}.get(str(value), "NAN")
    text = repr(value)
    return f"({text})" if text.startswith("-") else text
