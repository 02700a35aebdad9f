"""Rows 8 to 17 and 24: replies that are late, in pieces, not ours, cut short, or no replies at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from qilu.modbus.tcp import MAX_FRAME
from tests.faults.stage import Case, Seen, profile

HOURS = "it takes minutes or hours"
CLOSE = "a tenth of a time-out is too little where clocks are real"
NO_IDS = "an RTU frame carries no transaction id"
NO_HEADER = "an RTU frame has no header"
NO_PIPELINE = "RTU has one request open at a time, and after a time-out its connection is a new one"
TWO_BLOCKS = profile([0, 1, 200, 201])


def all_good(seen: Seen) -> None:
    assert seen.reasons() == ["good"] * len(seen.polls)
    assert seen.source.stats.timeouts == 0
    assert sum(seen.struck.values()) > 0


def never_good(*reasons: str) -> Callable[[Seen], None]:
    def expect(seen: Seen) -> None:
        assert set(seen.reasons()) <= set(reasons)
        assert seen.source.stats.good_points == 0

    return expect


def rejected(seen: Seen) -> None:
    never_good("protocol_error", "timeout")(seen)
    if seen.stage.framing == "tcp":
        assert seen.source.stats.rejected_replies + seen.source.stats.late_replies > 0


def no_cascade(*slow: str) -> Callable[[Seen], None]:
    """The slow unit is this, and its neighbour is good in every poll."""

    def expect(seen: Seen) -> None:
        assert set(seen.reasons(1)) == {"good"}
        assert set(seen.reasons(2)) == set(slow)

    return expect


def waited_for(seen: Seen) -> None:
    assert set(seen.reasons(1)) == {"good"}
    if seen.stage.framing != "rtu":
        assert seen.reasons(2)[-3:] == ["good"] * 3, "after its late reply it is waited for longer"
        assert seen.source.stats.late_replies > 0
    else:
        assert set(seen.reasons(2)) == {"timeout"}, "a late reply cannot be told from another"


def asked_again(seen: Seen) -> None:
    """In the same turn, and nobody's value is that of another one."""
    assert seen.reasons() == ["good"] * 3
    assert seen.source.stats.timeouts == 1
    assert seen.source.stats.late_replies == (0 if seen.stage.framing == "rtu" else 1)


def never_shifted(seen: Seen) -> None:
    """Whatever is good is true; a block that is often late may be taken for one that does not exist."""
    assert set(seen.reasons()) <= {"good", "timeout", "illegal_address", "illegal_address+timeout"}
    assert "good" in seen.reasons()
    assert seen.struck["late_reply"] > 20


def held_and_joined(seen: Seen) -> None:
    assert set(seen.reasons()) <= {"good", "timeout"}
    assert "good" in seen.reasons()


def recovered(first: str) -> Callable[[Seen], None]:
    def expect(seen: Seen) -> None:
        output = seen.reasons()
        assert output[0] == first
        assert output[-2:] == ["good", "good"]
        assert len(seen.wire.connects) <= 3

    return expect


def cut_short(seen: Seen) -> None:
    """It costs a time-out; the begin of the next reply is not taken for its end."""
    assert seen.reasons() == ["good"] * 4
    assert seen.source.stats.timeouts == 1
    assert seen.source.stats.late_replies == 0
    assert len(seen.wire.connects) == (1 if seen.stage.framing == "serial" else 2)


def reconnected(seen: Seen) -> None:
    recovered("protocol_error")(seen)
    assert seen.source.stats.broken_streams == 1
    assert seen.source.stats.timeouts == 0
    assert len(seen.wire.connects) == 2


def resynchronised(seen: Seen) -> None:
    """A header that says two bytes more than there are: nothing wrong is read, and soon all is good again."""
    assert set(seen.reasons()) <= {"timeout", "protocol_error", "good"}
    assert seen.source.stats.timeouts + seen.source.stats.broken_streams > 0
    assert seen.reasons()[-2:] == ["good", "good"]


