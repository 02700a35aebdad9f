"""Keys, commands and options of before the first release and their present names: docs/renames.csv."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

import qilu

_TAG = re.compile(r"\([^)]*\)")
_KEYS = ("gateway key", "ingester key", "plant key", "profile key")
_VALUES = ("plant value",)
_WORDS = ("command", "option")

CHANGED_VALUES: Mapping[tuple[str, str], str] = {
    ("until", "duration"): "rename it, and count from the start of the fault: duration = until - since"
}
"""Old and new key -> the remedy, where more than the key has changed."""


class _Table(NamedTuple):
    keys: Mapping[tuple[str, str], str]
    """Place and old key -> the present key, empty where there is none."""
    values: Mapping[tuple[str, str], str]
    """Place with its key, and old value -> the present value."""
    words: Mapping[str, str]
    """Words of the command line, without `qilu` -> the present words."""


def renamed_key(place: str, key: str) -> str | None:
    """How a key of before is called now; empty where it has no successor, None where it was never renamed.

    `place`: the present keys from the top of the file, joined by points. `[]` stands behind a list, and in
    parentheses the `type` (or `fault`) of an item that is one of several kinds: `network_faults[](slow)`.
    """
    keys = _table().keys
    return next((keys[known, key] for known in _variants(place) if (known, key) in keys), None)


def renamed_value(place: str, value: str) -> str | None:
    """How a value of before is called now at `place`, which ends with its key; None: it was never renamed."""
    values = _table().values
    return next((values[known, value] for known in _variants(place) if (known, value) in values), None)


def renamed_words(words: str) -> str | None:
    """How a command, or a command with an option, is called now; None: it was never renamed."""
    return _table().words.get(words)


def explain_key(place: str, key: str) -> tuple[str, str] | None:
    """Problem and remedy of a key of before; None where it was never one."""
    new = renamed_key(place, key)
    if new is None:
        return None
    if not new:
        return "does not exist any more", "remove it"
    return f"is now called {new}", CHANGED_VALUES.get((key, new), "rename it")


def _variants(place: str) -> tuple[str, str]:
    """A place with the last tag alone, which the table may have, and without any."""
    tags = _TAG.findall(place)
    bare = _TAG.sub("", place)
    if not tags:
        return bare, bare
    before, after = place.rsplit(tags[-1], 1)
    return f"{_TAG.sub('', before)}{tags[-1]}{after}", bare


@cache
def _table() -> _Table:
    keys, values, words = {}, {}, {}
    with _file().open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["kind"] in _KEYS:
                old_place, _, old = row["old"].rpartition(".")
                new_place, _, new = row["new"].rpartition(".")
                keys[new_place if row["new"] else old_place, old] = new
            elif row["kind"] in _VALUES:
                old_place, old = row["old"].split(": ")
                new_place, new = row["new"].split(": ")
                values[new_place, old] = new
            elif row["kind"] in _WORDS:
                words[row["old"]] = row["new"]
    return _Table(keys, values, words)


def _file() -> Path:
    """The table that comes with Qilu: inside the package when installed, else in the checkout."""
    package = Path(qilu.__file__).parent
    installed = package / "renames.csv"
    return installed if installed.exists() else package.parent / "docs" / "renames.csv"
