"""The words for what pydantic found wrong in a file: a problem and its remedy."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from pydantic_core import ErrorDetails

from qilu.contract.validation import KIND, display

_SECRETS = ("password", "passwd", "token", "secret")

ErrorText = tuple[str, str | None]
"""A problem and its remedy; None where pydantic's own words are all there is."""


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that was most likely meant."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return close[0] if close else None


def did_you_mean(word: str, known: Iterable[str], otherwise: str) -> str:
    """A remedy for a word that is not known: the one that was most likely meant, else `otherwise`."""
    meant = nearest(word, known)
    return f"did you mean {meant}?" if meant else otherwise


def suggestion(name: str, known: Sequence[str]) -> str:
    """A remedy for a name that does not exist: what is close to it, and what there is."""
    close = nearest(name, known)
    listed = ", ".join(known[:20]) + (", ..." if len(known) > 20 else "")
    return f"did you mean {close}? there are: {listed}" if close else f"there are: {listed}"


def text_for(details: ErrorDetails, known: Sequence[str]) -> ErrorText:
    """Problem and remedy of one error; `known` are the keys that may stand where it is."""
    kind, value, context = details["type"], details["input"], details.get("ctx", {})
    if kind == KIND:
        return context["problem"], context["remedy"]
    if kind == "extra_forbidden":
        return "unknown key", _unknown_key(str(details["loc"][-1]), known)
    if kind == "invalid_key":
        return "unknown key", "write a number with a point and not with a comma, such as 0.01"
    if kind == "value_error":
        return str(context["error"]), None
    if kind == "union_tag_invalid":
        value = value[context["discriminator"].strip("'")]
    if value is None:
        return "has no value", "write one, or remove it"
    for start, sentence in _SENTENCES.items():
        if kind.startswith(start):
            return sentence(value, context)
    return f"{display(value)}: {details['msg']}", None


def _unknown_key(key: str, known: Sequence[str]) -> str:
    if key.lower() in _SECRETS:
        beside = ", ".join(name for name in known if name.startswith(key.lower())) or "a file of its own"
        return f"a secret never stands in a settings file: use {beside}"
    return did_you_mean(key, known, f"known here: {', '.join(sorted(known))}")


_Sentence = Callable[[Any, Mapping[str, Any]], ErrorText]


def _is_no(what: str, remedy: str) -> _Sentence:
    return lambda value, _: (f"{display(value)} is not {what}", remedy)


def _bound(word: str, remedy: str) -> _Sentence:
    def sentence(value: Any, context: Mapping[str, Any]) -> ErrorText:
        (bound,) = (context[key] for key in ("ge", "gt", "le", "lt") if key in context)
        number = f"{bound:g}" if isinstance(bound, float) else str(bound)
        return f"{display(value)} is not {word} {number}", remedy.format(number)

    return sentence


def _choices(value: Any, context: Mapping[str, Any]) -> ErrorText:
    expected = str(context.get("expected") or context["expected_tags"]).replace("'", "")
    known = expected.replace(" or ", ", ").split(", ")
    remedy = did_you_mean(str(value), known, "write one of these" if len(known) > 1 else "write that")
    return f"{display(value)} is not one of {', '.join(known)}", remedy


def _no_text(value: Any, _: Mapping[str, Any]) -> ErrorText:
    is_more = isinstance(value, Mapping | list | tuple)
    return f"{display(value)} is not a text", "write one text" if is_more else "put it into quotes"


def _characters(value: Any, context: Mapping[str, Any]) -> ErrorText:
    return f"{display(value)} is not allowed", _ALLOWED.get(context["pattern"])


_ALLOWED = {
    r"^[a-z][a-z0-9_]*$": "use a to z, digits and _, and begin with a letter",
    r"^[a-z0-9_]+$": "use a to z, digits and _",
    r"^[a-z0-9]+(-[a-z0-9]+)*$": "use a to z and digits, with - between words",
    r"^[A-Za-z0-9][A-Za-z0-9_.-]*$": "use letters, digits, _ . and -, and begin with a letter or a digit",
    r"^[ -~]+$": "use letters without accents, digits and the signs on a keyboard",
}
"""What the patterns of our models mean for whoever chooses a name."""

_NO_LIST = _is_no("a list", "write each item in a line with `- `")
_NO_MAPPING = _is_no("a mapping", "write lines of `key: value`")
_SENTENCES: Mapping[str, _Sentence] = {
    "missing": lambda *_: ("is missing", "add it"),
    "int_": _is_no("a whole number", "write one without a point, such as 3"),
    "float_": _is_no("a number", "write one, such as 2.5"),
    "finite_number": _is_no("a finite number", "write one, such as 2.5"),
    "bool_": _is_no("true or false", "write one of these"),
    "datetime_": _is_no("a date with a time", "write it as 2026-06-22 08:00"),
    "string_type": _no_text,
    "string_pattern": _characters,
    "string_too_long": lambda _, context: (
        f"is longer than {context['max_length']} characters",
        "shorten it",
    ),
    "string_too_short": lambda *_: ("is empty", "give it a value"),
    "list_type": _NO_LIST,
    "tuple_type": _NO_LIST,
    "too_short": lambda _, context: (f"has fewer than {context['min_length']} items", "add some"),
    "model_": _NO_MAPPING,
    "mapping_type": _NO_MAPPING,
    "dict_type": _NO_MAPPING,
    "literal_error": _choices,
    "enum": _choices,
    "union_tag_invalid": _choices,
    "union_tag_not_found": lambda _, context: (f"has no {context['discriminator'].strip(chr(39))}", "add it"),
    "path_type": _is_no("a path", "write it as a text"),
    "greater_than_equal": _bound("at least", "write {} or more"),
    "greater_than": _bound("more than", "write more than {}"),
    "less_than_equal": _bound("at most", "write {} or less"),
    "less_than": _bound("less than", "write less than {}"),
}
