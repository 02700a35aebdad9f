"""Devices that answer late, wrongly or in pieces; the numbers are those of the list of Modbus faults."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from qilu.modbus.pdu import exception_response, read_response
from tests.gateway.sources.everywhere import everywhere, for_hours, with_transactions
from tests.gateway.sources.peer import Asked, Behaviour, Line, Peer, World, flat, normal, profile, reasons

TWO_BLOCKS = profile([0, 1, 200, 201])


def at_first(times: int, first: Behaviour, then: Behaviour = normal) -> Behaviour:
    """Behaves in one way for so many requests, then in another."""
    left = [times]

    def behave(line: Line, asked: Asked) -> None:
        left[0] -= 1
        (first if left[0] >= 0 else then)(line, asked)

    return behave


def later(after: int, times: int, strange: Behaviour) -> Behaviour:
    """Behaves normally for so many requests, then strangely for so many, then normally again."""
    return at_first(after, normal, at_first(times, strange))


@everywhere
async def test_a_device_as_it_should_be_is_read(world: World) -> None:
    polls, source = await world.polls(Peer(), 3, meter=TWO_BLOCKS)
    assert reasons(polls) == ["good"] * 3
    assert [len(poll.readings) for poll in polls] == [2] * 3
    assert source.stats.timeouts == 0
    assert source.stats.good_points == 12


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (1, "illegal_function"),
        (2, "illegal_address"),
        (3, "illegal_address"),
        (4, "device_failure"),
        (5, "device_busy"),
        (6, "device_busy"),
        (7, "device_failure"),
        (8, "device_failure"),
        (0x0A, "gateway_path"),
        (0x0B, "gateway_path"),
        (99, "device_failure"),
    ],
)
@for_hours
async def test_each_exception_becomes_the_reason_of_the_value(world: World, code: int, reason: str) -> None:
    """Faults 1, 2, 3 and 4."""
    polls, source = await world.polls(
        Peer(lambda line, asked: line.refuse(asked, code)), 2, meter=profile([7])
    )
    assert reasons(polls) == [reason, reason]
    assert source.stats.timeouts == 0


@everywhere
async def test_a_function_that_is_missing_is_never_asked_for_again(world: World) -> None:
    """Fault 1: exception 1, while the other table goes on."""

    def behave(line: Line, asked: Asked) -> None:
        if asked.read.function == 4:
            line.refuse(asked, 1)
        else:
            normal(line, asked)

    both = profile([0, 1])
    both = both.model_copy(update={"points": both.points + profile([9], "input").points})
    peer = Peer(behave)
    polls, source = await world.polls(peer, 3, meter=both)
    assert [seen["p9"] for seen in flat(polls)] == ["illegal_function"] * 3
    assert [seen["p1"] for seen in flat(polls)] == [1001] * 3
    assert sum(asked.read.function == 4 for asked in peer.asked) == 1
    assert [event.kind for event in source.stats.events] == ["online", "learnt"]


@pytest.mark.parametrize("code", [5, 6])
@everywhere
async def test_a_busy_device_is_asked_again_in_the_same_turn(world: World, code: int) -> None:
    """Fault 2."""
    peer = Peer(at_first(2, lambda line, asked: line.refuse(asked, code)))
    polls, source = await world.polls(peer, 1, meter=TWO_BLOCKS, period=10)
    assert reasons(polls) == ["good"]
    assert len(peer.asked) == 4
    assert source.stats.offline == set()


@everywhere
async def test_a_device_that_stays_busy_is_not_taken_for_dead(world: World) -> None:
    """Fault 2: bounded in a turn, and asked in every turn."""
    peer = Peer(lambda line, asked: line.refuse(asked, 6))
    polls, source = await world.polls(peer, 3, meter=profile([0]), period=8)
    assert reasons(polls) == ["device_busy"] * 3
    assert len(peer.asked) == 9
    assert source.stats.offline == set()


@everywhere
async def test_a_unit_that_its_gateway_cannot_reach_is_offline_alone(world: World) -> None:
    """Fault 4."""

    def behave(line: Line, asked: Asked) -> None:
        if asked.unit == 2:
            line.refuse(asked, 0x0B)
        else:
            normal(line, asked)

    polls, source = await world.polls(Peer(behave), 8, units=[1, 2])
    for poll, said in zip(polls, reasons(polls), strict=True):
        assert said == ("good" if poll.origin.device == "meter-1" else "gateway_path")
    assert source.stats.offline == {"meter-2"}


@everywhere
async def test_one_slow_reply_costs_its_own_block_only(world: World) -> None:
    """Fault 8: no reply in time to the first block; the second is asked and good."""
    slow = later(2, 1, lambda line, asked: line.say(line.answer(asked), 1.2 * world.unit))
    polls, source = await world.polls(Peer(slow), 2, meter=TWO_BLOCKS, period=5)
    assert flat(polls)[1] == {"p0": "timeout", "p1": "timeout", "p200": 1200, "p201": 1201}
    assert source.stats.timeouts == 1


@everywhere
async def test_a_reply_just_in_time_is_good(world: World) -> None:
    """Fault 8: 0.6 of the time-out, in every turn."""
    peer = Peer(lambda line, asked: line.say(line.answer(asked), 0.6 * world.unit))
    polls, source = await world.polls(peer, 3, period=2)
    assert reasons(polls) == ["good"] * 3
    assert source.stats.timeouts == 0


@with_transactions
async def test_a_device_a_little_slower_than_the_time_out_is_waited_for_after_its_first_late_reply(
    world: World,
) -> None:
    """Fault 8: 1.3 of the time-out."""
    peer = Peer(lambda line, asked: line.say(line.answer(asked), 1.3 * world.unit))
    polls, source = await world.polls(peer, 4, period=4)
    assert reasons(polls) == ["timeout", "good", "good", "good"]
    assert source.stats.late_replies == 1


@for_hours
async def test_a_device_far_too_slow_never_shifts_its_replies(world: World) -> None:
    """Faults 8 and 9: every reply takes five time-outs, one after another, and a neighbour goes on."""
    free_at = [0.0]

    def behave(line: Line, asked: Asked) -> None:
        if asked.unit == 1:
            normal(line, asked)
            return
        free_at[0] = max(free_at[0], asked.time) + 5
        line.say(line.answer(asked), free_at[0] - asked.time)

    polls, source = await world.polls(Peer(behave), 120, units=[1, 2])
    by_unit: dict[str, list[str]] = {"meter-1": [], "meter-2": []}
    for poll, said in zip(polls, reasons(polls), strict=True):
        by_unit[poll.origin.device].append(said)
    assert set(by_unit["meter-1"]) == {"good"}
    assert set(by_unit["meter-2"]) == {"timeout"}
    assert source.stats.late_replies > 0


@everywhere
async def test_a_late_reply_is_never_taken_for_the_next_one(world: World) -> None:
    """Fault 9: the reply to the first block comes while the second one is awaited."""

    def behave(line: Line, asked: Asked) -> None:
        line.say(line.answer(asked), (1.1 if asked.read.address == 0 else 0.3) * world.unit)

    polls, source = await world.polls(Peer(later(2, 2, behave)), 3, meter=TWO_BLOCKS, period=5)
    assert flat(polls)[1] == {"p0": "timeout", "p1": "timeout", "p200": 1200, "p201": 1201}
    assert reasons(polls) == ["good", "timeout", "good"]
    recognised = world.framing == "tcp" or world.serial
    assert source.stats.late_replies == (1 if recognised else 0)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda transaction: transaction + 1 & 0xFFFF,
        lambda transaction: (transaction & 0xFF) << 8 | transaction >> 8,
        lambda transaction: transaction - 1 & 0xFFFF,
        lambda transaction: 0,
        lambda transaction: 0xFFFF,
    ],
    ids=["next", "swapped", "previous", "zero", "constant"],
)
@with_transactions
async def test_a_reply_with_a_wrong_transaction_id_is_rejected(
    world: World, wrong: Callable[[int], int]
) -> None:
    """Fault 10."""
    peer = Peer(
        lambda line, asked: line.say(line.frame(asked, line.pdu(asked), transaction=wrong(asked.transaction)))
    )
    polls, source = await world.polls(peer, 3)
    assert set(reasons(polls)) <= {"protocol_error", "timeout"}
    assert source.stats.good_points == 0
    assert source.stats.rejected_replies + source.stats.late_replies > 0


@pytest.mark.parametrize("claimed", [0, 1, 3])
@everywhere
async def test_a_reply_of_another_unit_is_rejected(world: World, claimed: int) -> None:
    """Faults 11 and 24: it is never attributed to the unit that was asked."""
    peer = Peer(lambda line, asked: line.say(line.frame(asked, line.pdu(asked), unit=claimed)))
    polls, source = await world.polls(peer, 3, units=[2])
    assert set(reasons(polls)) <= {"protocol_error", "timeout"}
    assert source.stats.good_points == 0


@everywhere
async def test_the_right_reply_after_a_foreign_one_is_taken(world: World) -> None:
    """Fault 24: two masters on one bus, whose replies cross."""

    def behave(line: Line, asked: Asked) -> None:
        line.say(line.frame(asked, line.pdu(asked._replace(unit=9)), transaction=asked.transaction, unit=9))
        line.say(line.answer(asked), 0.2 * world.unit)

    polls, _ = await world.polls(Peer(behave), 2)
    assert reasons(polls) == ["good", "good"]


@everywhere
async def test_a_reply_in_single_bytes_is_put_together(world: World) -> None:
    """Fault 13: one byte per segment, the last one after a pause."""

    def behave(line: Line, asked: Asked) -> None:
        data = line.answer(asked)
        for place in range(len(data) - 1):
            line.say(data[place : place + 1], (0.001 + 0.0002 * place) * world.unit)
        line.say(data[-1:], 0.3 * world.unit)

    polls, _ = await world.polls(Peer(behave), 2)
    assert reasons(polls) == ["good", "good"]


@with_transactions
async def test_two_replies_in_one_segment_are_two_replies(world: World) -> None:
    """Fault 14: with two requests in flight, also in the wrong order."""
    held: list[bytes] = []

    def behave(line: Line, asked: Asked) -> None:
        held.insert(0, line.answer(asked))
        if len(held) == 2:
            line.say(b"".join(held))
            held.clear()

    polls, source = await world.polls(Peer(behave), 3, meter=TWO_BLOCKS, in_flight=2)
    assert reasons(polls) == ["good"] * 3
    assert source.stats.requests == 6


@everywhere
async def test_a_truncated_reply_is_not_decoded(world: World) -> None:
    """Fault 15: half a reply, then silence."""
    peer = Peer(at_first(1, lambda line, asked: line.say(line.answer(asked)[:-3])))
    polls, source = await world.polls(peer, 4, period=4)
    assert reasons(polls)[0] == "timeout"
    assert "good" in reasons(polls)[1:]
    assert source.stats.timeouts >= 1


@everywhere
async def test_a_truncated_reply_with_an_end_fails_at_once(world: World) -> None:
    """Fault 15: half a reply, then FIN."""

    def behave(line: Line, asked: Asked) -> None:
        line.say(line.answer(asked)[:-3])
        line.end()

    polls, source = await world.polls(Peer(behave), 2)
    assert reasons(polls) == ["unreachable", "unreachable"]
    assert source.stats.timeouts == 0


@pytest.mark.parametrize(
    "garbage",
    [
        b"\xde\xad\xbe\xef" * 8,
        b"\0\1\0\0\0\0\1\3",
        b"\0\1\0\0\xff\xff\1\3",
        b"\0\1\0\7\0\5\1\3\2\0\0",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
    ],
    ids=["noise", "length 0", "length too big", "protocol id 7", "http"],
)
@with_transactions
async def test_a_stream_that_is_no_modbus_is_closed_and_opened_again(world: World, garbage: bytes) -> None:
    """Fault 16."""
    peer = Peer(at_first(1, lambda line, asked: line.say(garbage)))
    polls, source = await world.polls(peer, 4, period=4)
    assert reasons(polls)[0] == "protocol_error"
    assert "good" in reasons(polls)[1:]
    assert source.stats.broken_streams == 1
    assert source.stats.timeouts == 0
    assert len(peer.connects) == 2


@pytest.mark.parametrize(
    "reply",
    [
        read_response(3, b""),
        read_response(3, bytes(4)),
        read_response(4, bytes(2)),
        bytes((3, 2)),
        exception_response(4, 2),
        bytes((3, 99)) + bytes(2),
    ],
    ids=["short", "long", "function", "no data", "exception of another function", "byte count"],
)
@everywhere
async def test_a_reply_of_another_shape_is_rejected(world: World, reply: bytes) -> None:
    """Fault 17."""
    peer = Peer(lambda line, asked: line.say(line.frame(asked, reply)))
    polls, source = await world.polls(peer, 2, meter=profile([7]))
    assert source.stats.good_points == 0
    assert set(reasons(polls)) <= {"protocol_error", "timeout"}
