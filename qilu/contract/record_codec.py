"""The bytes that carry readings: records, and the messages that join them.

A record is one poll as a JSON object, encoded once, before it is spooled:

    {"edge":"edge-1","device":"press-1","profile":"press","group":"fast","due_ms":1764000000000,
     "readings":[{"t":1764000000012,"v":{"force":81.5,"oil_level":null},"q":{"oil_level":"timeout"}}]}

`v` names every expected point; a bad one is null and has its reason in `q`. `enterprise`, `site` and `line`
stand beside `edge` where they are given. A message joins the finished bytes of records:

    {"qilu":1,"stream":"9f3c0a1be2d4567f","offsets":"7-9,12","records":[{...},{...},{...},{...}]}

Its head has exactly this form, without blanks, so that the records can be named without decoding the body.
A gateway that checks signatures adds the epoch of its spool: {"qilu":1,"stream":"...","epoch":3,"offsets":...
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from qilu.contract.ack_codes import AckCode, Refusal, RefusalError
from qilu.contract.errors import DataError
from qilu.contract.known_columns import KnownColumns
from qilu.contract.limits import MAX_NAME, MAX_POINTS, MAX_RECORDS
from qilu.contract.ranges import IntervalSet
from qilu.contract.reading import Poll, Reading, Reason, Value

VERSION = 1
_HEAD = re.compile(
    rb'\{"qilu":1,"stream":"([0-9a-f]{16})",(?:"epoch":([0-9]{1,18}),)?"offsets":"([0-9,-]{1,38000})","records":'
)
"""A run has 37 digits and a comma at most, and there are MAX_RECORDS of them at most."""
_ANY_VERSION = re.compile(rb'\{"qilu":([0-9]{1,9})[,}]')


class UnknownVersionError(DataError):
    """The message is ours but newer: leave it unanswered, so that a rolling upgrade loses nothing."""


class _Reading(msgspec.Struct, omit_defaults=True):
    t: int
    v: dict[str, Value]
    q: dict[str, str] = {}


class _Record(msgspec.Struct, omit_defaults=True):
    edge: str
    device: str
    profile: str
    group: str
    due_ms: int
    readings: list[_Reading]
    enterprise: str = ""
    site: str = ""
    line: str = ""


MALFORMED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What a decoder may raise about bytes of strangers; too deep a nesting is one way to be wrong."""

_REASONS = {str(reason): reason for reason in Reason}
"""What only a newer edge knows is taken for `undecodable`: no record must be refused for that."""

_encoder = msgspec.json.Encoder()
_record_decoder = msgspec.json.Decoder(_Record)
_list_decoder = msgspec.json.Decoder(list[msgspec.Raw])


def encode_record(poll: Poll) -> bytes:
    columns = poll.readings[0].columns
    origin = columns.origin
    return _encoder.encode(
        _Record(
            origin.edge,
            origin.device,
            origin.profile,
            columns.group,
            poll.due_ms,
            [_plain(reading) for reading in poll.readings],
            origin.enterprise,
            origin.site,
            origin.line,
        )
    )


def _plain(reading: Reading) -> _Reading:
    points = reading.columns.points
    values = dict(zip(points, reading.values, strict=True))
    if not reading.reasons:
        return _Reading(reading.time_ms, values)
    return _Reading(reading.time_ms, values, {points[i]: why for i, why in sorted(reading.reasons.items())})


def decode_record(record: bytes | memoryview | msgspec.Raw, *, edge: str | None = None) -> Poll:
    """The poll of a record; DataError when the bytes are not one, or one of another edge than `edge`."""
    try:
        plain = _record_decoder.decode(record)
    except MALFORMED as error:
        raise DataError(f"record: {error}") from error
    if not plain.readings or not (plain.edge and plain.device and plain.profile):
        raise DataError("record: edge, device, profile and at least one reading are needed")
    if edge is not None and plain.edge != edge:
        text = f"record: of edge {plain.edge[:MAX_NAME]!r}, sent by {edge!r}"
        raise RefusalError(Refusal(AckCode.WRONG_EDGE, text))
    if len(plain.readings) > MAX_POINTS or sum([len(reading.v) for reading in plain.readings]) > MAX_POINTS:
        raise DataError(f"record: more than {MAX_POINTS} readings or values")
    names = (plain.edge, plain.device, plain.profile, plain.enterprise, plain.site, plain.line, plain.group)
    return Poll(plain.due_ms, tuple([_reading(names, reading) for reading in plain.readings]))


def _reading(names: tuple[str, str, str, str, str, str, str], plain: _Reading) -> Reading:
    columns = _known.get((*names, tuple(plain.v)))
    values = tuple(plain.v.values())
    if not plain.q and None not in values:
        return Reading(columns, plain.t, values)
    reasons = {
        index: _REASONS.get(plain.q.get(point, ""), Reason.UNDECODABLE)
        for index, (point, value) in enumerate(plain.v.items())
        if value is None or point in plain.q
    }
    if not plain.q.keys() <= plain.v.keys():
        raise DataError("record: `q` names a point that `v` has not")
    return Reading(columns, plain.t, values, reasons)


_known = KnownColumns()


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a message: whose records these are, and where the list of them starts."""

    stream: int
    offsets: IntervalSet
    body: int
    epoch: int = 0


def encode_message(
    stream: int, offsets: IntervalSet, records: Sequence[bytes], epoch: int | None = None
) -> bytes:
    """One message around the records of `offsets`, in their rising order."""
    of_epoch = "" if epoch is None else f'"epoch":{epoch},'
    head = f'{{"qilu":{VERSION},"stream":"{stream:016x}",{of_epoch}"offsets":"{offsets}","records":['
    return b"".join((head.encode(), b",".join(records), b"]}"))


def read_head(message: bytes) -> Head:
    """The head of a message; UnknownVersionError or DataError when it cannot be read."""
    match = _HEAD.match(message)
    if match is None:
        version = _ANY_VERSION.match(message)
        if version is not None and int(version[1]) != VERSION:
            raise UnknownVersionError(f"message of version {int(version[1])}; this program knows {VERSION}")
        raise DataError(f"not a message of records: it starts with {message[:60]!r}")
    if match[3].count(b",") >= MAX_RECORDS:
        raise DataError(f"message of more than {MAX_RECORDS} records")
    offsets = IntervalSet.parse(match[3].decode())
    if len(offsets) > MAX_RECORDS:
        raise DataError(f"message of {len(offsets)} records; the limit is {MAX_RECORDS}")
    return Head(int(match[1], 16), offsets, match.end(), int(match[2] or 0))


def split_body(message: bytes, head: Head) -> list[msgspec.Raw]:
    """The records of a message, still encoded, one per offset; DataError when the body is not such a list."""
    if not message.endswith(b"]}"):
        raise DataError("body: cut off")
    try:
        records = _list_decoder.decode(memoryview(message)[head.body : -1])
    except MALFORMED as error:
        raise DataError(f"body: {error}") from error
    if len(records) != len(head.offsets):
        raise DataError(f"body: {len(records)} records for {len(head.offsets)} offsets")
    return records
