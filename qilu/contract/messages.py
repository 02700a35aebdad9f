"""The small messages beside the readings: answers of ingesters, their announcements, the status of edges."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from qilu.contract.ack_codes import AckCode, Family, Refusal
from qilu.contract.errors import DataError
from qilu.contract.ranges import IntervalSet
from qilu.contract.record_codec import MALFORMED, VERSION, UnknownVersionError

_encoder = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Ack:
    """One acknowledgement: what became of records of one stream in the store of one ingester.

    `stored`: readable in the store. `durable`: will survive its crash, the edge may forget (implies stored).
    `rejected`: offset -> why no store will ever take it; the edge sets it aside and goes on. `deferred`: not
    stored for a cause that can be removed; the edge keeps these and sends them again later.
    """

    store: str
    ingester: str
    stream: int
    stored: IntervalSet = field(default_factory=IntervalSet)
    durable: IntervalSet = field(default_factory=IntervalSet)
    rejected: Mapping[int, Refusal] = field(default_factory=dict)
    deferred: Mapping[AckCode, IntervalSet] = field(default_factory=dict)
    epoch: int = 0
    """That of the spool, as the messages of these records had it."""


class _AckPayload(msgspec.Struct, omit_defaults=True):
    qilu: int
    store: str
    ingester: str
    stream: str
    stored: str = ""
    durable: str = ""
    rejected: dict[str, str] = {}
    deferred: dict[str, str] = {}
    epoch: int = 0


_ack_decoder = msgspec.json.Decoder(_AckPayload)


def encode_ack(ack: Ack) -> bytes:
    rejected = {str(offset): str(refusal) for offset, refusal in ack.rejected.items()}
    deferred = {str(offsets): code.value for code, offsets in ack.deferred.items()}
    return _encoder.encode(
        _AckPayload(
            VERSION,
            ack.store,
            ack.ingester,
            f"{ack.stream:016x}",
            str(ack.stored),
            str(ack.durable),
            rejected,
            deferred,
            ack.epoch,
        )
    )


def decode_ack(message: bytes) -> Ack:
    """The answer in a message; DataError when it is not one, or of another version."""
    try:
        plain = _ack_decoder.decode(message)
        stream = int(plain.stream, 16)
        refused = {_offset(text): Refusal.parse(line) for text, line in plain.rejected.items()}
        deferred = _by_code(plain.deferred)
    except (*MALFORMED, ValueError) as error:
        raise DataError(f"acknowledgement: {error}") from error
    if plain.qilu != VERSION:
        raise UnknownVersionError(f"acknowledgement of version {plain.qilu}; this program knows {VERSION}")
    stored, durable = IntervalSet.parse(plain.stored), IntervalSet.parse(plain.durable)
    for offset, refusal in refused.items():  # a code that this program does not know, or knows better
        if refusal.family is Family.DEFERRED:
            deferred.setdefault(refusal.code, IntervalSet()).add(offset)
    rejected = {o: refusal for o, refusal in refused.items() if refusal.family is Family.REJECTED}
    return Ack(plain.store, plain.ingester, stream, stored, durable, rejected, deferred, plain.epoch)


def _by_code(deferred: Mapping[str, str]) -> dict[AckCode, IntervalSet]:
    offsets: dict[AckCode, IntervalSet] = {}
    for text, code in deferred.items():
        offsets.setdefault(AckCode(code), IntervalSet()).update(IntervalSet.parse(text))
    return offsets


def _offset(text: str) -> int:
    """One offset, under the rules of Ranges.parse."""
    offsets = IntervalSet.parse(text)
    if len(offsets) != 1:
        raise DataError(f"acknowledgement: {text[:40]!r} is not one offset")
    return offsets.first()


class Announcement(msgspec.Struct, frozen=True):
    """Retained by an ingester while it runs: which store it fills, and after how long (s) that is durable.

    `run` tells one run of an ingester from the next.
    """

    ingester: str
    store: str
    durability_delay_s: float
    run: str = ""
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
