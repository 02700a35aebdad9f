"""Replies whose header counts one byte too many: a lenient framer takes them, a strict one waits."""

from __future__ import annotations

import pytest

from qilu.modbus.framing import Frame
from qilu.modbus.pdu import exception_response, read_response, reply_size
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
    assert framer.pending == counted(REPLY, too_many)


def test_a_lenient_framer_waits_for_the_rest_of_what_is_no_whole_reply() -> None:
    framer = TcpFramer(lenient=True)
    framer.feed(counted(REPLY[:-1], 1))
    assert framer.next_frame() is None
