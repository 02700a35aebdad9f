"""Signatures of acknowledgements: HMAC-SHA256 with a key for each store and edge. Pure, standard library.

The ingesters of a store hold its master key; an edge holds only the key that is derived from it for the edge.
So an edge can check what is for it, and cannot sign for another one.

A signed message is the JSON object of an acknowledgement with one more field at its end:

    {"qilu":1,"store":"plant-store",...,"mac":"64 hexadecimal digits"}
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable

_FIELD = b',"mac":"'
_END = b'"}'
_DIGITS = 64


def derive_key(master: str, store: str, edge: str) -> str:
    return hmac.digest(master.encode(), b"\0".join((b"qilu ack", *_encoded(store, edge))), "sha256").hex()


def sign(message: bytes, key: str, edge: str) -> bytes:
    """The acknowledgement for `edge` with its signature; `message` is a JSON object that is not empty."""
    return b"".join((message[:-1], _FIELD, _mac(message, key, edge), _END))


def is_signed(message: bytes) -> bool:
    """Whether there is a signature, right or wrong."""
    field = message[-len(_END) - _DIGITS - len(_FIELD) :]
    return field.startswith(_FIELD) and field.endswith(_END)


def verify(message: bytes, keys: Iterable[str], edge: str) -> bool:
    """Whether the message for `edge` is signed with one of the keys."""
    if not is_signed(message):
        return False
    signed = message[: -len(_END) - _DIGITS - len(_FIELD)] + b"}"
    signature = message[-len(_END) - _DIGITS : -len(_END)]
    return any(hmac.compare_digest(_mac(signed, key, edge), signature) for key in keys)


def _mac(message: bytes, key: str, edge: str) -> bytes:
    return hmac.digest(key.encode(), b"\0".join((*_encoded(edge), message)), "sha256").hex().encode()


def _encoded(*names: str) -> Iterable[bytes]:
    return (name.encode() for name in names)
