"""What waits for the store is bounded, live records go first, and no bytes of anybody break it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.queue import OVERHEAD, IngestQueue
from qilu.contract.ack_codes import AckCode, Refusal
from qilu.contract.errors import DataError
from qilu.contract.limits import MAX_MESSAGE_BYTES
from qilu.contract.ranges import IntervalSet
from qilu.contract.record_codec import encode_message
from qilu.contract.topics import Lane
from tests.cloud.memory import record

RECORD = record("edge-1", "press-1", 1000)
HONEST = record("honest", "press-1", 1000)


def message(first: int, count: int = 1) -> bytes:
    return encode_message(1, IntervalSet([(first, first + count - 1)]), [RECORD] * count)


def waiting(**bounds: int) -> IngestQueue:
    return IngestQueue(
        **{"records": 10, "batch_bytes": 10**6, "backlog_bytes": 10**6, "room": 10**6, **bounds}
    )


def taken(queue: IngestQueue) -> list[int]:
    return [offset for _, offset in queue.take().names]


def test_live_records_are_taken_before_any_of_the_backlog() -> None:
    queue = waiting()
    for offset, lane in enumerate([Lane.BACKLOG, Lane.LIVE, Lane.BACKLOG, Lane.LIVE]):
        assert queue.add(lane, "edge-1", message(offset))
    assert taken(queue) == [1, 3, 0, 2]


def test_a_batch_has_no_more_of_the_backlog_than_one_full_message() -> None:
    """What comes live while a batch is written waits for it, however long the backlog is."""
    queue = waiting(records=1000, backlog_bytes=len(message(0, 9)))
    for first, count in ((0, 9), (10, 1), (20, 1), (30, 20), (60, 9)):
        assert queue.batch_ready == (first > 0)
        queue.add(Lane.BACKLOG, "edge-1", message(first, count))
    assert taken(queue) == list(range(9))
    queue.add(Lane.LIVE, "edge-1", message(100))
    assert taken(queue) == [100, 10, 20]
    assert taken(queue) == list(range(30, 50))
    assert taken(queue) == list(range(60, 69))
    assert not queue.batch_ready


def test_live_records_that_fill_every_batch_do_not_keep_the_backlog_out() -> None:
    queue = waiting(records=1)
    for first in range(3):
        queue.add(Lane.LIVE, "edge-1", message(first))
        queue.add(Lane.BACKLOG, "edge-1", message(10 + first, 50))
    assert taken(queue)[:2] == [0, 10]


def test_a_batch_ends_with_the_message_that_fills_it() -> None:
    queue = waiting(records=4)
    for first in (0, 3, 6, 9):
        assert queue.batch_ready == (first >= 6)
        queue.add(Lane.LIVE, "edge-1", message(first, 3))
    assert taken(queue) == [0, 1, 2, 3, 4, 5]
    assert taken(queue) == [6, 7, 8, 9, 10, 11]


def test_a_batch_is_bounded_in_bytes_too() -> None:
    queue = waiting(batch_bytes=len(message(0)) + 1)
    for first in range(5):
        queue.add(Lane.LIVE, "edge-1", message(first))
    assert queue.batch_ready
    assert [taken(queue) for _ in range(3)] == [[0, 1], [2, 3], [4]]


def test_the_backlog_may_take_half_the_room_and_leaves_the_rest_to_what_is_live() -> None:
    size = len(message(0)) + OVERHEAD
    queue = waiting(room=4 * size)
    assert [queue.add(Lane.BACKLOG, "edge-1", message(n)) for n in range(3)] == [True, True, False]
    assert [queue.add(Lane.LIVE, "edge-1", message(n)) for n in range(3, 6)] == [True, True, False]
    assert taken(queue) == [3, 4, 0, 1]
    assert queue.add(Lane.BACKLOG, "edge-1", message(6))


def test_an_edge_that_floods_leaves_every_other_its_turn_and_its_share_of_the_room() -> None:
    queue = waiting(records=5, room=20_000)
    for number in range(200):
        queue.add(Lane.LIVE, "flood", message(number))
    for number in range(5):
        assert queue.add(Lane.LIVE, "honest", encode_message(2, IntervalSet.of([number]), [HONEST])) == (
            number < 0
        )
    assert queue.max_dropped_edge == "flood"
    assert queue.dropped_of["flood"] == queue.dropped
    found = [named.edge for _ in range(4) for named, _ in queue.take().names]
    assert found.count("honest") == 5


def test_many_messages_of_few_bytes_do_not_take_more_memory_than_the_room() -> None:
    queue = waiting(room=2 * 100 * OVERHEAD)
    kept = sum(queue.add(Lane.LIVE, "edge-1", message(number)) for number in range(1000))
    assert kept < 100


def test_a_message_that_is_too_long_is_rejected_by_name_and_takes_no_room() -> None:
    queue = waiting(batch_bytes=10**7)
    head = message(0, 2)[:-2]
    assert queue.add(Lane.LIVE, "edge-1", head + b" " * MAX_MESSAGE_BYTES + b"]}")
    assert queue.add(Lane.LIVE, "edge-1", message(5))
    batch = queue.take()
    assert [offset for _, offset in batch.names] == [5]
    assert [sorted(reasons) for reasons in batch.rejected.values()] == [[0, 1]]


@pytest.mark.parametrize("offsets", [",".join(map(str, range(0, 2002, 2))), "0-1000", "0-999999999999999999"])
def test_a_head_that_names_more_records_than_a_message_may_have_is_none(offsets: str) -> None:
    with pytest.raises(DataError, match="records"):
        waiting().add(Lane.LIVE, "edge-1", WHOLE.replace(b'"5-7"', f'"{offsets}"'.encode()))


def test_a_batch_of_rejections_is_bounded_like_one_of_records() -> None:
    queue = waiting(records=10)
    for number in range(20):
        queue.add(
            Lane.LIVE, "edge-1", encode_message(1, IntervalSet([(5 * number, 5 * number + 4)]), [b"1"] * 5)
        )
    assert queue.take().records == 10


async def test_it_wakes_who_waits_for_something() -> None:
    queue = waiting()
    queue.add(Lane.LIVE, "edge-1", message(0))
    await queue.wait_nonempty()
    queue.take()
    queue.add(Lane.BACKLOG, "edge-1", message(1))
    await queue.wait_nonempty()


WHOLE = message(5, 3)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A sound message with some of its bytes replaced, removed or added."""
    found = bytearray(WHOLE)
    ours = st.text('0123456789,-"[]{}', max_size=30).map(str.encode)
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(found)))
        length = draw(st.integers(0, 5))
        found[place : place + length] = draw(st.binary(max_size=5) | ours)
    return bytes(found)


