"""TCP framing: frames in any chunking; what is not Modbus breaks the stream; memory stays bounded."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qilu.contract.errors import UnreachableError
from qilu.modbus.errors import FrameError
from qilu.modbus.framing import Frame, frames
from qilu.modbus.tcp import MAX_FRAME, TcpFramer, tcp_frame
from tests.modbus.cases import delivered, every_way, one_by_one

some_frames = st.lists(
    st.builds(Frame, st.integers(0, 65535), st.integers(0, 255), st.binary(min_size=1, max_size=253)),
    max_size=5,
)


@given(some_frames)
def test_frames_come_out_whole_in_any_chunking(sent: list[Frame]) -> None:
    stream = b"".join(tcp_frame(*frame) for frame in sent)
    for received in every_way(TcpFramer, stream):
        assert received == sent


@given(some_frames, st.data())
def test_trailing_garbage_hurts_no_frame_before_it(sent: list[Frame], data: st.DataObject) -> None:
    header = data.draw(st.binary(min_size=2, max_size=2)) + b"\x12\x34" + data.draw(st.binary(max_size=20))
    framer = TcpFramer()
    framer.feed(b"".join(tcp_frame(*frame) for frame in sent) + header)
    assert [framer.next_frame() for _ in sent] == sent
    with pytest.raises(FrameError):
        framer.next_frame()


@pytest.mark.parametrize("follower", [b"\x03\x02\x12\x34", b"\x83\x02"])
def test_a_frame_that_was_cut_short_is_not_completed_with_the_next_one(follower: bytes) -> None:
    """Also where the next one has just the bytes that are missing."""
    next_frame = tcp_frame(8, 1, follower)
    whole = tcp_frame(7, 1, b"\x03\x14" + bytes(20))
    framer = TcpFramer()
    framer.feed(whole[: -len(next_frame)])
    assert framer.next_frame() is None
    framer.feed(next_frame)
    with pytest.raises(FrameError, match="cut short"):
        framer.next_frame()


@pytest.mark.parametrize(
    "header",
    ["0001 0000 0000 01", "0001 0000 0001 01", "0001 0000 00ff 01", "0001 0000 ffff 01", "0001 0001 0006 01"],
    ids=["length 0", "no room for a function", "length 255", "length 65535", "another protocol"],
)
def test_a_header_that_is_not_modbus_breaks_the_stream_for_good(header: str) -> None:
    framer = TcpFramer()
    for chunks in ([bytes.fromhex(header)], one_by_one(bytes.fromhex(header))):
        with pytest.raises(FrameError, match="is not Modbus TCP") as caught:
            delivered(framer, *chunks)
        assert isinstance(caught.value, UnreachableError)
        with pytest.raises(FrameError):
            delivered(framer, tcp_frame(1, 1, b"\x03"))
        framer.reset()
    assert delivered(framer, tcp_frame(1, 1, b"\x03")) == [Frame(1, 1, b"\x03")]


def test_a_wrong_protocol_is_reported_before_the_header_is_complete() -> None:
    with pytest.raises(FrameError):
        delivered(TcpFramer(), b"GET ")


@given(st.lists(st.binary(max_size=600), max_size=20))
def test_garbage_raises_nothing_else_and_is_not_hoarded(chunks: list[bytes]) -> None:
    framer = TcpFramer()
    for chunk in chunks:
        framer.feed(chunk)
        try:
            while framer.next_frame() is not None:
                pass
        except FrameError:
            pass
        assert framer.buffered < MAX_FRAME


def test_a_reset_forgets_the_half_frame_of_an_old_connection() -> None:
    framer = TcpFramer()
    delivered(framer, tcp_frame(1, 1, bytes(10))[:9])
    framer.reset()
    assert framer.buffered == 0
    assert list(frames(framer, tcp_frame(2, 1, b"\x03"))) == [Frame(2, 1, b"\x03")]
