"""The words for what pydantic found wrong in a file: a problem and, where one is known, its remedy."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from pydantic_core import ErrorDetails

from qilu.contract.invalid import KIND

_SECRETS = ("password", "passwd", "token", "secret")


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that was most likely meant."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return close[0] if close else None


def say(details: ErrorDetails, known: Sequence[str]) -> tuple[str, str | None]:
    """Problem and remedy of one error; `known` are the keys that may stand where it is."""
    context = details.get("ctx", {})
    if details["type"] == KIND:
        return context["problem"], context["remedy"]
    if details["type"] == "extra_forbidden":
        return "unknown key", _unknown_key(str(details["loc"][-1]), known)
    if details["type"] == "value_error":
        return str(context["error"]), None
    for start, sentence in _SENTENCES.items():
        if details["type"].startswith(start):
            return sentence(_show(details["input"]), context)
    return f"{_show(details['input'])}: {details['msg']}", None


def _unknown_key(key: str, known: Sequence[str]) -> str:
    if key.lower() in _SECRETS:
        beside = ", ".join(name for name in known if name.startswith(key.lower())) or "a file of its own"
        return f"a secret never stands in a settings file: use {beside}"
    meant = nearest(key, known)
    return f"did you mean {meant}?" if meant else f"known here: {', '.join(sorted(known))}"


def _show(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    text = repr(value) if isinstance(value, str | int | float) else f"a {_shape(value)}"
    return text if len(text) <= 60 else f"{text[:57]}..."


def _shape(value: object) -> str:
    return "mapping" if isinstance(value, Mapping) else "list" if isinstance(value, list) else "value"


def _one_of(shown: str, context: Mapping[str, Any]) -> tuple[str, str | None]:
    expected = str(context.get("expected") or context.get("expected_tags", "")).replace("'", "")
    known = expected.replace(" or ", ", ").split(", ")
    meant = nearest(shown.strip("'"), known)
    return f"{shown} is not one of {', '.join(known)}", f"did you mean {meant}?" if meant else None


def _bound(word: str) -> Callable[[str, Mapping[str, Any]], tuple[str, str | None]]:
    def sentence(shown: str, context: Mapping[str, Any]) -> tuple[str, str | None]:
        number = next(iter(context.values()), "")
        return f"{shown} is not {word} {number}", None

    return sentence


_Say = Callable[[str, Mapping[str, Any]], tuple[str, str | None]]
_SENTENCES: Mapping[str, _Say] = {
    "missing": lambda _, __: ("is missing", "add it"),
    "int_": lambda shown, _: (f"{shown} is not a whole number", None),
    "float_": lambda shown, _: (f"{shown} is not a number", None),
    "finite_number": lambda shown, _: (f"{shown} is not a finite number", None),
    "bool_": lambda shown, _: (f"{shown} is not true or false", None),
    "string_type": lambda shown, _: (f"{shown} is not a text", "put it into quotes"),
    "string_pattern": lambda shown, context: (
        f"{shown} is not allowed",
        f"it has to match {context['pattern']}",
    ),
    "string_too_long": lambda _, context: (
        f"is longer than {context['max_length']} characters",
        "shorten it",
    ),
    "string_too_short": lambda _, __: ("is empty", "give it a value"),
    "list_type": lambda shown, _: (f"{shown} is not a list", "write each item in a line with `- `"),
    "tuple_type": lambda shown, _: (f"{shown} is not a list", "write each item in a line with `- `"),
    "too_short": lambda _, context: (f"has fewer than {context['min_length']} items", "add some"),
    "model_": lambda shown, _: (f"{shown} is not a mapping", "write lines of `key: value`"),
    "mapping_type": lambda shown, _: (f"{shown} is not a mapping", "write lines of `key: value`"),
    "dict_type": lambda shown, _: (f"{shown} is not a mapping", "write lines of `key: value`"),
    "literal_error": _one_of,
    "enum": _one_of,
    "union_tag_invalid": lambda _, context: _one_of(repr(context.get("tag")), context),
    "union_tag_not_found": lambda _, context: (f"has no {context['discriminator']}", "add it"),
    "path_type": lambda shown, _: (f"{shown} is not a path", None),
    "greater_than_equal": _bound("at least"),
    "greater_than": _bound("more than"),
    "less_than_equal": _bound("at most"),
    "less_than": _bound("less than"),
}
