"""Formulas: what is computed, what is refused, and that arrays and numbers agree."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qilu.contract.expressions import FUNCTIONS, MAX_DEPTH, MAX_LENGTH, NUMBERS, ExpressionError, parse
from simulator.signals.arrays import ARRAYS

VALUES = {"a": 2.0, "b": -3.5, "t": 10.0, "running": 1.0}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 + 2 * 3", 7.0),
        ("-a ** 2", -4.0),
        ("7 % 4", 3.0),
        ("(a + b) / 3", -0.5),
        ("a > b and t >= 10", 1.0),
        ("a > 5 or b > 5", 0.0),
        ("not running", 0.0),
        ("3 if running else 4", 3.0),
        ("max(a, b, 5)", 5.0),
        ("min(a, b, 5, -9)", -9.0),
        ("clamp(t, 0, 4)", 4.0),
        ("abs(b)", 3.5),
        ("sin(pi / 2)", 1.0),
        ("log(e)", 1.0),
        ("round(2.5) + floor(2.9) + ceil(2.1)", 7.0),
        (" sqrt(16)\n", 4.0),
    ],
)
def test_a_formula_has_this_value(text: str, value: float) -> None:
    assert parse(text).value(VALUES) == pytest.approx(value)


@pytest.mark.parametrize("text", ["1 / 0", "sqrt(-1)", "log(0)", "9 ** 9 ** 9", "exp(1000)", "(-8) ** 0.5"])
def test_what_cannot_be_computed_is_no_value(text: str) -> None:
    assert not math.isfinite(parse(text).value({}))


def test_the_names_of_a_formula_are_known_and_must_be_given() -> None:
    formula = parse("max(power, 0) / 3600 + pi")
    assert formula.names == {"power"}
    with pytest.raises(KeyError):
        formula.value({})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a +",
        "__import__('os')",
        "a.real",
        "a[0]",
        "[1, 2]",
        "lambda: 1",
        "(a := 3)",
        "'text'",
        "True",
        "1j",
        "a if b",
        "1 < a < 3",
        "a in b",
        "a @ b",
        "a | b",
        "~a",
        "max(1)",
        "sin(1, 2)",
        "sin(x=1)",
        "sin(*a)",
        "open(a)",
        "f'{a}'",
        "A + 1",
        "1e999",
        "await a",
        "a; b",
        "\x00",
        "9" * 400,
        "(" * 300 + "1" + ")" * 300,
        "-" * (MAX_DEPTH + 1) + "1",
        "a" + "+1" * MAX_LENGTH,
        "é",
    ],
)
def test_anything_else_is_refused_with_a_remedy(text: str) -> None:
    with pytest.raises(ExpressionError) as error:
        parse(text)
    assert str(error.value)
    assert error.value.remedy


def test_the_deepest_formula_is_computed() -> None:
    assert parse("-" * (MAX_DEPTH - 1) + "1").value({}) == -1.0


numbers = st.floats(-1e6, 1e6).map(lambda value: round(value, 3))


@st.composite
def formulas(draw: st.DrawFn, depth: int = 4) -> str:
    if depth == 0 or draw(st.booleans()):
        return draw(st.sampled_from(["a", "b", "t", "0.5", "3", "pi"]))
    inner = formulas(depth - 1)
    form = draw(st.sampled_from(["binary", "call", "if", "not"]))
    if form == "binary":
        operator = draw(st.sampled_from(["+", "-", "*", "/", "<", "<=", ">", ">=", "==", "and", "or"]))
        return f"({draw(inner)} {operator} {draw(inner)})"
    if form == "if":
        return f"({draw(inner)} if {draw(inner)} else {draw(inner)})"
    if form == "not":
        return f"(not {draw(inner)})"
    name = draw(st.sampled_from(["abs", "min", "max", "clamp"]))  # others may differ in their last digit
    return f"{name}({', '.join(draw(inner) for _ in range(FUNCTIONS[name].min_arguments))})"


@given(formulas(), numbers, numbers, numbers)
def test_arrays_and_numbers_agree(text: str, a: float, b: float, t: float) -> None:
    formula = parse(text)
    single = formula.value({"a": a, "b": b, "t": t})
    with np.errstate(all="ignore"):
        several = formula.evaluate({"a": np.array([a]), "b": np.array([b]), "t": t}, ARRAYS)
    result = float(np.broadcast_to(np.asarray(several, dtype=np.float64), (1,))[0])
    if math.isfinite(single) and math.isfinite(result):
        assert result == pytest.approx(single, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize(
    "name", [name for name, function in FUNCTIONS.items() if function.min_arguments == 1]
)
@given(x=st.floats(-50, 50))
def test_a_function_of_one_number_is_that_of_arrays(name: str, x: float) -> None:
    formula = parse(f"{name}(x)")
    with np.errstate(all="ignore"):
        several = float(formula.evaluate({"x": np.array([x])}, ARRAYS)[0])
    single = formula.value({"x": x})
    if math.isfinite(single) or math.isfinite(several):
        assert several == pytest.approx(single, rel=1e-9)


def test_numbers_and_arrays_have_the_same_operations() -> None:
    assert ARRAYS.keys() == NUMBERS.keys()
