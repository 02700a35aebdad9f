"""Modbus ASCII: frames in any chunking, noise and damage cost one frame at most, memory stays bounded."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qilu.modbus.framing import Frame, frames
from qilu.modbus_client.ascii_framing import LONGEST, AsciiFramer
from tests.modbus.cases import every_way

PDUS = st.binary(min_size=1, max_size=253)
some_frames = st.lists(st.builds(Frame, st.just(0), st.integers(0, 255), PDUS), max_size=5)


def encoded(*sent: Frame) -> bytes:
    return b"".join(AsciiFramer().encode(*frame) for frame in sent)


def test_a_request_is_spelled_as_the_specification_does() -> None:
    """Read holding registers 107 to 109 of unit 17, with the LRC of MODBUS over Serial Line V1.02, 6.2.1."""
    content = bytes.fromhex("11 03 00 6B 00 03")
    lrc = -sum(content) & 0xFF
    assert encoded(Frame(0, 17, content[1:])) == b":1103006B0003%02X\r\n" % lrc == b":1103006B00037E\r\n"


@given(some_frames)
def test_frames_come_out_whole_in_any_chunking(sent: list[Frame]) -> None:
    for received in every_way(AsciiFramer, encoded(*sent)):
        assert received == sent


@given(some_frames, st.binary(max_size=600))
def test_noise_before_a_frame_costs_no_frame(sent: list[Frame], noise: bytes) -> None:
    framer = AsciiFramer()
    list(frames(framer, noise + b":"))
    assert list(frames(framer, encoded(*sent))) == sent


@pytest.mark.parametrize(
    "damaged",
    [
        b":1103006B00037F\r\n",
        b":zz03006B00037E\r\n",
        b":11030\r\n",
        b":\r\n",
        b"\r\n",
        b":1103006B",
        b":11 3\r\n",
    ],
    ids=["wrong checksum", "no unit id", "half a byte", "nothing", "no start", "cut short", "a space"],
)
def test_a_damaged_frame_costs_only_itself(damaged: bytes) -> None:
    good = Frame(0, 17, bytes.fromhex("03 00 6B 00 03"))
    framer = AsciiFramer()
    assert list(frames(framer, damaged + encoded(good, good))) == [good, good]
    assert framer.buffered == 0


@given(st.lists(st.binary(max_size=300), max_size=30))
def test_garbage_is_bounded_and_never_an_error(chunks: list[bytes]) -> None:
    framer = AsciiFramer()
    for chunk in chunks:
        list(frames(framer, chunk))
        assert framer.buffered <= LONGEST


def test_a_frame_without_an_end_is_given_up_at_the_longest() -> None:
    framer = AsciiFramer()
    list(frames(framer, b":" + b"0" * LONGEST))
    assert framer.buffered == 0
