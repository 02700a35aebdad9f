"""Modicon's notation of addresses: 30001 is the first input register, 400001 the first holding register.

The first of five or six digits names the table, the rest counts from 1. Manuals use it, the wire does not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from qilu.contract.validation import Loc, Problem, raise_problems

_TABLES = {0: "coil", 1: "discrete", 3: "input", 4: "holding"}
_DIGITS = {table: digit for digit, table in _TABLES.items()}
_RANGES = ("unreadable", "read_whole")


class TableAddress(NamedTuple):
    """A table and a zero-based address in it."""

    table: str
    address: int


def parse_modicon(written: int | str) -> TableAddress:
    """The place that `written` names; ValueError when it names none.

    A number of up to five digits has the five-digit meaning (10001 is a discrete input); the coil 10001 of
    six digits has to be a text, "010001".
    """
    digits = str(written).strip()
    if not digits.isdecimal():
        raise ValueError(f"{written!r} is not an address")
    width = 6 if len(digits) == 6 else 5
    first, rest = divmod(int(digits), 10 ** (width - 1))
    if first not in _TABLES or not 1 <= rest <= 65536:
        raise ValueError(f"{written} is not an address in Modicon's notation")
    return TableAddress(_TABLES[first], rest - 1)


def format_modicon(place: TableAddress) -> str:
    """Six digits, which every place has: ("holding", 0) is 400001."""
    return f"{_DIGITS[place.table]}{place.address + 1:05d}"


def short_modicon(place: TableAddress) -> str:
    """Five digits where they are enough, as most manuals write it: ("holding", 0) is 40001."""
    number = place.address + 1
    return f"{_DIGITS[place.table]}{number:04d}" if number <= 9999 else format_modicon(place)


def to_zero_based(profile: dict[str, Any]) -> dict[str, Any]:
    """A raw profile with its Modicon addresses made zero-based; one that has none is returned as it is."""
    if profile.get("addressing") != "modicon":
        return profile
    raise_problems(_problems(profile))
    translated = {**profile, "addressing": "zero_based"}
    if isinstance(profile.get("points"), list):
        translated["points"] = [_translate(point, ("address",)) for point in profile["points"]]
    if isinstance(profile.get("structures"), list):
        translated["structures"] = [
            {**repeat, "points": [_translate(point, ("address",)) for point in points]}
            if (points := _points_of(repeat))
            else repeat
            for repeat in profile["structures"]
        ]
    limits = profile.get("limits")
    for key in _RANGES:
        if isinstance(limits, Mapping) and isinstance(limits.get(key), list):
            limits = {**limits, key: [_translate(each, ("first", "last")) for each in limits[key]]}
            translated["limits"] = limits
    return translated


def _translate(item: Any, keys: tuple[str, ...]) -> Any:
    if not isinstance(item, Mapping):
        return item
    places = {key: parse_modicon(item[key]) for key in keys if key in item}
    translated = {**item, **{key: place.address for key, place in places.items()}}
    for place in places.values():
        translated["table"] = place.table
    return translated


def _points_of(repeat: Any) -> list[Any]:
    points = repeat.get("points") if isinstance(repeat, Mapping) else None
    return points if isinstance(points, list) else []


def _problems(profile: Mapping[str, Any]) -> Iterator[Problem]:
    limits, repeats = profile.get("limits"), profile.get("structures")
    ranges = [
        (limits.get(key) if isinstance(limits, Mapping) else None, ("limits", key), ("first", "last"))
        for key in _RANGES
    ]
    structures: list[tuple[Any, Loc, tuple[str, ...]]] = [
        (_points_of(repeat), ("structures", number, "points"), ("address",))
        for number, repeat in enumerate(repeats if isinstance(repeats, list) else ())
    ]
    for items, where, keys in ((profile.get("points"), ("points",), ("address",)), *structures, *ranges):
        for index, item in enumerate(items if isinstance(items, list) else ()):
            for key in keys:
                if isinstance(item, Mapping) and key in item:
                    for problem in _of_address(item, key):
                        yield problem._replace(loc=(*where, index, *problem.loc))
            if isinstance(item, Mapping) and keys == ("first", "last"):
                for problem in _of_ends(item):
                    yield problem._replace(loc=(*where, index, *problem.loc))


def _of_address(item: Mapping[str, Any], key: str) -> Iterator[Problem]:
    try:
        place = parse_modicon(item[key])
    except ValueError as error:
        remedy = (
            "write 40001 or 400001 for the first holding register (0 coil, 1 discrete, 3 input, 4 holding)"
        )
        yield Problem((key,), str(error), remedy)
        return
    table = item.get("table", place.table)
    if table != place.table:
        text = f"{item[key]} is in table {place.table}, not {table}"
        yield Problem(("table",), text, "correct the address or remove `table`")


def _of_ends(item: Mapping[str, Any]) -> Iterator[Problem]:
    """Of a range: what is no address at all is told elsewhere."""
    try:
        first, last = parse_modicon(item["first"]), parse_modicon(item["last"])
    except (KeyError, ValueError):
        return
    if first.table != last.table and "table" not in item:
        text = f"{item['first']} is in table {first.table}, and {item['last']} in {last.table}"
        yield Problem(("last",), text, "write both ends of one table")
