"""Spells out flags: the bits of an integer that have names become bool points of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qilu.contract.profile.types import DataType, is_whole


def bits_named_in(raw: Mapping[str, Any]) -> list[tuple[int, dict[str, Any]]] | None:
    """Each bit with a name and its point, as a file would have it; None where that is odd."""
    flags = raw.get("flags", {})
    if not isinstance(flags, Mapping):
        return None
    bits = _bits(raw)
    if not all(_is_flag(bit, flag, bits) for bit, flag in flags.items()):
        return None
    return [
        (bit, _flag(raw, bit, {"name": flag} if isinstance(flag, str) else flag))
        for bit, flag in flags.items()
    ]


def flag_names(raw: Mapping[str, Any]) -> list[str]:
    """The names of the flags, without that of their integer."""
    flags = raw.get("flags")
    entries = flags.values() if isinstance(flags, Mapping) else ()
    names = [flag.get("name") if isinstance(flag, Mapping) else flag for flag in entries]
    return [name for name in names if isinstance(name, str)]


def _bits(raw: Mapping[str, Any]) -> int:
    """How many bits it has that can be flags; 0 where it can have none."""
    if any(raw.get(key) for key in ("bits", "sign", "words", "weights", "address_bits")):
        return 0
    kind, is_placed = raw.get("type"), isinstance(raw.get("name"), str) and is_whole(raw.get("address"))
    if not is_placed or raw.get("access") == "write" or raw.get("table") in ("coil", "discrete"):
        return 0
    if not isinstance(kind, str) or kind not in list(DataType):
        return 0
    integer = DataType(kind)
    return integer.bits if integer.is_integer and not (integer.is_bcd or integer.is_pattern) else 0


def _is_flag(bit: object, flag: object, bits: int) -> bool:
    name = flag.get("name") if isinstance(flag, Mapping) else flag
    return isinstance(name, str) and is_whole(bit) and 0 <= bit < bits


def _flag(raw: Mapping[str, Any], bit: int, flag: Mapping[str, Any]) -> dict[str, Any]:
    registers = DataType(raw["type"]).registers
    word = bit // 16 ^ _SHORTEST_WORD.get(str(raw.get("word_order", "big")), 0) & (registers - 1)
    derived = {
        "label": {"en": flag["name"].replace("_", " ").capitalize()},
        **flag,
        "name": f"{raw['name']}_{flag['name']}",
        "type": "bool",
        "address": raw["address"] + word,
        "bit": bit % 16 + (8 if raw.get("byte") == "high" else 0),
        "kind": "state",
        "overlaps": raw["name"],
    }
    return derived | {key: raw[key] for key in ("table", "byte_order", "group") if key in raw}


_SHORTEST_WORD = {"big": 3, "little": 0, "big_swapped": 2, "little_swapped": 1}
"""Where the least significant word of 64 bits stands; the lowest bit gives it for 32 bits, no bit for 16."""
