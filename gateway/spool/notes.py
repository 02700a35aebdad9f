"""Small files of the spool, pure: a JSON value behind its checksum, so that damage is never read as a value.

CRC32-AS-HEX JSON
"""

from __future__ import annotations

import json
from typing import Any
from zlib import crc32


def encode_note(value: object) -> bytes:
    """The text for a value that JSON has."""
    body = json.dumps(value, ensure_ascii=False).encode()
    return b"%08x %b\n" % (crc32(body), body)


def decode_note(data: bytes) -> Any:
    """The value in a text; None when it is damaged in any way."""
    crc, _, body = data.removesuffix(b"\n").partition(b" ")
    if crc != b"%08x" % crc32(body):
        return None
    try:
        return json.loads(body)
    except ValueError:
        return None
