"""Functions 8 and 17, with which serial masters look for devices: the loopback, and what a server is."""

from __future__ import annotations

import struct
from typing import NamedTuple

from qilu.modbus.errors import IllegalFunction, IllegalValue
from qilu.modbus.functions import MAX_PDU, RETURN_QUERY_DATA, Function, require_word

_RUNNING = 0xFF
MAX_SERVER_ID = MAX_PDU - 3


class Loopback(NamedTuple):
    """Function 8/0: data that the device returns as they are."""

    data: bytes

    def encode(self) -> bytes:
        return struct.pack(">BH", Function.DIAGNOSTICS, RETURN_QUERY_DATA) + self.data

    @classmethod
    def parse(cls, pdu: bytes) -> Loopback:
        if len(pdu) < 3:
            raise IllegalValue("function 8 without its sub-function")
        if int.from_bytes(pdu[1:3], "big") != RETURN_QUERY_DATA:
            raise IllegalFunction("function 8 of another kind than 0")
        if len(pdu) % 2 == 0:
            raise IllegalValue("function 8 with half a word")
        return cls(pdu[3:])


class ReportServerId(NamedTuple):
    """Function 17: asks what the device is and whether it runs."""

    def encode(self) -> bytes:
        return bytes((Function.REPORT_SERVER_ID,))

    @classmethod
    def parse(cls, pdu: bytes) -> ReportServerId:
        if len(pdu) != 1:
            raise IllegalValue(f"function 17 with {len(pdu)} bytes, not 1")
        return cls()


def loopback_request(word: int) -> bytes:
    """The request PDU of function 8/0, which a device returns as it is; `word`: 16 bits of our own."""
    require_word(word, "word")
    return Loopback(word.to_bytes(2, "big")).encode()


def server_id_response(server_id: bytes) -> bytes:
    """The response PDU of function 17 of a device that runs: its id, cut to what fits, and the indicator."""
    content = server_id[:MAX_SERVER_ID] + bytes((_RUNNING,))
    return bytes((Function.REPORT_SERVER_ID, len(content))) + content
