"""Function 8/0: a device returns what it was sent, or says that it does not know the function."""

from __future__ import annotations

import pytest

from qilu.modbus.diagnostics import loopback_request
from qilu.modbus.errors import IllegalFunction, InvalidRequest, ProtocolError
from qilu.modbus.pdu import exception_response, read_request, response_data
from qilu.modbus.rtu import RtuClientFramer, rtu_frame

ECHO = loopback_request(0x1234)
READ = read_request(3, 0, 2)
VALUES = bytes((3, 4, 0, 1, 0, 2))


def test_its_bytes_are_those_of_the_specification() -> None:
    """MODBUS Application Protocol Specification V1.1b3, section 6.8, with data of our own."""
    assert bytes.fromhex("0800001234") == ECHO
    with pytest.raises(InvalidRequest):
        loopback_request(0x1_0000)


def test_what_comes_back_has_to_be_the_same() -> None:
    assert response_data(ECHO, ECHO) == b""
    with pytest.raises(ProtocolError, match="echo"):
        response_data(ECHO, loopback_request(0x1235))
    with pytest.raises(IllegalFunction):
        response_data(ECHO, exception_response(8, 1))


@pytest.mark.parametrize("answer", [ECHO, exception_response(8, 1)], ids=["echo", "exception"])
@pytest.mark.parametrize("echoes", [True, False])
def test_a_client_finds_it_among_other_replies_where_it_looks_for_echoes(answer: bytes, echoes: bool) -> None:
    framer = RtuClientFramer(echoes=echoes)
    framer.expect(7, READ)
    framer.feed(rtu_frame(0, 7, answer) + rtu_frame(0, 7, VALUES))
    found = []
    while (frame := framer.next_frame()) is not None:
        found.append(frame.pdu)
    assert found == ([answer, VALUES] if echoes else [VALUES])
