"""Spells out the short forms of a profile's file: what points leave to the profile, copies and flags.

It works on the content of the file before any model has read it. Whatever is odd is left as it is, for the
models to refuse.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from pydantic import ValidationError
from pydantic_core import InitErrorDetails

from qilu.contract.modicon import to_zero_based
from qilu.contract.profile.arrays import elements, structures
from qilu.contract.profile.flags import bits_named_in
from qilu.contract.profile.types import is_whole
from qilu.contract.validation import KIND, Loc, validation_error

_ORDERS = ("byte_order", "word_order")


class PointLocation(NamedTuple):
    """Where the file has a point. `is_point`: the keys of the point are the keys there."""

    loc: Loc
    is_point: bool = True


_Entry = tuple[Any, PointLocation]


def expand(raw: Any) -> tuple[Any, Sequence[PointLocation]]:
    """The profile with each of its points written in full, and where the file has each of them."""
    if not isinstance(raw, Mapping):
        return raw, ()
    profile = to_zero_based(_with_words(dict(raw)))
    points, repeats = profile.get("points", []), profile.get("structures", [])
    if not isinstance(points, list | tuple) or not isinstance(repeats, list | tuple):
        return profile, ()
    entries: list[_Entry] = [(point, PointLocation(("points", index))) for index, point in enumerate(points)]
    copied = [structures(repeat) for repeat in repeats]
    for number, copies in enumerate(copied):
        for index, point in copies or ():
            entries.append((point, PointLocation(("structures", number, "points", index))))
    if copied:
        profile["points"] = points
        profile["structures"] = repeats if None in copied else []
    defaults = _defaults(profile)
    each = [entry for point, place in entries for entry in _all_of(_filled_in(point, defaults), place)]
    if "points" in profile:
        profile["points"] = _with_scale_factor_defaults([point for point, _ in each])
    return profile, [place for _, place in each]


def _with_words(profile: dict[str, Any]) -> dict[str, Any]:
    """Lists of addresses become the lowest one, and how far from it each register is."""
    if isinstance(points := profile.get("points"), list):
        profile["points"] = [_apart(point) for point in points]
    if isinstance(repeats := profile.get("structures"), list):
        profile["structures"] = [
            {**repeat, "points": [_apart(point) for point in repeat["points"]]}
            if isinstance(repeat, Mapping) and isinstance(repeat.get("points"), list)
            else repeat
            for repeat in repeats
        ]
    return profile


def _apart(point: Any) -> Any:
    addresses = point.get("address") if isinstance(point, Mapping) else None
    if not isinstance(addresses, list) or not addresses or not all(map(is_whole, addresses)):
        return point
    first = min(addresses)
    return {**point, "address": first, "words": [address - first for address in addresses]}


def relocate(error: ValidationError, places: Sequence[PointLocation]) -> ValidationError:
    """The same errors at the places of the file; of several at one place the first."""
    errors: dict[Loc, InitErrorDetails] = {}
    for details in error.errors(include_url=False):
        loc, kind, context = _in_the_file(details["loc"], places), details["type"], details.get("ctx", {})
        ours = kind == KIND
        errors.setdefault(
            loc,
            InitErrorDetails(
                type=validation_error(context["problem"], context["remedy"]) if ours else kind,
                loc=loc,
                input=details["input"],
                ctx={} if ours else context,
            ),
        )
    return ValidationError.from_exception_data(error.title, list(errors.values()))


def _in_the_file(loc: Loc, places: Sequence[PointLocation]) -> Loc:
    if len(loc) < 2 or loc[0] != "points" or not isinstance(loc[1], int) or loc[1] >= len(places):
        return loc
    place = places[loc[1]]
    return (*place.loc, *loc[2:]) if place.is_point else place.loc


def _defaults(profile: Mapping[str, Any]) -> dict[str, Any]:
    defaults = {key: profile[key] for key in _ORDERS if key in profile}
    groups = profile.get("groups")
    if isinstance(groups, Mapping) and groups:
        defaults["group"] = next(iter(groups))
    return defaults


def _filled_in(raw: Any, defaults: Mapping[str, Any]) -> Any:
    if not isinstance(raw, Mapping):
        return raw
    is_state = raw.get("type") in ("bool", "string") or raw.get("enum") or raw.get("flags")
    return {"kind": "state" if is_state else "gauge", **defaults, **raw}


def _all_of(raw: Any, place: PointLocation) -> Iterator[_Entry]:
    """Every point that an entry of the file stands for."""
    if not isinstance(raw, Mapping):
        yield raw, place
        return
    for element in elements(raw) or [dict(raw)]:
        bits = bits_named_in(element)
        if bits is None:
            yield element, place
            continue
        yield {key: value for key, value in element.items() if key != "flags"}, place
        for bit, flag in bits:
            yield flag, PointLocation((*place.loc, "flags", bit), is_point=False)


def _with_scale_factor_defaults(points: list[Any]) -> list[Any]:
    """Points that scale others follow SunSpec: 0x8000 is no exponent, and it is -10 to 10."""
    scales = [point.get("scale") for point in points if isinstance(point, Mapping)]
    exponents = [scale.get("point") for scale in scales if isinstance(scale, Mapping)]
    known = {"sentinels": [0x8000], "limits": {"min": -10, "max": 10}}
    return [
        {**known, **point}
        if isinstance(point, Mapping) and point.get("name") in exponents and point.get("type") == "int16"
        else point
        for point in points
    ]