def cut_off(seen: Seen) -> None:
    assert seen.reasons() == ["unreachable"] * 2
    assert seen.source.stats.timeouts == 0


def bounded(seen: Seen) -> None:
    """Whatever comes, no more than one frame of it is kept."""
    connection = seen.source._link._connection
    assert connection is None or connection._framer.buffered <= MAX_FRAME


def tolerated_on_a_line(seen: Seen) -> None:
    """Noise before a reply: an RTU frame is found in it; a TCP stream has to be opened anew."""
    if seen.stage.frames == "rtu":
        assert seen.reasons() == ["good"] * len(seen.polls)
    else:
        reconnected(seen)


def noise_then_good(seen: Seen) -> None:
    """A line finds frames in noise; of a stream nothing can be told any more."""
    recovered("protocol_error" if seen.stage.framing == "tcp" else "good")(seen)


def one_lost(seen: Seen) -> None:
    assert seen.reasons() == ["good"] * len(seen.polls)
    assert seen.source.stats.timeouts == 1
    assert seen.struck["late_reply"] == 1


def good_and_unstruck(seen: Seen) -> None:
    assert seen.reasons() == ["good"] * len(seen.polls)
    assert not any(seen.struck.values())


def soon_good(seen: Seen) -> None:
    assert set(seen.reasons()[:2]) <= {"timeout", "protocol_error", "good"}
    assert seen.reasons()[-2:] == ["good", "good"]


def fault(name: str, **parameters: Any) -> dict[str, Any]:
    return {"fault": name, **parameters}


LATE = (
    Case(
        row=8,
        name="0.9 of the time-out is in time",
        faults=[fault("slow", delay=0.9)],
        meter=profile(),
        expect=all_good,
        virtual_only=CLOSE,
    ),
    Case(
        row=8,
        name="0.6 of the time-out is in time",
        faults=[fault("slow", delay=0.6)],
        meter=profile(),
        expect=all_good,
    ),
    Case(
        row=8,
        name="1.1 of the time-out is waited for once it is known",
        faults=[fault("slow", delay=1.1, strikes=[2])],
        units=(1, 2),
        polls=40,
        meter=profile(),
        expect=waited_for,
        virtual_only=CLOSE,
    ),
    Case(
        row=8,
        name="5 time-outs shift no reply and slow no neighbour",
        faults=[fault("slow", delay=5, strikes=[2])],
        units=(1, 2),
        period=1,
        polls=120,
        meter=profile(),
        expect=no_cascade("timeout"),
        virtual_only=HOURS,
    ),
    Case(
        row=8,
        name="one slow reply costs no value",
        faults=[fault("late_reply", delay=1.4, skip=2, max_count=1)],
        meter=TWO_BLOCKS,
        polls=3,
        expect=asked_again,
    ),
    Case(
        row=9,
        name="a late reply is never taken for the next one",
        faults=[
            fault("late_reply", delay=1.15, skip=2, max_count=1),
            fault("late_reply", delay=0.4, skip=3, max_count=1),
        ],
        meter=TWO_BLOCKS,
        polls=3,
        expect=asked_again,
        virtual_only=CLOSE,
    ),
    Case(
        row=9,
        name="a late reply is discarded",
        faults=[fault("late_reply", delay=1.5, skip=2, max_count=1)],
        meter=TWO_BLOCKS,
        polls=3,
        expect=asked_again,
    ),
    Case(
        row=9,
        name="a late reply of the same shape is never taken for the next one",
        faults=[fault("late_reply", delay=1.5, probability=0.3)],
        meter=profile([0, 200, 400, 600]),
        period=10,
        polls=60,
        expect=never_shifted,
        virtual_only=HOURS,
    ),
    Case(
        row=13,
        name="a reply in single bytes is put together",
        faults=[fault("split", segment_bytes=1, gap=0.001, pause=0.2)],
        meter=TWO_BLOCKS,
        expect=all_good,
    ),
    Case(
        row=14,
        name="two replies in one segment are two replies",
        faults=[fault("coalesce", count=2)],
        meter=TWO_BLOCKS,
        settings={"max_in_flight": 2},
        expect=all_good,
        tcp_only=NO_PIPELINE,
    ),
    Case(
        row=14,
        name="a reply that was given up, with the next one behind it",
        faults=[fault("coalesce", count=2, max_count=2)],
        meter=TWO_BLOCKS,
        expect=held_and_joined,
        no_line="it comes later than twice the time-out, and on the same line: nothing could tell it apart",
    ),
)

