"""Formulas over named values, pure: parsed once, then evaluated on numbers or on whole arrays.

    power / 3600          max(a, b, 0)          sin(2 * pi * t / 60)          10 if running else 0

Numbers, names, + - * / % **, comparisons, `and`, `or`, `not`, `A if CONDITION else B`, and the functions of
`FUNCTIONS`. A comparison is 1.0 or 0.0, and every value but 0 is true. What cannot be computed (a division by
zero, the root of a negative number, an overflow) is NaN or infinite, which means: no value.

Python's parser reads the text and nothing of it is executed: only the nodes listed here are accepted.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

MAX_LENGTH = 1000
"""Characters of a formula."""
MAX_DEPTH = 20
"""Operators and functions inside one another."""

CONSTANTS: Mapping[str, float] = MappingProxyType({"pi": math.pi, "e": math.e})

Operations = Mapping[str, Callable[..., Any]]
"""What each operation does with its operands, by the names that numpy has for them (`add`, `where`, ...)."""
Evaluate = Callable[[Mapping[str, Any], Operations], Any]


class ExpressionError(ValueError):
    """A formula that is refused: `str()` is the problem, `remedy` what to write instead."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem)
        self.remedy = remedy


class Function(NamedTuple):
    """A function of formulas: its operation, and how many arguments it takes."""

    operation: str
    min_arguments: int = 1
    max_arguments: int = 1


FUNCTIONS: Mapping[str, Function] = MappingProxyType(
    {
        "abs": Function("absolute"),
        "min": Function("minimum", 2, 50),
        "max": Function("maximum", 2, 50),
        "clamp": Function("clip", 3, 3),
        "sqrt": Function("sqrt"),
        "exp": Function("exp"),
        "log": Function("log"),
        "log10": Function("log10"),
        "sin": Function("sin"),
        "cos": Function("cos"),
        "tan": Function("tan"),
        "floor": Function("floor"),
        "ceil": Function("ceil"),
        "round": Function("rint"),
    }
)

_BINARY: Mapping[type[ast.operator], str] = {
    ast.Add: "add",
    ast.Sub: "subtract",
    ast.Mult: "multiply",
    ast.Div: "divide",
    ast.Mod: "remainder",
    ast.Pow: "power",
}
_UNARY: Mapping[type[ast.unaryop], str] = {ast.USub: "negative", ast.UAdd: "positive", ast.Not: "logical_not"}
_COMPARISONS: Mapping[type[ast.cmpop], str] = {
    ast.Lt: "less",
    ast.LtE: "less_equal",
    ast.Gt: "greater",
    ast.GtE: "greater_equal",
    ast.Eq: "equal",
    ast.NotEq: "not_equal",
}
_LOGICAL: Mapping[type[ast.boolop], str] = {ast.And: "logical_and", ast.Or: "logical_or"}


class Expression(NamedTuple):
    """A formula that was parsed: `names` are the values that it needs."""

    text: str
    names: frozenset[str]
    evaluate: Evaluate

    def value(self, values: Mapping[str, float]) -> float:
        """Its value for these numbers; KeyError for a name that is not among them."""
        return float(self.evaluate(values, NUMBERS))


def parse(text: str) -> Expression:
    """The formula of a text; ExpressionError where it is none, or longer or deeper than is allowed."""
    if len(text) > MAX_LENGTH:
        raise ExpressionError(f"has {len(text)} characters", f"write at most {MAX_LENGTH}")
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise ExpressionError(f"{text[:60]!r} is not a formula", "write one such as 2 * speed + 1") from None
    names: set[str] = set()
    evaluate = _compile(tree.body, names, MAX_DEPTH)
    return Expression(text, frozenset(names), evaluate)


def _compile(node: ast.expr, names: set[str], depth: int) -> Evaluate:
    """What computes the node; adds the names that it needs."""
    if depth == 0:
        raise ExpressionError("is nested too deep", f"write at most {MAX_DEPTH} levels")
    if isinstance(node, ast.Constant):
        return _constant(node.value)
    if isinstance(node, ast.Name):
        return _name(node.id, names)
    operation, operands = _operation(node)
    parts = [_compile(operand, names, depth - 1) for operand in operands]
    if len(parts) > 2 and operation in _REDUCED:
        return _reduce(operation, parts)
    return lambda values, operations: operations[operation](*(part(values, operations) for part in parts))


_REDUCED = frozenset({"minimum", "maximum", "logical_and", "logical_or"})


