"""Replies whose header counts one byte too many: a lenient framer takes them, a strict one waits."""

from __future__ import annotations

import pytest

from qilu.modbus.errors import InvalidRequest, ProtocolError
from qilu.modbus.framing import Frame
from qilu.modbus.pdu import (
    data_size,
    exception_response,
    read_request,
    reply_size,
    response_data,
    wide_read_request,
    without_padding,
)
from qilu.modbus.read_functions import read_response
from qilu.modbus.tcp import TcpFramer, tcp_frame

REPLY = read_response(3, bytes.fromhex("0102 0304"))
NEXT = tcp_frame(8, 1, REPLY)


def counted(pdu: bytes, too_many: int) -> bytes:
    """A frame whose header counts so many bytes that do not come."""
    return b"\x00\x07\x00\x00" + (1 + len(pdu) + too_many).to_bytes(2) + b"\x01" + pdu


@pytest.mark.parametrize(
    ("response", "size"),
    [
        (REPLY, len(REPLY)),
        (exception_response(3, 2), 2),
        (b"\x10\x00\x00\x00\x01", None),
        (b"\x03", None),
        (b"", None),
    ],
)
def test_a_reply_to_a_read_and_an_exception_have_their_size_by_their_own_content(
    response: bytes, size: int | None
) -> None:
    assert reply_size(response) == size


@pytest.mark.parametrize("behind", [b"", b"\xff"], ids=["the byte never comes", "the byte comes late"])
def test_a_lenient_framer_takes_the_reply_at_once_and_finds_the_next_one(behind: bytes) -> None:
    framer = TcpFramer(lenient=True)
    framer.feed(counted(REPLY, 1))
    assert framer.next_frame() == Frame(7, 1, REPLY)
    framer.feed(behind + NEXT)
    assert framer.next_frame() == Frame(8, 1, REPLY)


@pytest.mark.parametrize(("lenient", "too_many"), [(False, 1), (True, 2)])
def test_a_strict_framer_and_one_that_lacks_two_bytes_wait(lenient: bool, too_many: int) -> None:
    framer = TcpFramer(lenient=lenient)
    framer.feed(counted(REPLY, too_many))
    assert framer.next_frame() is None
    assert framer.buffered == len(counted(REPLY, too_many))


def test_a_lenient_framer_waits_for_the_rest_of_what_is_no_whole_reply() -> None:
    framer = TcpFramer(lenient=True)
    framer.feed(counted(REPLY[:-1], 1))
    assert framer.next_frame() is None


READ = read_request(3, 0, 2)


@pytest.mark.parametrize(
    ("response", "used"),
    [
        (REPLY + b"\x5f", REPLY),
        (REPLY, REPLY),
        (REPLY + b"\x5f\x5f", REPLY + b"\x5f\x5f"),
        (exception_response(4, 2), exception_response(3, 2)),
        (b"\x10\x00\x00\x00\x01", b"\x10\x00\x00\x00\x01"),
    ],
    ids=["one byte too many", "as it should be", "two bytes too many", "another function", "no read"],
)
def test_one_byte_too_many_and_the_function_of_an_exception_are_forgiven(
    response: bytes, used: bytes
) -> None:
    assert without_padding(READ, response) == used


def test_an_address_that_holds_more_than_a_register_has_a_reply_of_its_own_size() -> None:
    request = wide_read_request(3, 7, 4)
    assert request == read_request(3, 7, 1)
    assert data_size(request) == 4
    assert response_data(request, read_response(3, b"\1\2\3\4")) == b"\1\2\3\4"
    with pytest.raises(ProtocolError):
        response_data(request, read_response(3, b"\1\2"))


def test_a_long_reply_counts_its_bytes_with_eight_bits() -> None:
    request = read_request(3, 0, 200, limit=200)
    data = bytes(400)
    assert response_data(request, bytes((3, 400 & 0xFF)) + data) == data
    for wrong in (bytes((3, 255)) + data, bytes((3, 400 & 0xFF)) + data[:-256]):
        with pytest.raises(ProtocolError):
            response_data(request, wrong)
    with pytest.raises(InvalidRequest):
        read_request(3, 0, 201, limit=200)