_WRONG_IDS: Mapping[str, dict[str, Any]] = {
    "the next": {"kind": "next"},
    "swapped": {"kind": "swapped"},
    "the previous": {"kind": "previous"},
    "always 0": {"kind": "constant"},
    "always 65535": {"kind": "constant", "value": 65535},
}

NOT_OURS = (
    *(
        Case(
            row=10,
            name=f"a transaction id that is {name} is rejected",
            faults=[fault("wrong_transaction", **more)],
            meter=profile(),
            expect=rejected,
            tcp_only=NO_IDS,
        )
        for name, more in _WRONG_IDS.items()
    ),
    *(
        Case(
            row=11,
            name=f"a reply of unit {claimed} to unit 2 is rejected",
            faults=[fault("wrong_unit", unit_id=claimed)],
            units=(2,),
            meter=profile(),
            expect=rejected,
        )
        for claimed in (0, 1, "neighbour")
    ),
    *(
        Case(
            row=10,
            name=f"a transaction id that is {kind} can be ignored",
            faults=[fault("wrong_transaction", kind=kind)],
            meter=TWO_BLOCKS,
            settings={"quirks": {"ignore_transaction_id": True}},
            expect=all_good,
            tcp_only=NO_IDS,
        )
        for kind in ("next", "swapped", "previous", "constant")
    ),
    *(
        Case(
            row=10,
            name=f"a reply without an id that is {late} time-outs late is not taken for the next one",
            faults=[
                fault("wrong_transaction", kind="constant"),
                fault("late_reply", delay=late, skip=2, max_count=1),
            ],
            meter=TWO_BLOCKS,
            period=6,
            settings={"quirks": {"ignore_transaction_id": True}},
            expect=one_lost,
            tcp_only=NO_IDS,
            virtual_only=CLOSE,
        )
        for late in (1.05, 1.5, 1.95)
    ),
    *(
        Case(
            row=11,
            name=f"a reply of unit {claimed} to unit 2 can be accepted",
            faults=[fault("wrong_unit", unit_id=claimed)],
            units=(2,),
            meter=profile(),
            settings={"quirks": {"accepted_unit_ids": [0, 1]}},
            expect=all_good,
        )
        for claimed in (0, 1)
    ),
    Case(
        row=11,
        name="no other unit id than those is accepted",
        faults=[fault("wrong_unit", unit_id=3)],
        units=(2,),
        meter=profile(),
        settings={"quirks": {"accepted_unit_ids": [0, 1]}},
        expect=rejected,
    ),
    Case(
        row=12,
        name="a device that answers to unit 0 alone is read as unit 0",
        faults=[fault("unit_zero_only")],
        units=(0,),
        meter=profile(),
        expect=good_and_unstruck,
        tcp_only="unit 0 of a serial line is the broadcast, which nobody answers",
    ),
    Case(
        row=12,
        name="a device that answers to unit 0 alone is silent as unit 1",
        faults=[fault("unit_zero_only")],
        units=(1,),
        meter=profile(),
        expect=never_good("timeout"),
        tcp_only="unit 0 of a serial line is the broadcast, which nobody answers",
    ),
    Case(
        row=12,
        name="a device that ignores unit 255 is read by its own id",
        faults=[fault("dead_unit", unit_id=255)],
        units=(1, 247),
        meter=profile(),
        expect=good_and_unstruck,
    ),
    *(
        Case(
            row=17,
            name=f"a byte count with {name} is rejected",
            faults=[fault("byte_count", **more)],
            meter=profile([7]),
            expect=rejected,
        )
        for name, more in {
            "2 too many": {"byte_count_delta": 2},
            "2 too few": {"byte_count_delta": -2},
            "a register more": {"data_delta": 2},
            "a register less": {"data_delta": -2},
        }.items()
    ),
    Case(
        row=17,
        name="the right shape with another function is rejected",
        faults=[fault("wrong_function")],
        meter=profile([7]),
        expect=rejected,
    ),
    Case(
        row=24,
        name="the reply to another master is rejected and ours is taken",
        faults=[fault("crossed_masters", gap=0.2)],
        meter=profile(),
        expect=all_good,
    ),
    Case(
        row=24,
        name="the reply to another master alone is not ours",
        faults=[fault("crossed_masters", instead=True)],
        meter=profile(),
        expect=rejected,
    ),
    Case(
        row=24,
        name="a master that counts like us and asks another unit is told apart",
        faults=[fault("crossed_masters", shift=0, instead=True)],
        meter=profile(),
        expect=rejected,
    ),
    Case(
        row=24,
        name="a master that asks the same unit is told apart by its count",
        faults=[fault("crossed_masters", unit_id=1, instead=True)],
        meter=profile(),
        expect=rejected,
        tcp_only=NO_IDS,
    ),
)


