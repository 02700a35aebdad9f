"""Changes real messages at random: extreme numbers, times and names, broken bytes."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from random import Random

from qilu.contract.ranges import IntervalSet
from qilu.contract.reading import BlockSchema, Origin, Poll, Reading, Reason, Value
from qilu.contract.record_codec import encode_message, encode_record

_NEAR = [2**bits + more for bits in (31, 53, 63, 64, 70) for more in (-1, 0, 1)]
_INTEGERS = [
    *_NEAR, *(-number for number in _NEAR), -(2**63) + 59_999, 9_223_372_036_854, 9_223_372_036_855,
    253_402_300_800_000, 10**19, 10**400, -(10**400),
]  # fmt: skip
NUMBERS = [
    *map(str, _INTEGERS), "0", "-0", "-1", "-0.0", "1e290", "1.0000001e290", "1.7976931348623157e308",
    "-1.7976931348623157e308", "1e308", "5e-324", "1e-400", "1e400", "0.1", "1E+2", "00", "NaN", "Infinity",
    "null", "true", '""', "[]", "{}", "9" * 5000, "0." + "9" * 5000, "1e" + "9" * 400,
]  # fmt: skip
TEXTS = [
    "", " ", ".", "time", "device", "__name__", "a__q", "a__text", "_", "a_b", "x" * 128, "x" * 129,
    "x" * 70_000, "温度", "\\u0000", "\\ud800", "\\u202e", "\\u009b", "\\n", "\\\\", "\\\"", "a,b=c d",
    "'; DROP TABLE readings; --", "$[0]", "%s", "{}", "flood", "honest", "timeout", "struck_by_lightning",
    "0", "1-2", "5-3", "0-999999999999999999",
]  # fmt: skip
_NUMBER = re.compile(rb"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|null|true|false")
_TEXT = re.compile(rb'"(?:[^"\\]|\\.)*"')


def message(edge: str, stream: int, first: int, count: int, time_ms: int) -> bytes:
    """One message as a gateway sends it: numbers, a bool, a text, a bad and an uncertain value."""
    values: tuple[Value, ...] = (81.5, 7, True, "running", None, 5.25)
    points = ("force", "state", "running", "note", "oil", "level")
    columns = BlockSchema(Origin(edge, f"{edge}-press", "press", "泉城", "jinan", "line-a"), "fast", points)
    reasons = {4: Reason.TIMEOUT, 5: Reason.CLOCK_UNCERTAIN}
    records = [
        encode_record(Poll(time_ms + number, (Reading(columns, time_ms + number, values, reasons),)))
        for number in range(first, first + count)
    ]
    return encode_message(stream, IntervalSet([(first, first + count - 1)]), records)


def mutated(payload: bytes, chance: Random) -> bytes:
    """`payload` with one to four changes."""
    for _ in range(chance.randint(1, 4)):
        payload = chance.choices(_CHANGES, _WEIGHTS)[0](payload, chance)
    return payload


def _number(payload: bytes, chance: Random) -> bytes:
    return _replaced(payload, list(_NUMBER.finditer(payload)), chance.choice(NUMBERS).encode(), chance)


def _text(payload: bytes, chance: Random) -> bytes:
    text = f'"{chance.choice(TEXTS)}"'.encode()
    return _replaced(payload, list(_TEXT.finditer(payload)), text, chance)


def _replaced(payload: bytes, found: Sequence[re.Match[bytes]], text: bytes, chance: Random) -> bytes:
    if not found:
        return payload
    place = chance.choice(found)
    return payload[: place.start()] + text + payload[place.end() :]


def _bytes(payload: bytes, chance: Random) -> bytes:
    at, length = chance.randint(0, len(payload)), chance.randint(0, 8)
    return payload[:at] + chance.randbytes(chance.randint(0, 8)) + payload[at + length :]


def _twice(payload: bytes, chance: Random) -> bytes:
    begin = chance.randint(0, len(payload))
    end = min(begin + chance.randint(0, 400), len(payload))
    return payload[:end] + payload[begin:end] * chance.randint(1, 30) + payload[end:]


def _cut(payload: bytes, chance: Random) -> bytes:
    return payload[: chance.randint(0, len(payload))]


def _deep(payload: bytes, chance: Random) -> bytes:
    place = chance.randint(0, len(payload))
    depth = chance.choice((10, 1000, 20_000))
    return payload[:place] + chance.choice((b"[", b'{"a":')) * depth + payload[place:]


_CHANGES: tuple[Callable[[bytes, Random], bytes], ...] = (_number, _text, _bytes, _twice, _cut, _deep)
_WEIGHTS = (10, 8, 4, 2, 1, 1)