def _operation(node: ast.expr) -> tuple[str, Sequence[ast.expr]]:
    """The operation of a node, and its operands."""
    match node:
        case ast.BinOp(left=left, op=binary, right=right) if type(binary) in _BINARY:
            return _BINARY[type(binary)], (left, right)
        case ast.UnaryOp(op=unary, operand=operand) if type(unary) in _UNARY:
            return _UNARY[type(unary)], (operand,)
        case ast.BoolOp(op=logical, values=operands):
            return _LOGICAL[type(logical)], operands
        case ast.Compare(left=left, ops=[comparison], comparators=[right]) if (
            type(comparison) in _COMPARISONS
        ):
            return _COMPARISONS[type(comparison)], (left, right)
        case ast.Compare():
            raise ExpressionError("compares more than two values", "join two comparisons by `and`")
        case ast.IfExp(test=test, body=body, orelse=otherwise):
            return "where", (test, body, otherwise)
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
            return _function(name, arguments), arguments
    known = "+ - * / % **, comparisons, and, or, not, if else, " + ", ".join(FUNCTIONS)
    raise ExpressionError(f"{ast.unparse(node)[:60]!r} is not allowed", f"use {known}")


def _function(name: str, arguments: Sequence[ast.expr]) -> str:
    function = FUNCTIONS.get(name)
    if function is None:
        raise ExpressionError(f"there is no function {name[:60]}", f"there are: {', '.join(FUNCTIONS)}")
    low, high = function.min_arguments, function.max_arguments
    if not low <= len(arguments) <= high:
        count = f"{low}" if low == high else f"at least {low}"
        raise ExpressionError(f"{name} has {len(arguments)} arguments", f"give {count}")
    return function.operation


def _constant(value: object) -> Evaluate:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ExpressionError(f"{str(value)[:60]!r} is not a number", "write numbers without quotes")
    number = _number(value)
    if not math.isfinite(number):
        raise ExpressionError("has a number that is too large", "write a smaller one")
    return lambda _values, _operations: number


def _number(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _name(name: str, names: set[str]) -> Evaluate:
    if name in CONSTANTS:
        number = CONSTANTS[name]
        return lambda _values, _operations: number
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise ExpressionError(f"{name[:60]!r} is not a name", "names have small letters, digits and _")
    names.add(name)
    return lambda values, _operations: values[name]


def _reduce(operation: str, parts: Sequence[Evaluate]) -> Evaluate:
    """An operation of two operands over more of them."""
    first, *rest = parts

    def evaluate(values: Mapping[str, Any], operations: Operations) -> Any:
        result = first(values, operations)
        for part in rest:
            result = operations[operation](result, part(values, operations))
        return result

    return evaluate


def _guarded(function: Callable[..., float]) -> Callable[..., float]:
    """NaN where it cannot be computed."""

    def guarded(*operands: float) -> float:
        try:
            return float(function(*operands))
        except (ValueError, ZeroDivisionError, OverflowError):
            return math.nan

    return guarded


_ON_NUMBERS: Mapping[str, Callable[..., Any]] = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
    "divide": lambda a, b: a / b,
    "remainder": lambda a, b: a % b,
    "power": math.pow,
    "negative": lambda a: -a,
    "positive": lambda a: a,
    "logical_not": lambda a: a == 0,
    "logical_and": lambda a, b: a != 0 and b != 0,
    "logical_or": lambda a, b: a != 0 or b != 0,
    "less": lambda a, b: a < b,
    "less_equal": lambda a, b: a <= b,
    "greater": lambda a, b: a > b,
    "greater_equal": lambda a, b: a >= b,
    "equal": lambda a, b: a == b,
    "not_equal": lambda a, b: a != b,
    "where": lambda condition, a, b: a if condition != 0 else b,
    "absolute": abs,
    "minimum": lambda a, b: math.nan if math.isnan(a) or math.isnan(b) else min(a, b),
    "maximum": lambda a, b: math.nan if math.isnan(a) or math.isnan(b) else max(a, b),
    "clip": lambda a, low, high: math.nan if math.isnan(a) else min(max(a, low), high),
    "sqrt": math.sqrt,
    "exp": math.exp,
    "log": math.log,
    "log10": math.log10,
    "sin": math.sin,
    "cos": math.cos,
    "tan": math.tan,
    "floor": math.floor,
    "ceil": math.ceil,
    "rint": round,
}
NUMBERS: Operations = MappingProxyType({name: _guarded(function) for name, function in _ON_NUMBERS.items()})
"""The operations on single numbers."""
