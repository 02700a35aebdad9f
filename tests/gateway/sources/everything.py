"""Equipment that holds every encoding in every order: its profile, its registers, and what has to be read.

The registers are worked out with `struct` and by hand, never with our codec.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

from qilu.contract.profile import DeviceProfile

SIZE = 600
"""Addresses of each table."""

NUMBERS: Mapping[str, tuple[str, Any]] = {
    "uint16": ("H", 54321),
    "int16": ("h", -12345),
    "uint32": ("I", 3_456_789_012),
    "int32": ("i", -1_456_789_012),
    "uint64": ("Q", 8_765_432_109_876_543_210),
    "int64": ("q", -8_765_432_109_876_543_210),
    "float32": ("f", struct.unpack(">f", struct.pack(">f", 231.57))[0]),
    "float64": ("d", -0.1234567890123),
}
"""Type -> how struct writes it, and a value whose bytes are all different."""

BYTES = {"uint8": 0xA7, "int8": -89}
BCD = {"bcd16": (1234, [0x1234]), "bcd32": (12345678, [0x1234, 0x5678])}
TEXT = b"QILU-2026/7\0"
PACKED = {
    "both": [word for (word,) in struct.iter_unpack(">H", TEXT)],
    "high": [byte << 8 | 0x2A for byte in TEXT],
    "low": [0x2A00 | byte for byte in TEXT],
}


def words_of(kind: str, byte_order: str, word_order: str) -> list[int]:
    """The registers of the number of this type."""
    code, value = NUMBERS[kind]
    words = [word[0] for word in struct.iter_unpack(">H", struct.pack(f">{code}", value))]
    if word_order.startswith("little"):
        words.reverse()
    if word_order.endswith("_swapped"):
        words = [words[1], words[0], words[3], words[2]]
    if byte_order == "little":
        words = [word >> 8 | (word & 0xFF) << 8 for word in words]
    return words


class _Map:
    """Collects points one behind the other, with gaps of differing length."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.image: dict[str, dict[int, int]] = {"coil": {}, "discrete": {}, "input": {}, "holding": {}}
        self.expected: dict[str, Any] = {}
        self._next = {"input": 3, "holding": 3}

    def add(self, table: str, name: str, words: list[int], **keys: Any) -> None:
        """A point of these registers; what it should read is said by `expect`."""
        address = self._next[table]
        self._next[table] += len(words) + address % 3
        assert address + len(words) <= SIZE
        self.rows.append({"name": f"{table}_{name}", "table": table, "address": address, **keys})
        self.image[table] |= {address + place: word for place, word in enumerate(words)}

    def expect(self, table: str, name: str, value: Any) -> None:
        self.expected[f"{table}_{name}"] = value


def equipment() -> tuple[DeviceProfile, dict[str, dict[int, int]], dict[str, Any]]:
    """Every type in every order, in both tables of registers, and bits.

    The profile, the raw image of the four tables, and the value of each point.
    """
    made = _Map()
    for table in ("input", "holding"):
        _numbers(made, table)
        _others(made, table)
    for table in ("coil", "discrete"):
        for address in (0, 1, 2, 9, 17, 300):
            row = {"name": f"{table}_{address}", "table": table, "address": address, "type": "bool"}
            made.rows.append(row)
            made.image[table][address] = address % 2 if table == "coil" else 1 - address % 2
            made.expected[f"{table}_{address}"] = bool(made.image[table][address])
    profile = DeviceProfile.model_validate({"profile": "everything", "points": made.rows})
    return profile, made.image, made.expected


def _numbers(made: _Map, table: str) -> None:
    for kind, (code, value) in NUMBERS.items():
        swapped = ("big_swapped", "little_swapped") if struct.calcsize(code) == 8 else ()
        for byte_order in ("big", "little"):
            for word_order in ("big", "little", *swapped):
                name = f"{kind}_{byte_order}_{word_order}"
                words = words_of(kind, byte_order, word_order)
                made.add(table, name, words, type=kind, byte_order=byte_order, word_order=word_order)
                made.expect(table, name, value)


def _others(made: _Map, table: str) -> None:
    for kind, value in BYTES.items():
        for byte, word in (("high", (value & 0xFF) << 8 | 0x11), ("low", 0x1100 | value & 0xFF)):
            made.add(table, f"{kind}_{byte}", [word], type=kind, byte=byte)
            made.expect(table, f"{kind}_{byte}", value)
    for kind, (number, words) in BCD.items():
        made.add(table, kind, words, type=kind)
        made.expect(table, kind, number)
    for packing, words in PACKED.items():
        made.add(table, f"text_{packing}", words, type="string", length=len(words), char_bytes=packing)
        made.expect(table, f"text_{packing}", TEXT.rstrip(b"\0").decode())
    made.add(table, "bit", [1 << 11], type="bool", bit=11)
    made.expect(table, "bit", True)
    made.add(table, "alarms", [0b101], type="uint16", flags={0: "hot", 1: "cold", 2: "door"})
    for name, value in {"alarms": 5, "alarms_hot": True, "alarms_cold": False, "alarms_door": True}.items():
        made.expect(table, name, value)
    made.add(table, "cells", [10, 20, 30], type="uint16", count=3, scale=0.5)
    for number in (1, 2, 3):
        made.expect(table, f"cells_{number}", 5.0 * number)
