"""The bytes of a segment: whole, one at a time, torn at every byte, damaged at any, and with garbage."""

from __future__ import annotations

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from gateway.interfaces import StreamOrigin
from gateway.spool.segment import (
    HEADER_SIZE,
    MARK,
    VERSION,
    Header,
    ScannedRecord,
    Scanner,
    decode_header,
    encode_header,
    encode_record,
    key_of,
)

bodies = st.lists(st.binary(max_size=60) | st.just(MARK * 5), max_size=12)
KEY = key_of(7, 100)


def encode(bodies: list[bytes]) -> bytes:
    return b"".join(encode_record(KEY, number, body) for number, body in enumerate(bodies))


def scan(data: bytes, step: int | None = None) -> tuple[list[ScannedRecord], Scanner]:
    scanner, found = Scanner(KEY), []
    for begin in range(0, len(data), step or len(data) or 1):
        scanner.feed(data[begin : begin + (step or len(data))])
        while (record := scanner.next()) is not None:
            found.append(record)
    return found, scanner


@given(bodies, st.integers(1, 70))
def test_records_are_found_however_their_bytes_arrive(bodies: list[bytes], step: int) -> None:
    data = encode(bodies)
    found, scanner = scan(data, step)
    assert [record.body for record in found] == bodies
    assert [record.number for record in found] == list(range(len(bodies)))
    assert [record.start for record in found] == [HEADER_SIZE, *[record.end for record in found]][
        : len(bodies)
    ]
    assert scanner.position == HEADER_SIZE + len(data)
    assert (scanner.skipped, scanner.unparsed) == (0, 0)


def test_a_segment_torn_at_any_byte_yields_every_record_before_the_tear() -> None:
    bodies = [b"first", b"", MARK, b'{"last":1}']
    data = encode(bodies)
    ends = [record.end - HEADER_SIZE for record in scan(data)[0]]
    for length in range(len(data) + 1):
        found, scanner = scan(data[:length])
        whole = sum(end <= length for end in ends)
        assert [record.body for record in found] == bodies[:whole]
        assert scanner.unparsed == length - ([0, *ends][whole])


@given(st.data())
def test_one_flipped_bit_costs_one_record(draw: st.DataObject) -> None:
    bodies = draw.draw(st.lists(st.binary(max_size=60), min_size=1, max_size=8))
    data = bytearray(encode(bodies))
    place = draw.draw(st.integers(0, len(data) * 8 - 1))
    data[place // 8] ^= 1 << place % 8
    found, _ = scan(bytes(data), draw.draw(st.integers(1, 100)))
    hit = next(r.number for r in scan(encode(bodies))[0] if place // 8 + HEADER_SIZE < r.end)
    assert {r.number: r.body for r in found if r.body is not None} == {
        number: body for number, body in enumerate(bodies) if number != hit
    }


@given(bodies, st.binary(max_size=100), st.integers(1, 50))
def test_garbage_before_and_between_records_is_passed_over(
    bodies: list[bytes], junk: bytes, step: int
) -> None:
    data = b"".join(junk + encode_record(KEY, number, body) for number, body in enumerate(bodies))
    found, scanner = scan(data, step)
    assert [record.body for record in found] == bodies
    assert scanner.skipped == len(junk) * len(bodies)


def test_records_of_another_segment_are_not_taken_for_this_ones() -> None:
    stranger = encode_record(key_of(8, 100), 0, b"stranger")
    inner = encode_record(KEY, 5, encode_record(key_of(7, 200), 0, b"inside"))
    found, scanner = scan(stranger + inner)
    assert [(record.number, record.body) for record in found] == [(5, inner[20:])]
    assert scanner.skipped == len(stranger)


@given(st.binary(max_size=300), st.integers(1, 300))
def test_garbage_alone_is_never_a_record(junk: bytes, step: int) -> None:
    found, scanner = scan(junk, step)
    assert found == []
    assert scanner.skipped + scanner.unparsed == len(junk)


def test_a_header_says_the_same_when_it_is_read_back() -> None:
    header = Header(2**64 - 1, 12, 1_700_000_000_000, StreamOrigin("济南-1", UUID(int=7)))
    data = encode_header(header)
    assert len(data) == HEADER_SIZE
    assert decode_header(data + b"more") == header
    assert header.version == VERSION
    for length in range(HEADER_SIZE):
        assert decode_header(data[:length]) is None
    for place in range(HEADER_SIZE * 8):
        flipped = bytearray(data)
        flipped[place // 8] ^= 1 << place % 8
        assert decode_header(bytes(flipped)) is None