@given(payload=st.binary(max_size=200) | damaged(), lane=st.sampled_from(Lane))
def test_any_bytes_are_refused_rejected_by_name_or_decoded(payload: bytes, lane: Lane) -> None:
    queue = waiting()
    try:
        assert queue.add(lane, "edge-1", payload)
    except DataError:
        return
    batch = queue.take()
    assert len(batch.polls) == len(batch.names)
    assert batch.polls or batch.rejected or not payload.count(b"due")
    assert not queue.batch_ready


@pytest.mark.parametrize("cut", range(len(WHOLE)))
def test_a_message_cut_anywhere_is_never_half_believed(cut: int) -> None:
    queue = waiting()
    try:
        queue.add(Lane.LIVE, "edge-1", WHOLE[:cut])
    except DataError:
        return
    batch = queue.take()
    assert not batch.polls
    assert [list(reasons) for reasons in batch.rejected.values()] == [[5, 6, 7]]


@given(refused=st.sets(st.integers(0, 8)))
def test_every_record_is_either_stored_or_refused_under_its_own_name(refused: set[int]) -> None:
    queue = waiting()
    for edge, first in (("edge-1", 10), ("edge-2", 20), ("edge-1", 30)):
        body = record(edge, "press-1", 1000)
        queue.add(Lane.LIVE, edge, encode_message(1, IntervalSet([(first, first + 2)]), [body] * 3))
    batch = queue.take()
    reasons = {index: Refusal(AckCode.BAD_VALUE, f"reason {index}") for index in refused}
    stored, reported = batch.stored(reasons), batch.refused(reasons)
    output: list[Any] = [(named.edge, offset) for named, some in stored.items() for offset in some]
    output += [(named.edge, offset) for named, some in reported.items() for offset in some]
    assert sorted(output) == [
        *(("edge-1", offset) for offset in (10, 11, 12, 30, 31, 32)),
        *(("edge-2", offset) for offset in (20, 21, 22)),
    ]
    assert sum(map(len, reported.values())) == len(refused)
