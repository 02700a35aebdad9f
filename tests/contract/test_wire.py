"""Records and messages survive the wire, and garbage on it is named instead of believed."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qilu.contract import messages as notices
from qilu.contract import record_codec as wire
from qilu.contract.ack_codes import AckCode, Refusal
from qilu.contract.errors import DataError
from qilu.contract.ranges import IntervalSet
from qilu.contract.reading import BlockSchema, Origin, Poll, Quality, Reading, Reason
from qilu.contract.topics import Lane, Topics

ORIGIN = Origin("edge-1", "press-1", "press", "泉城重工", "jinan", "line-a")
COLUMNS = BlockSchema(ORIGIN, "fast", ("force", "oil_level", "parts", "running", "program"))
POLL = Poll(
    1_764_000_000_000,
    (
        Reading(COLUMNS, 1_764_000_000_012, (81.5, None, 2**64 - 1, True, "M8 端盖"), {1: Reason.TIMEOUT}),
        Reading(BlockSchema(ORIGIN, "fast", ("temperature",)), 1_764_000_000_013, (21.25,)),
    ),
)
RECORD = wire.encode_record(POLL)


def test_a_record_says_again_what_was_polled() -> None:
    assert wire.decode_record(RECORD) == POLL


def test_a_record_is_plain_json_that_anyone_can_read() -> None:
    readings = json.loads(RECORD)["readings"]
    assert readings[0]["v"]["oil_level"] is None
    assert readings[0]["q"] == {"oil_level": "timeout"}
    assert "q" not in readings[1]


def test_readings_of_one_device_share_what_describes_them() -> None:
    first, second = wire.decode_record(RECORD), wire.decode_record(RECORD)
    assert first.readings[0].columns is second.readings[0].columns


def test_a_value_that_json_cannot_carry_arrives_as_bad_not_as_good_nothing() -> None:
    poll = Poll(1, (Reading(BlockSchema(ORIGIN, "fast", ("x",)), 1, (float("nan"),)),))
    reading = wire.decode_record(wire.encode_record(poll)).readings[0]
    assert reading.reasons == {0: Reason.UNDECODABLE}
    assert reading.quality(0) is Quality.BAD


def test_a_reason_of_a_newer_edge_does_not_cost_the_record() -> None:
    newer = RECORD.replace(b'"q":{"oil_level":"timeout"}', b'"q":{"oil_level":"struck_by_lightning"}')
    assert newer != RECORD
    assert wire.decode_record(newer).readings[0].reasons == {1: Reason.UNDECODABLE}


def test_every_reason_has_a_code_of_its_own() -> None:
    codes = [reason.code for reason in Reason]
    assert len(set(codes)) == len(codes)
    assert 0 not in codes
    assert [Reason.of_code(code) for code in codes] == list(Reason)


def message(*records: bytes) -> bytes:
    return wire.encode_message(0x9F, IntervalSet([(7, 6 + len(records))]), records)


def test_a_message_is_one_json_object_around_the_very_bytes_of_its_records() -> None:
    body = json.loads(message(RECORD, RECORD))
    assert body["stream"] == "000000000000009f"
    assert body["offsets"] == "7-8"
    assert body["records"] == [json.loads(RECORD)] * 2


def test_the_head_names_the_epoch_where_a_gateway_wants_signatures() -> None:
    plain = message(RECORD)
    assert plain.startswith(b'{"qilu":1,"stream":"000000000000009f","offsets":"7"')
    assert wire.read_head(plain).epoch == 0
    for epoch in (0, 3, 10**17):
        of_epoch = wire.encode_message(0x9F, IntervalSet([(7, 7)]), [RECORD], epoch)
        head = wire.read_head(of_epoch)
        assert (head.stream, head.offsets, head.epoch) == (0x9F, IntervalSet([(7, 7)]), epoch)
        assert json.loads(of_epoch)["epoch"] == epoch
        assert wire.split_body(of_epoch, head) == wire.split_body(plain, wire.read_head(plain))


def test_records_are_named_even_when_the_body_cannot_be_decoded() -> None:
    broken = message(RECORD, RECORD)[:-5]
    head = wire.read_head(broken)
    assert (head.stream, head.offsets) == (0x9F, IntervalSet([(7, 8)]))
    with pytest.raises(DataError, match="body"):
        wire.split_body(broken, head)


def test_one_undecodable_record_leaves_its_neighbours_readable() -> None:
    whole = message(RECORD, b'{"edge":"edge-1"}', RECORD)
    records = wire.split_body(whole, wire.read_head(whole))
    assert wire.decode_record(records[0]) == wire.decode_record(records[2]) == POLL
    with pytest.raises(DataError, match="record"):
        wire.decode_record(records[1])


def test_another_number_of_records_than_offsets_is_refused() -> None:
    lying = wire.encode_message(1, IntervalSet([(0, 99)]), [RECORD])
    with pytest.raises(DataError, match="1 records for"):
        wire.split_body(lying, wire.read_head(lying))


def test_a_newer_version_is_distinguished_from_garbage() -> None:
    with pytest.raises(wire.UnknownVersionError, match="version 2"):
        wire.read_head(b'{"qilu":2,"chunks":[]}')


@given(st.binary(max_size=200))
def test_garbage_is_a_data_error_and_nothing_else(garbage: bytes) -> None:
    for decode in (wire.read_head, wire.decode_record, notices.decode_ack, notices.decode_status):
        with pytest.raises(DataError):
            decode(garbage)


def test_nesting_without_end_is_a_data_error_too() -> None:
    deep = b'{"x":' + b"[" * 5000
    decoders = (wire.decode_record, notices.decode_ack, notices.decode_status, notices.decode_announcement)
    for decode in decoders:
        with pytest.raises(DataError):
            decode(deep)
    body = message(deep)
    with pytest.raises(DataError):
        wire.split_body(body, wire.read_head(body))


@given(st.integers(0, len(RECORD) - 1), st.integers(0, 255))
def test_a_record_with_a_changed_byte_is_a_poll_or_a_data_error(place: int, byte: int) -> None:
    changed = RECORD[:place] + bytes([byte]) + RECORD[place + 1 :]
    try:
        poll = wire.decode_record(changed)
    except DataError:
        return
    assert isinstance(poll, Poll)


def test_an_answer_arrives_as_it_was_given() -> None:
    answer = notices.Ack(
        "store-1",
        "ing-1",
        2**64 - 1,
        IntervalSet([(0, 41), (50, 50)]),
        IntervalSet([(0, 12)]),
        {13: Refusal(AckCode.BAD_VALUE, "point: x")},
        {AckCode.NOT_OWNER: IntervalSet([(14, 16), (18, 18)]), AckCode.STORE_LIMIT: IntervalSet([(17, 17)])},
    )
    encoded = notices.encode_ack(answer)
    assert json.loads(encoded)["deferred"] == {"14-16,18": "not_owner", "17": "store_limit"}
    assert notices.decode_ack(notices.encode_ack(answer)) == answer


def test_what_an_answer_rejects_for_a_reason_that_is_not_known_is_deferred() -> None:
    plain = b'{"qilu":1,"store":"s","ingester":"i","stream":"1",'
    answer = notices.decode_ack(plain + b'"rejected":{"1":"of 2031: x","2":"no code","3":"too_large: 9"}}')
    assert answer.rejected == {}
    assert answer.deferred == {
        AckCode.UNKNOWN: IntervalSet([(1, 2)]),
        AckCode.TOO_LARGE: IntervalSet([(3, 3)]),
    }
    answer = notices.decode_ack(plain + b'"deferred":{"4-6":"of 2031","8":"bad_value"}}')
    assert answer.rejected == {}
    assert answer.deferred == {
        AckCode.UNKNOWN: IntervalSet([(4, 6)]),
        AckCode.BAD_VALUE: IntervalSet([(8, 8)]),
    }


def test_notices_arrive_as_they_were_given() -> None:
    status = notices.Status("edge-1", "online", "0f", 1)
    announcement = notices.Announcement("ing-1", "store-1", 30.0)
    assert notices.decode_status(notices.encode_notice(status)) == status
    assert notices.decode_announcement(notices.encode_notice(announcement)) == announcement


def test_a_topic_tells_its_lane_and_edge_with_or_without_a_device() -> None:
    topics = Topics("plant/qilu")
    assert topics.sender(topics.records(Lane.LIVE, "edge-1")) == (Lane.LIVE, "edge-1")
    assert topics.sender(topics.records(Lane.BACKLOG, "edge-1", "press-1")) == (Lane.BACKLOG, "edge-1")
    for foreign in ("plant/qilu/status/edge-1", "other/live/edge-1", "plant/qilu/live"):
        with pytest.raises(DataError):
            topics.sender(foreign)
