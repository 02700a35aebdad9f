"""The keys of every settings file and of device profiles, by their models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel


def keys_of(
    kind: str, model: type[BaseModel], faults: Mapping[str, type[BaseModel]], place: str = ""
) -> Iterator[str]:
    """`KIND: PLACE.KEY` of every key of a model, in the notation of docs/renames.csv.

    `faults`: those of the network by their names, which one field of another type stands for.
    """
    for name, field in model.model_fields.items():
        path = f"{place}{field.alias or name}"
        yield f"{kind}: {path}"
        copies = (
            "[]" if "tuple" in str(field.annotation) else "{}" if "apping" in str(field.annotation) else ""
        )
        for inner in _models_in(field.annotation):
            for each in faults.values() if inner.__name__ in ("WireFault", "NetworkFault") else (inner,):
                yield from keys_of(kind, each, faults, f"{path}{copies}{_tag(each)}.")


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models_in(part)


def _tag(model: type[BaseModel]) -> str:
    for name in ("type", "fault"):
        values = get_args(model.model_fields[name].annotation) if name in model.model_fields else ()
        if len(values) == 1 and get_origin(model.model_fields[name].annotation) is Literal:
            return f"({values[0]})"
    return ""
