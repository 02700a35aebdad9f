"""The bytes of one segment file, pure: how records are laid out, and how they are found again after damage.

    segment = header record*
    header  = "qilusp" version:u16 stream:u64 first:u64 created_ms:u64 boot:16 edge:128 crc32:u32
    record  = MARK length:u32 number:u32 crc32(body):u32 crc32(the 16 bytes before):u32 body

Numbers are little endian; `edge` is UTF-8, filled up with zero bytes.

- `first` is the offset of the segment's first record; a record's offset is `first + number`.
- The crc of a record's head starts from the segment's key (its stream and first offset), so that neither a
  stray block of another segment nor a record inside a body is ever taken for one of this segment.
- A head that holds is trusted for its length: a damaged body costs that one record. A head that does not
  costs everything up to the next one that does, which is searched by its mark.
- What follows the last whole record is a torn tail; nothing in it was ever promised.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID
from zlib import crc32

from gateway.interfaces import StreamOrigin

SEGMENT, QUARANTINE, REQUEUED = ".segment", ".quarantine", ".requeued"
"""How the names of segment files end: records to be sent, records set aside, and those to be sent again.

A record of the latter two has a line before its body with the reason, and the name under which it was set
aside.
"""
VERSION = 1
MAGIC = b"qilusp"
MARK = b"\xf5\xfaq\xff"  # three of these bytes never occur in UTF-8, so never in a JSON body

MAX_EDGE_BYTES = 128
"""Bytes of UTF-8 that the name of an edge may have."""

_HEADER = struct.Struct(f"<6sHQQQ16s{MAX_EDGE_BYTES}s")
_HEAD = struct.Struct("<4sIII")
_KEY = struct.Struct("<QQ")
_CRC = struct.Struct("<I")
_pack_head, _pack_crc = _HEAD.pack, _CRC.pack

HEADER_SIZE = _HEADER.size + _CRC.size
HEAD_SIZE = _HEAD.size + _CRC.size


@dataclass(frozen=True, slots=True)
class Header:
    """Describes a segment; `created_ms` is UTC by the clock of that moment, right or wrong."""

    stream: int
    first: int
    created_ms: int
    origin: StreamOrigin
    version: int = VERSION


def encode_header(header: Header) -> bytes:
    """The first HEADER_SIZE bytes of a segment."""
    edge, boot = header.origin.edge.encode(), header.origin.boot.bytes
    numbers = header.version, header.stream, header.first, header.created_ms
    packed = _HEADER.pack(MAGIC, *numbers, boot, edge)
    return packed + _pack_crc(crc32(packed))


def decode_header(data: bytes) -> Header | None:
    """The header at the begin of `data`; None when it is cut off, damaged or something else.

    A header of another version is returned when it can be read that far: its records must be left alone.
    """
    if len(data) < HEADER_SIZE:
        return None
    magic, version, stream, first, created_ms, boot, edge = _HEADER.unpack_from(data)
    if magic != MAGIC or _CRC.unpack_from(data, _HEADER.size)[0] != crc32(data[: _HEADER.size]):
        return None
    origin = StreamOrigin(edge.rstrip(b"\0").decode("utf-8", "replace"), UUID(bytes=boot))
    return Header(stream, first, created_ms, origin, version)


def key_of(stream: int, first: int) -> int:
    """What the crc of every record head of this segment starts from."""
    return crc32(_KEY.pack(stream, first))


def encode_record(key: int, number: int, body: bytes) -> bytes:
    """One record of the segment that `key` belongs to."""
    head = _pack_head(MARK, len(body), number, crc32(body))
    return head + _pack_crc(crc32(head, key)) + body


class ScannedRecord(NamedTuple):
    """One record of a segment and the positions in the file where it begins and ends."""

    number: int
    start: int
    end: int
    body: bytes | None
    """None when its bytes are damaged."""


class Scanner:
    """Finds the records in the bytes of one segment, which are fed in order in pieces of any size.

    The first byte fed stands at `position` of the file and is the begin of a record (or of damage).
    """

    def __init__(self, key: int, position: int = HEADER_SIZE) -> None:
        self._key = key
        self._data = b""
        self._base = position  # where self._data begins in the file
        self._at = 0
        self.skipped = 0
        """Bytes passed over because no record could be made out in them."""

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the file."""
        self._data = self._data[self._at :] + data if self._at < len(self._data) else data
        self._base += self._at
        self._at = 0

    @property
    def position(self) -> int:
        """Where in the file the first byte stands that is not yet accounted for."""
        return self._base + self._at

    @property
    def unparsed(self) -> int:
        """Bytes fed and not yet accounted for; at the end of the file this is its torn tail."""
        return len(self._data) - self._at

    def next(self) -> ScannedRecord | None:
        """The next record, or None when more bytes are needed for it."""
        data = self._data
        while True:
            at = self._at
            body_at = at + HEAD_SIZE
            if body_at > len(data):
                return None
            mark, length, number, body_crc = _HEAD.unpack_from(data, at)
            if mark == MARK and _CRC.unpack_from(data, at + 16)[0] == crc32(data[at : at + 16], self._key):
                end = body_at + length
                if end > len(data):
                    return None
                self._at = end
                body = data[body_at:end]
                return ScannedRecord(
                    number, self._base + at, self._base + end, body if crc32(body) == body_crc else None
                )
            self._skip_to_mark()

    def _skip_to_mark(self) -> None:
        mark_at = self._data.find(MARK, self._at + 1)
        # without a mark the last bytes may still be the begin of one
        to = mark_at if mark_at >= 0 else max(self._at + 1, len(self._data) - len(MARK) + 1)
        self.skipped += to - self._at
        self._at = to
