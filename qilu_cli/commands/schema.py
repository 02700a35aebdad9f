"""JSON schemas of the files that people write, so that an editor completes, explains and checks them."""

from __future__ import annotations

import ast
import inspect
import json
from collections.abc import Iterator, Mapping
from pkgutil import resolve_name
from textwrap import dedent
from typing import Any, Literal, get_args

from pydantic import BaseModel

Kind = Literal["profile", "gateway", "plant", "ingester"]


def print_schema(kind: Kind) -> None:
    """The schema of one kind of file, to stdout."""
    print(json.dumps(schema(kind), indent=2, ensure_ascii=False))


def schema(kind: Kind) -> dict[str, Any]:
    """JSON Schema 2020-12; every key has the description that stands beside it in the code."""
    model: type[BaseModel] = resolve_name(_MODELS[kind])
    document = model.model_json_schema()
    document = {"$schema": "https://json-schema.org/draft/2020-12/schema", **document}
    named = {inner_model.__name__: inner_model for inner_model in _models(model)}
    _describe(document, model)
    for name, definition in document.get("$defs", {}).items():
        if name in named:
            _describe(definition, named[name])
    return document


_MODELS: Mapping[Kind, str] = {
    "profile": "qilu.contract.profile:DeviceProfile",
    "gateway": "gateway.settings:GatewaySettings",
    "plant": "simulator.plant.settings:PlantSettings",
    "ingester": "cloud.settings:IngesterSettings",
}
"""The model of a kind of file, which is imported when it is asked for: each needs another extra."""


def _models(model: type[BaseModel]) -> set[type[BaseModel]]:
    """A model and all that stand in it, however deep."""
    models: set[type[BaseModel]] = set()
    waiting = [model]
    while waiting:
        current = waiting.pop()
        if current not in models:
            models.add(current)
            waiting += [
                inner for field in current.model_fields.values() for inner in _inside(field.annotation)
            ]
    return models


def _inside(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _inside(part)


def _describe(definition: dict[str, Any], model: type[BaseModel]) -> None:
    texts = field_texts(model)
    for name, entry in definition.get("properties", {}).items():
        if name in texts:
            entry.setdefault("description", texts[name])


def field_texts(model: type[BaseModel]) -> dict[str, str]:
    """Field -> the text under it in the source of its class, of those that have one."""
    texts: dict[str, str] = {}
    for base in reversed(model.__mro__):
        if not issubclass(base, BaseModel) or base is BaseModel:
            continue
        (written,) = ast.parse(dedent(inspect.getsource(base))).body
        assert isinstance(written, ast.ClassDef)
        for field, after in zip(written.body, written.body[1:], strict=False):
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                text = _text(after)
                texts |= {field.target.id: text} if text else {}
    return texts


def _text(statement: ast.stmt) -> str:
    value = statement.value if isinstance(statement, ast.Expr) else None
    is_text = isinstance(value, ast.Constant) and isinstance(value.value, str)
    return " ".join(value.value.split()) if is_text else ""  # type: ignore[union-attr]
