"""RTU framing: frames found by length and CRC in any chunking, among noise and the frames of others."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qilu.modbus.crc import crc16, crc_bytes
from qilu.modbus.framing import Frame
from qilu.modbus.pdu import Request, exception_response, read_request
from qilu.modbus.read_functions import read_response, unpack_bits
from qilu.modbus.rtu import MAX_FRAME, RtuClientFramer, RtuServerFramer, rtu_frame
from qilu.modbus.write_functions import ReadWrite, WriteCoils, WriteRegisters
from tests.modbus.cases import delivered, every_way, one_by_one, requests, response_to

units = st.integers(0, 247)
ASKED = read_request(3, 0, 2)
ANSWER = read_response(3, bytes.fromhex("436680 00"))


def client(unit: int, request: bytes) -> RtuClientFramer:
    framer = RtuClientFramer()
    framer.expect(unit, request)
    return framer


def test_the_checksum_is_the_one_of_the_specification() -> None:
    assert crc_bytes(bytes.fromhex("0207")) == bytes.fromhex("4112")  # the worked example of its appendix B
    assert crc16(bytes.fromhex("02074112")) == 0


@given(st.lists(st.tuples(units, requests), max_size=4))
def test_requests_come_out_whole_in_any_chunking(sent: list[tuple[int, Request]]) -> None:
    expected = [Frame(0, unit, request.encode()) for unit, request in sent]
    stream = b"".join(rtu_frame(*frame) for frame in expected)
    for received in every_way(RtuServerFramer, stream):
        assert received == expected


@given(units, requests)
def test_the_response_comes_out_whole_in_any_chunking(unit: int, request: Request) -> None:
    asked = request.encode()
    expected = Frame(0, unit, response_to(asked))
    for received in every_way(lambda: client(unit, asked), rtu_frame(*expected)):
        assert received == [expected]


@given(units, requests, st.integers(1, 255))
def test_an_exception_comes_out_whole_in_any_chunking(unit: int, request: Request, code: int) -> None:
    asked = request.encode()
    expected = Frame(0, unit, exception_response(asked[0], code))
    for received in every_way(lambda: client(unit, asked), rtu_frame(*expected)):
        assert received == [expected]


@given(st.binary(max_size=40).filter(lambda noise: b"\x07" not in noise), st.binary(max_size=40))
def test_the_response_is_found_between_noise_in_front_and_behind(before: bytes, after: bytes) -> None:
    stream = before + rtu_frame(0, 7, ANSWER)
    for received in every_way(lambda: client(7, ASKED), stream):
        assert received == [Frame(0, 7, ANSWER)]
    assert delivered(client(7, ASKED), stream + after)[:1] == [Frame(0, 7, ANSWER)]


def test_the_frames_of_other_units_are_dropped_and_the_echo_of_the_request_is_a_frame() -> None:
    foreign = rtu_frame(0, 8, ASKED) + rtu_frame(0, 8, ANSWER) + rtu_frame(0, 9, exception_response(3, 2))
    echo = rtu_frame(0, 7, ASKED)
    stream = foreign + echo + rtu_frame(0, 7, ANSWER)
    for received in every_way(lambda: client(7, ASKED), stream):
        assert received == [Frame(0, 7, ASKED), Frame(0, 7, ANSWER)]
    framer = client(7, ASKED)
    delivered(framer, stream)
    assert framer.buffered == 0


def test_what_looks_like_the_head_of_a_long_response_does_not_hide_the_real_one() -> None:
    stream = b"\x07\x03\xc8" + rtu_frame(0, 7, ANSWER)  # "200 bytes follow", which nobody asked for
    for received in every_way(lambda: client(7, ASKED), stream):
        assert received == [Frame(0, 7, ANSWER)]


def test_a_frame_inside_the_data_of_a_response_is_data() -> None:
    inner = rtu_frame(0, 7, read_response(3, bytes(2)))
    answer = read_response(3, inner + bytes(5))
    for received in every_way(lambda: client(7, read_request(3, 0, 6)), rtu_frame(0, 7, answer)):
        assert received == [Frame(0, 7, answer)]


@pytest.mark.parametrize(
    "request_",
    [
        WriteRegisters(0, rtu_frame(0, 7, ASKED) + bytes(8)),
        ReadWrite(0, 1, 0, rtu_frame(0, 7, ASKED) + bytes(8)),
        WriteCoils(0, unpack_bits(rtu_frame(0, 7, ASKED) + bytes(8), 121)),
    ],
    ids=["16", "23", "15"],
)
def test_a_frame_inside_the_data_of_a_write_is_data(request_: Request) -> None:
    for received in every_way(RtuServerFramer, rtu_frame(0, 7, request_.encode())):
        assert received == [Frame(0, 7, request_.encode())]


def test_a_flipped_bit_anywhere_gives_no_frame() -> None:
    good = rtu_frame(0, 7, ANSWER)
    for place in range(8 * len(good)):
        flipped = bytearray(good)
        flipped[place // 8] ^= 1 << place % 8
        assert delivered(client(7, ASKED), bytes(flipped)) == []


def test_nothing_is_a_response_before_something_was_asked() -> None:
    framer = RtuClientFramer()
    assert delivered(framer, rtu_frame(0, 7, ANSWER)) == []
    assert framer.buffered == 0


def test_a_reset_drains_what_came_too_late() -> None:
    framer = client(7, ASKED)
    late = rtu_frame(0, 7, ANSWER)
    assert delivered(framer, late[:5]) == []
    framer.reset()
    framer.expect(7, read_request(3, 50, 1))
    answer = read_response(3, b"\x00\x01")
    assert delivered(framer, late[5:], rtu_frame(0, 7, answer)) == [Frame(0, 7, answer)]


def test_a_request_is_found_behind_noise_in_any_chunking() -> None:
    request = read_request(4, 30, 10)
    for noise in (b"\x00", b"\xff\xff\xff", b"\x01\x03", b"\x01\x10\x00\x01\x00\x02\x09", bytes(range(120))):
        for received in every_way(RtuServerFramer, noise + rtu_frame(0, 1, request)):
            assert received == [Frame(0, 1, request)]


@pytest.mark.parametrize("pdu", ["07", "41 0102", "2b 0d 00 00 00"])
def test_a_function_that_we_do_not_know_still_comes_out_to_be_refused(pdu: str) -> None:
    expected = Frame(0, 1, bytes.fromhex(pdu))
    assert delivered(RtuServerFramer(), rtu_frame(*expected)) == [expected]
    assert delivered(RtuServerFramer(), *one_by_one(rtu_frame(*expected))) == [expected]


@given(st.lists(st.binary(max_size=600), max_size=8), requests)
def test_garbage_raises_nothing_and_is_not_hoarded(chunks: list[bytes], request: Request) -> None:
    for framer in (RtuServerFramer(), client(1, request.encode())):
        for chunk in chunks:
            delivered(framer, chunk)
            assert framer.buffered <= MAX_FRAME


@given(st.lists(st.binary(max_size=300), max_size=4))
def test_after_any_garbage_and_a_reset_the_next_response_is_found(chunks: list[bytes]) -> None:
    framer = client(7, ASKED)
    delivered(framer, *chunks)
    framer.reset()
    assert delivered(framer, rtu_frame(0, 7, ANSWER)) == [Frame(0, 7, ANSWER)]
