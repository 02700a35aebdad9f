"""Small files of the spool, pure: a JSON value behind a mark and its checksum, so that neither damage nor a
file of another format is read as a value.

    qilu1 CRC32-AS-HEX JSON
"""

from __future__ import annotations

import json
from typing import Any
from zlib import crc32

_MARK = b"qilu1"
"""The format and its version."""


def encode_note(value: object) -> bytes:
    body = json.dumps(value, ensure_ascii=False).encode()
    return b"%b %08x %b\n" % (_MARK, crc32(body), body)


def decode_note(data: bytes) -> Any:
    """The value in a text; None when it is damaged in any way."""
    mark, crc, body = (*data.rstrip().split(b" ", 2), b"", b"")[:3]
    if mark != _MARK or crc != b"%08x" % crc32(body):
        return None
    try:
        return json.loads(body)
    except ValueError:
        return None