BROKEN = (
    Case(
        row=15,
        name="a truncated reply is not decoded",
        faults=[fault("truncate", skip=1, max_count=1)],
        meter=profile(),
        period=3,
        expect=cut_short,
    ),
    Case(
        row=15,
        name="a truncated reply with an end fails at once",
        faults=[fault("truncate", behaviour="close")],
        meter=profile(),
        polls=2,
        expect=cut_off,
    ),
    *(
        Case(
            row=16,
            name=f"a header that is {kind} ends the connection",
            faults=[fault("bad_length", kind=kind, max_count=1)],
            meter=profile(),
            expect=reconnected,
            tcp_only=NO_HEADER,
        )
        for kind in ("big", "small", "zero", "protocol")
    ),
    Case(
        row=16,
        name="a header that says too much is found out",
        faults=[fault("bad_length", kind="longer", max_count=1)],
        meter=profile(),
        polls=6,
        expect=resynchronised,
        tcp_only=NO_HEADER,
    ),
    Case(
        row=16,
        name="a header that says too little is found out",
        faults=[fault("bad_length", kind="shorter", max_count=1)],
        meter=profile(),
        polls=6,
        expect=soon_good,
        tcp_only=NO_HEADER,
    ),
    Case(
        row=16,
        name="noise instead of a reply is got over",
        faults=[fault("garbage", max_count=1)],
        meter=profile(),
        expect=noise_then_good,
    ),
    Case(
        row=16,
        name="a web server's answer is got over",
        faults=[fault("garbage", text="HTTP/1.1 400 Bad Request\r\n\r\n", max_count=1)],
        meter=profile(),
        expect=noise_then_good,
    ),
    Case(
        row=16,
        name="noise before a reply is got over",
        faults=[fault("garbage", place="before", noise_bytes=7, max_count=1)],
        meter=profile(),
        expect=tolerated_on_a_line,
    ),
    Case(
        row=16,
        name="a flood of noise is not kept",
        faults=[fault("garbage", noise_bytes=50_000)],
        meter=profile(),
        polls=2,
        during=bounded,
        expect=never_good("protocol_error", "timeout", "unreachable"),
    ),
)


CASES = (*LATE, *NOT_OURS, *BROKEN)
