"""Spells out what stands in the registers several times: arrays of one point, structures of several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from qilu.contract.profile.flags import flag_names
from qilu.contract.profile.types import MAX_COPIES, DataType, is_whole

_Raw = dict[str, Any]
_COPYING = ("count", "stride", "suffixes")


def elements(raw: Mapping[str, Any]) -> list[_Raw] | None:
    """The points of an array; None where `raw` is none, or an odd one."""
    copies = _copies(raw, _size(raw))
    return None if copies is None else [_copy(raw, suffix, shift) for suffix, shift in copies]


def structures(raw: Any) -> list[tuple[int, _Raw]] | None:
    """The points of every copy of a structure, one copy after the other, each with its index in the first;
    None where `raw` is odd. Those that are arrays still are."""
    points = raw.get("points") if isinstance(raw, Mapping) else None
    if not isinstance(points, list | tuple) or not points or set(raw) - {"points", *_COPYING}:
        return None
    copies = _copies(raw, None)
    if copies is None or not all(isinstance(point, Mapping) for point in points):
        return None
    structures = []
    for suffix, shift in copies:
        renamed = _renamed(points, suffix)
        for index, point in enumerate(points):
            copy = _copy(point, suffix, shift) | {key: point[key] for key in _COPYING if key in point}
            structures.append((index, _referring(copy, renamed)))
    return structures


def _copies(raw: Mapping[str, Any], size: int | None) -> list[tuple[str, int]] | None:
    """Suffix and shift of each copy; `size` is the stride where `raw` has none."""
    suffixes, stride = _suffixes(raw), raw.get("stride")
    if stride is None:
        stride = size
    if suffixes is None or not is_whole(stride) or not 1 <= stride <= 65535:
        return None
    return [(suffix, stride * number) for number, suffix in enumerate(suffixes)]


def _suffixes(raw: Mapping[str, Any]) -> list[str] | None:
    count, suffixes = raw.get("count"), raw.get("suffixes")
    if suffixes is None:
        if not is_whole(count) or not 1 <= count <= MAX_COPIES:
            return None
        return [str(number) for number in range(1, count + 1)]
    if not isinstance(suffixes, list | tuple) or not 1 <= len(suffixes) <= MAX_COPIES:
        return None
    if count not in (None, len(suffixes)) or not all(
        isinstance(suffix, str) or is_whole(suffix) for suffix in suffixes
    ):
        return None
    return [str(suffix) for suffix in suffixes]


def _copy(raw: Mapping[str, Any], suffix: str, shift: int) -> _Raw:
    copy = {key: value for key, value in raw.items() if key not in _COPYING}
    if isinstance(name := raw.get("name"), str):
        copy["name"] = f"{name}_{suffix}"
    if is_whole(address := raw.get("address")):
        copy["address"] = address + shift
    if (label := raw.get("label")) is not None:
        copy["label"] = _numbered(label, suffix)
    return copy


def _numbered(label: Any, suffix: str) -> Any:
    """A label with the suffix of the copy, as each language writes it."""
    if isinstance(label, str):
        return f"{label} {suffix}"
    if not isinstance(label, Mapping):
        return label
    return {
        key: f"{text}{'' if key == 'zh' else ' '}{suffix}" if isinstance(text, str) and text else text
        for key, text in label.items()
    }


def _size(raw: Mapping[str, Any]) -> int | None:
    """The addresses of one element; None where the file does not have them."""
    if raw.get("table") in ("coil", "discrete"):
        return 1
    kind = raw.get("type")
    if raw.get("words") or raw.get("weights"):
        return None
    if raw.get("address_bits") in (32, 64):
        return 1
    if kind in (DataType.STRING, DataType.MOD10K):
        return raw.get("length")
    return DataType(kind).registers if isinstance(kind, str) and kind in list(DataType) else None


def _renamed(points: Sequence[Mapping[str, Any]], suffix: str) -> dict[str, str]:
    """The names in a structure -> those in one of its copies, of elements of arrays in it and flags too."""
    renamed: dict[str, str] = {}
    for point in points:
        name = point.get("name")
        if not isinstance(name, str):
            continue
        inner = _suffixes(point)
        ends = [""] if inner is None else [f"_{ending}" for ending in inner]
        ends += [f"{end}_{flag}" for end in ends for flag in flag_names(point)]
        renamed |= {f"{name}{end}": f"{name}_{suffix}{end}" for end in ends}
    return renamed


def _referring(raw: _Raw, renamed: Mapping[str, str]) -> _Raw:
    """Refers to the points of its own copy."""
    alias, scale = raw.get("overlaps"), raw.get("scale")
    if isinstance(alias, str):
        raw["overlaps"] = renamed.get(alias, alias)
    if isinstance(scale, Mapping) and isinstance(scale.get("point"), str):
        raw["scale"] = {**scale, "point": renamed.get(scale["point"], scale["point"])}
    return raw
