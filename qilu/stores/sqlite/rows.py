"""How values, reasons and summaries stand in the rows of a store file. Pure.

Rows are read leniently: a store may have rows from before the limits of `qilu.contract.limits`, or rows that
were edited by hand. What cannot be read is no value, and no other value is lost for it.
"""

from __future__ import annotations

import msgspec

from qilu.contract.reading import Reason, Value
from qilu.contract.record_codec import MALFORMED
from qilu.stores.interval_summaries import Summary

_values = msgspec.json.Decoder(list[Value]).decode
_reasons = msgspec.json.Decoder(dict[int, Reason]).decode
_points = msgspec.json.Decoder(list[str]).decode
_summaries = msgspec.json.Decoder(list[Summary]).decode
_encode = msgspec.json.Encoder().encode


def encode(what: object) -> str:
    return _encode(what).decode()


def decode_points(text: str) -> list[str]:
    """The names of a row of columns; none where it cannot be read."""
    try:
        return _points(text)
    except MALFORMED:
        return []


def decode_values(text: str) -> list[Value]:
    """The values of a reading; none where it cannot be read."""
    try:
        return _values(text)
    except MALFORMED:
        return []


def decode_reasons(text: str | None) -> dict[int, Reason]:
    """Index -> why a value is not good; reasons that are not known are undecodable."""
    if not text:
        return {}
    try:
        return _reasons(text)
    except MALFORMED:
        return _lenient_reasons(text)


def decode_summaries(text: str) -> list[Summary] | None:
    """One summary for each point; None where they cannot be read, and have to be made from the readings."""
    try:
        return _summaries(text)
    except MALFORMED:
        return None


def value_at(values: list[Value], index: int) -> Value:
    """The value of a point; None where the row is too short."""
    return values[index] if index < len(values) else None


def _lenient_reasons(text: str) -> dict[int, Reason]:
    try:
        decoded = msgspec.json.decode(text, type=dict[int, object])
    except MALFORMED:
        return {}
    known = {str(reason): reason for reason in Reason}
    return {index: known.get(str(reason), Reason.UNDECODABLE) for index, reason in decoded.items()}
