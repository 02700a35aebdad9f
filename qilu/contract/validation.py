"""The base of all models of files, and how they refuse content: problem, place in the file and remedy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

Loc = tuple[str | int, ...]
"""A place in a file as keys and indexes from its top, e.g. ("points", 3, "address")."""

KIND = "qilu"
"""The pydantic error type of everything that is raised from here."""


class FrozenModel(BaseModel):
    """The base of every model of a file: never changed after it was read, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Problem(NamedTuple):
    """One thing that is wrong; `loc` is relative to the model that finds it, () is the model itself."""

    loc: Loc
    text: str
    remedy: str | None = None


def validation_error(problem: str, remedy: str | None = None) -> PydanticCustomError:
    """An error to raise from a validator, for the very value that it validates."""
    # The text stands in the context and not in the template, so that braces in it mean nothing.
    return PydanticCustomError(KIND, "{problem}", {"problem": problem, "remedy": remedy})


def display(value: object) -> str:
    """A value as its file has it, for a message to repeat it; the shape of what is too much for one line."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def raise_problems(problems: Iterable[Problem]) -> None:
    """Raise a ValidationError that names each problem at its own place; return when there are none.

    pydantic prepends the place of the model to each `loc` when this is raised from one of its validators.
    """
    details = [
        InitErrorDetails(type=validation_error(problem.text, problem.remedy), loc=problem.loc, input=None)
        for problem in problems
    ]
    if details:
        raise ValidationError.from_exception_data("invalid", details)
