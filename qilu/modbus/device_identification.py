"""Function 43/14: read a device's identification, in as many responses as it takes."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from struct import Struct
from typing import NamedTuple

from qilu.modbus.errors import IllegalAddress, IllegalFunction, IllegalValue, InvalidRequest, ProtocolError
from qilu.modbus.functions import MAX_PDU, MEI_IDENTITY, Function

_REQUEST = Struct(">BBBB")
_RESPONSE = Struct(">BBBBBBB")
_MORE, _NO_MORE = 0xFF, 0x00
MAX_OBJECT = MAX_PDU - _RESPONSE.size - 2  # bytes of one object's text


class Access(IntEnum):
    """How much is asked for; the first three are streams of objects, the last is a single one."""

    BASIC = 1  # vendor name, product code, revision: objects 0 to 2
    REGULAR = 2  # up to 0x7F
    EXTENDED = 3  # up to 0xFF
    SINGLE = 4


class ObjectId(IntEnum):
    """The objects that the specification names; 0x80 to 0xFF are the vendor's own."""

    VENDOR_NAME = 0
    PRODUCT_CODE = 1
    REVISION = 2
    VENDOR_URL = 3
    PRODUCT_NAME = 4
    MODEL_NAME = 5
    APPLICATION_NAME = 6


_LAST_OBJECT = {Access.BASIC: 0x02, Access.REGULAR: 0x7F, Access.EXTENDED: 0xFF, Access.SINGLE: 0xFF}


class ReadIdentity(NamedTuple):
    """Ask for objects from `object_id` on (a stream) or for just this one (Access.ONE)."""

    access: int = Access.BASIC
    object_id: int = 0

    def encode(self) -> bytes:
        if self.access not in _LAST_OBJECT or not 0 <= self.object_id <= 0xFF:
            raise InvalidRequest(f"identity access {self.access}, object {self.object_id}: 1 to 4, 0 to 255")
        return _REQUEST.pack(Function.READ_IDENTITY, MEI_IDENTITY, self.access, self.object_id)

    @classmethod
    def parse(cls, pdu: bytes) -> ReadIdentity:
        if len(pdu) < 2 or pdu[1] != MEI_IDENTITY:
            raise IllegalFunction("function 43 of another kind than 14")
        if len(pdu) != _REQUEST.size or pdu[2] not in _LAST_OBJECT:
            raise IllegalValue("a request of function 43/14 has four bytes and asks for access 1 to 4")
        return cls(pdu[2], pdu[3])


class Identity(NamedTuple):
    """One response: objects by id, and the object to ask for next where there is more."""

    conformity: int
    objects: Mapping[int, bytes]
    next_object: int | None


def identity_response(request: ReadIdentity, objects: Mapping[int, bytes]) -> bytes:
    """As many of the asked objects as fit, by their ids; a stream from an unknown id starts at the first.

    An object longer than MAX_OBJECT bytes can be sent by no device, so it is cut there.
    """
    if request.access == Access.SINGLE:
        if request.object_id not in objects:
            raise IllegalAddress(f"no object {request.object_id} in the device's identification")
        asked = [request.object_id]
    else:
        first = request.object_id if request.object_id in objects else 0
        asked = [
            number for number in sorted(objects) if first <= number <= _LAST_OBJECT[Access(request.access)]
        ]
    body, following, sent = bytearray(), None, 0
    for number in asked:
        text = objects[number][:MAX_OBJECT]
        if _RESPONSE.size + len(body) + 2 + len(text) > MAX_PDU:
            following = number
            break
        body += bytes((number, len(text))) + text
        sent += 1
    more = (_NO_MORE, 0) if following is None else (_MORE, following)
    level = _conformity(objects)
    head = _RESPONSE.pack(Function.READ_IDENTITY, MEI_IDENTITY, request.access, level, *more, sent)
    return head + body


def parse_identity(request: ReadIdentity, pdu: bytes) -> Identity:
    """The objects of a response whose function has been checked; ProtocolError where it is not consistent."""
    if len(pdu) < _RESPONSE.size:
        raise ProtocolError(f"an identity response of only {len(pdu)} bytes")
    _, kind, access, conformity, more, following, count = _RESPONSE.unpack_from(pdu)
    if kind != MEI_IDENTITY or access != request.access:
        raise ProtocolError(f"asked for identity access {request.access}, got kind {kind} access {access}")
    objects: dict[int, bytes] = {}
    at = _RESPONSE.size
    for _ in range(count):
        if at + 2 > len(pdu) or at + 2 + pdu[at + 1] > len(pdu):
            raise ProtocolError(
                f"an identity response of {count} objects ends inside object {len(objects) + 1}"
            )
        end = at + 2 + pdu[at + 1]
        objects[pdu[at]] = pdu[at + 2 : end]
        at = end
    if at != len(pdu):
        raise ProtocolError(f"{len(pdu) - at} bytes behind the last object of an identity response")
    # a device that reports "more" but points back would be requested for ever
    if more == _MORE and following <= max(objects, default=request.object_id):
        raise ProtocolError(
            f"an identity response continues at object {following}, which it has already sent"
        )
    return Identity(conformity, objects, following if more == _MORE else None)


def _conformity(objects: Mapping[int, bytes]) -> int:
    """0x80: single access is served too; below it the highest category that has objects."""
    last = max(objects, default=0)
    return 0x80 | next(access for access in (1, 2, 3) if last <= _LAST_OBJECT[Access(access)])
