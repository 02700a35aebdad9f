"""The small messages beside the readings: answers of ingesters, their announcements, the status of edges."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from qilu.contract.errors import DataError
from qilu.contract.ranges import Ranges
from qilu.contract.wire import MALFORMED, VERSION, UnknownVersionError

_encoder = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Answer:
    """What one ingester says of the records of one stream.

    `stored`: readable in the store. `durable`: will survive its crash, the edge may forget (implies stored).
    `rejected`: offset -> why the store will never take it; the edge puts it aside and goes on.
    """

    store: str
    ingester: str
    stream: int
    stored: Ranges = field(default_factory=Ranges)
    durable: Ranges = field(default_factory=Ranges)
    rejected: Mapping[int, str] = field(default_factory=dict)


class _Answer(msgspec.Struct, omit_defaults=True):
    qilu: int
    store: str
    ingester: str
    stream: str
    stored: str = ""
    durable: str = ""
    rejected: dict[str, str] = {}


_answer_decoder = msgspec.json.Decoder(_Answer)


def encode_answer(answer: Answer) -> bytes:
    """An answer as one JSON object."""
    rejected = {str(offset): reason for offset, reason in answer.rejected.items()}
    return _encoder.encode(
        _Answer(
            VERSION,
            answer.store,
            answer.ingester,
            f"{answer.stream:016x}",
            str(answer.stored),
            str(answer.durable),
            rejected,
        )
    )


def decode_answer(message: bytes) -> Answer:
    """The answer in a message; DataError when it is not one, or of another version."""
    try:
        plain = _answer_decoder.decode(message)
        stream = int(plain.stream, 16)
        rejected = {_offset(text): reason for text, reason in plain.rejected.items()}
    except (*MALFORMED, ValueError) as error:
        raise DataError(f"answer: {error}") from error
    if plain.qilu != VERSION:
        raise UnknownVersionError(f"answer of version {plain.qilu}; this program knows {VERSION}")
    stored, durable = Ranges.parse(plain.stored), Ranges.parse(plain.durable)
    return Answer(plain.store, plain.ingester, stream, stored, durable, rejected)


def _offset(text: str) -> int:
    """One offset, under the rules of Ranges.parse."""
    offsets = Ranges.parse(text)
    if len(offsets) != 1:
        raise DataError(f"answer: {text[:40]!r} is not one offset")
    return offsets.first()


class Announcement(msgspec.Struct, frozen=True):
    """Retained by an ingester while it runs: which store it fills, and after how long (s) that is durable."""

    ingester: str
    store: str
    horizon: float
    qilu: int = VERSION


class Status(msgspec.Struct, frozen=True):
    """Retained by an edge: `state` is online or offline; `boot` tells one run of it from the next."""

    edge: str
    state: str
    boot: str
    since_ms: int
    qilu: int = VERSION


_announcement_decoder = msgspec.json.Decoder(Announcement)
_status_decoder = msgspec.json.Decoder(Status)


def encode_notice(notice: Announcement | Status) -> bytes:
    """A retained notice as one JSON object."""
    return _encoder.encode(notice)


def decode_announcement(message: bytes) -> Announcement:
    """The announcement in a message; DataError when it is not one."""
    try:
        return _announcement_decoder.decode(message)
    except MALFORMED as error:
        raise DataError(f"announcement: {error}") from error


def decode_status(message: bytes) -> Status:
    """The status in a message; DataError when it is not one."""
    try:
        return _status_decoder.decode(message)
    except MALFORMED as error:
        raise DataError(f"status: {error}") from error
