"""What pydantic found wrong in a file, for a user: place, problem and remedy in one line each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from qilu.config.error_texts import ErrorText, text_for
from qilu.config.renames import explain_key, renamed_key
from qilu.config.yaml_loader import LineIndex
from qilu.contract.errors import ConfigError, combined
from qilu.contract.validation import KIND, Loc


def explain(error: ValidationError, model: type[BaseModel], raw: object, places: LineIndex) -> ConfigError:
    """The first problem by line, with the others after it; one for each place."""
    texts: dict[Loc, ErrorText] = {}
    errors = error.errors(include_url=False)
    unknown = [details["loc"] for details in errors if details["type"] == "extra_forbidden"]
    renamed = {(*loc[:-1], renamed_key(_place_in_table(loc[:-1], model), str(loc[-1]))) for loc in unknown}
    for details in errors:
        if details["type"] == "too_short" and any(_inside(other["loc"], details["loc"]) for other in errors):
            continue  # pydantic does not count the items that it refused
        if details["type"] == "missing" and details["loc"] in renamed:
            continue  # it is there, by its name of before
        loc = _place(details["loc"], raw, model, details["type"] in (KIND, "missing"))
        texts.setdefault(loc, _text(details, model))
    by_line = sorted(texts, key=lambda loc: places.line(loc) or 0)
    return combined([places.error(texts[loc][0], loc, texts[loc][1]) for loc in by_line])


def _text(details: ErrorDetails, model: type[BaseModel]) -> ErrorText:
    around, key = details["loc"][:-1], details["loc"][-1:]
    if details["type"] == "extra_forbidden":
        renamed = explain_key(_place_in_table(around, model), str(*key))
        if renamed is not None:
            return renamed
    return text_for(details, _known_keys(around, model))


def _place_in_table(loc: Loc, model: type[BaseModel]) -> str:
    """A place of pydantic's as the table of renames writes it."""
    steps = (
        f"({step})" if is_tag else "[]" if isinstance(step, int) else f".{step}"
        for step, is_tag in _steps(loc, model)
    )
    return "".join(steps).removeprefix(".")


def _place(loc: Loc, raw: object, model: type[BaseModel], may_be_absent: bool) -> Loc:
    """`loc` without what pydantic adds for itself (names of union members, "[key]")."""
    place: list[str | int] = []
    here: Any = raw
    for position, (step, is_tag) in enumerate(_steps(loc, model)):
        is_key = isinstance(here, Mapping) and step in here
        is_index = isinstance(here, list) and isinstance(step, int) and step < len(here)
        if is_key or is_index:
            place.append(step)
            here = here[step]
        elif may_be_absent and not is_tag and position == len(loc) - 1 and str(step).isidentifier():
            place.append(step)
    return tuple(place)


def _inside(loc: Loc, outer: Loc) -> bool:
    return len(loc) > len(outer) and loc[: len(outer)] == outer


def _steps(loc: Loc, model: type[BaseModel]) -> Iterator[tuple[str | int, bool]]:
    """Each step of `loc`, and whether it is the tag of a union and no key."""
    models = [model]
    for step in loc:
        fields = _fields(models)
        is_tag = step not in fields and bool(_tagged(models, step))
        if step in fields:
            models = list(_models_in(fields[str(step)]))
        elif is_tag:
            models = _tagged(models, step)
        yield step, is_tag


def _known_keys(loc: Loc, model: type[BaseModel]) -> list[str]:
    """The keys that the models at `loc` have."""
    models = [model]
    for step in loc:
        fields = _fields(models)
        if step in fields:
            models = list(_models_in(fields[str(step)]))
        else:
            models = _tagged(models, step) or models
    return list(_fields(models))


def _fields(models: Sequence[type[BaseModel]]) -> dict[str, Any]:
    return {
        field.alias or name: field.annotation
        for model in models
        for name, field in model.model_fields.items()
    }


def _tagged(models: Sequence[type[BaseModel]], tag: object) -> list[type[BaseModel]]:
    return [
        model
        for model in models
        if any(
            get_origin(field.annotation) is Literal and tag in get_args(field.annotation)
            for field in model.model_fields.values()
        )
    ]


def _models_in(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models_in(part)
