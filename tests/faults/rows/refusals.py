"""Rows 1 to 7: exceptions, addresses that do not exist, blocks that are too long, registers not to read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gateway.sources.modbus.learning.device_limits import TRIAL_INTERVAL_S
from qilu.modbus.errors import InvalidRequest
from qilu.modbus.write_functions import WriteRegisters
from tests.faults.stage import Case, Seen, Stage, profile

HOURS = "it takes minutes or hours"
TABLES = profile([0, 1])
TABLES = TABLES.model_copy(update={"points": TABLES.points + profile([9], "input").points})


def always(*reasons: str) -> Callable[[Seen], None]:
    """Every poll says this, and nothing was met with silence."""

    def expect(seen: Seen) -> None:
        assert seen.reasons() == list(reasons) * len(seen.polls)
        assert seen.source.stats.timeouts == 0
        assert seen.source.stats.offline == set(), "whoever answers is not dead"

    return expect


def seldom_asked_again(seen: Seen) -> None:
    assert [values["p9"] for values in seen.values()] == ["illegal_function"] * 4
    assert [values["p1"] for values in seen.values()] == [1001] * 4
    assert sum(asked.function == 4 for asked in seen.wire.asked) <= 2, "not in every poll"
    assert sorted(seen.events()) == ["limits_learned", "online"]


def busy_for_a_moment(seen: Seen) -> None:
    assert seen.reasons() == ["good"] * 2
    assert seen.struck["exception"] == 2
    assert len(seen.wire.asked) == 2 + 2
    assert seen.source.stats.offline == set()


def busy_for_ever(seen: Seen) -> None:
    assert seen.reasons() == ["device_busy"] * 3
    assert len(seen.wire.asked) == 9, "three requests in each turn"
    assert seen.source.stats.offline == set()


def offline_alone(seen: Seen) -> None:
    assert seen.reasons(1) == ["good"] * 4
    assert seen.reasons(2) == ["gateway_path"] * 4
    assert seen.source.stats.offline == {"meter-2"}


def only_the_missing_are_bad(seen: Seen) -> None:
    for values in seen.values():
        assert {name for name, value in values.items() if isinstance(value, str)} == {"p13", "p40"}
        assert len(values) == 60
    asked = [(asked.address, asked.quantity) for asked in seen.wire.asked[-3:]]
    assert asked == [(0, 13), (14, 26), (41, 19)], "remembered across polls"
    learnt = [event.text for event in seen.source.stats.events if event.kind == "limits_learned"]
    assert learnt == ["refuses p13, p40"]


def gap_avoided(seen: Seen) -> None:
    assert set(seen.reasons()) == {"good"}
    assert [(asked.address, asked.quantity) for asked in seen.wire.asked[-2:]] == [(0, 20), (30, 10)]


def repaired_after_a_while(seen: Seen) -> None:
    if len(seen.wire.asked) > 60:
        seen.repair()


def asked_again_now_and_then(seen: Seen) -> None:
    assert seen.values()[0]["p5"] == seen.values()[10]["p5"] == "illegal_address"
    assert seen.reasons()[-1] == "good"


def silence_understood(seen: Seen) -> None:
    bad = [{name for name, value in values.items() if isinstance(value, str)} for values in seen.values()]
    assert bad[-3:] == [{"p33"}] * 3
    assert seen.source.stats.offline == set()
    assert seen.source.stats.timeouts < 4 + 12


def limit_learnt(limit: int) -> Callable[[Seen], None]:
    def expect(seen: Seen) -> None:
        assert seen.reasons()[-1] == "good"
        assert set(seen.reasons()[1:]) <= {"good", "illegal_address"}
        assert max(asked.quantity for asked in seen.wire.asked[-(100 // limit) :]) <= limit
        assert seen.source.stats.exceptions <= 100 + 5, "it is learnt once, and tried again now and then"

    return expect


def good_at_last(seen: Seen) -> None:
    assert seen.reasons()[-3:] == ["good"] * 3
    assert seen.source.stats.offline == set()


def never_struck(name: str) -> Callable[[Seen], None]:
    def expect(seen: Seen) -> None:
        assert seen.reasons() == ["good"] * len(seen.polls)
        assert seen.struck[name] == 0

    return expect


async def refuses_to_write_more_than_123(case: Case, stage: Stage) -> None:
    WriteRegisters(0, bytes(2 * 123)).encode()
    with pytest.raises(InvalidRequest, match="one request carries 1 to 123"):
        WriteRegisters(0, bytes(2 * 124)).encode()


def exception(row: int, code: int, reason: str, **more: Any) -> Case:
    return Case(
        row=row,
        name=f"exception {code} is {reason}",
        faults=[{"fault": "exception", "code": code}],
        meter=profile([7]),
        expect=always(reason),
        polls=2,
        **more,
    )


NO_READ = profile(
    [*range(10), *range(20, 30)], limits={"unreadable": [{"table": "holding", "first": 10, "last": 19}]}
)

CASES = (
    exception(1, 1, "illegal_function"),
    exception(1, 2, "illegal_address"),
    exception(1, 3, "illegal_address"),
    exception(1, 4, "device_failure"),
    Case(
        row=1,
        name="a function that is missing is asked for again as an address is",
        faults=[{"fault": "exception", "code": 1, "function": 4}],
        meter=TABLES,
        expect=seldom_asked_again,
    ),
    *(
        Case(
            row=2,
            name=f"a device that says {code} is asked again in the same turn",
            faults=[{"fault": "exception", "code": code, "max_count": 2}],
            meter=profile(),
            polls=2,
            expect=busy_for_a_moment,
        )
        for code in (5, 6)
    ),
    Case(
        row=2,
        name="a device that stays busy is asked three times in a turn and is not dead",
        faults=[{"fault": "exception", "code": 6}],
        meter=profile([0]),
        polls=3,
        expect=busy_for_ever,
    ),
    exception(3, 7, "device_failure"),
    exception(3, 8, "device_failure"),
    exception(3, 99, "device_failure"),
    *(
        Case(
            row=4,
            name=f"exception {code} takes its own unit out of service, no other",
            faults=[{"fault": "exception", "code": code, "strikes": [2]}],
            meter=profile(),
            units=(1, 2),
            polls=8,
            expect=offline_alone,
        )
        for code in (0x0A, 0x0B)
    ),
    *(
        Case(
            row=5,
            name=f"addresses refused with {code} cost only themselves",
            faults=[
                {"fault": "partial_illegal", "address": 13, "code": code},
                {"fault": "partial_illegal", "address": 40, "code": code},
            ],
            meter=profile(range(60)),
            polls=3,
            expect=only_the_missing_are_bad,
        )
        for code in (2, 3)
    ),
    Case(
        row=5,
        name="an illegal address between two points is read around",
        faults=[{"fault": "partial_illegal", "address": 25}],
        meter=profile([*range(20), *range(30, 40)]),
        polls=2,
        expect=gap_avoided,
    ),
    Case(
        row=5,
        name="what was refused is asked again after ten seconds, and twice as long each time",
        faults=[{"fault": "partial_illegal", "address": 5}],
        meter=profile(range(10)),
        period=60,
        polls=int(TRIAL_INTERVAL_S / 60) + 3,
        during=repaired_after_a_while,
        expect=asked_again_now_and_then,
        virtual_only=HOURS,
    ),
    Case(
        row=5,
        name="silence in place of exception 2 is understood too",
        faults=[{"fault": "partial_illegal", "address": 33, "behaviour": "no_reply"}],
        meter=profile([*range(20, 40), *range(200, 210)]),
        period=30,
        polls=10,
        expect=silence_understood,
        virtual_only=HOURS,
    ),
    *(
        Case(
            row=6,
            name=f"a longest block of {limit}, told by exception {code}, is learnt",
            faults=[{"fault": "block_limit", "max_addresses": limit, "code": code}],
            meter=profile(range(100)),
            period=20,
            polls=8,
            expect=limit_learnt(limit),
            virtual_only=HOURS,
        )
        for limit in (40, 16, 1)
        for code in (2, 3)
    ),
    Case(
        row=6,
        name="a longest block of 16 is learnt in one turn",
        faults=[{"fault": "block_limit", "max_addresses": 16}],
        meter=profile(range(60)),
        polls=3,
        period=8,
        expect=limit_learnt(16),
    ),
    *(
        Case(
            row=6,
            name=f"a longest block of 16, told by silence, is learnt {beside}",
            faults=[{"fault": "block_limit", "max_addresses": 16, "behaviour": "no_reply"}],
            meter=profile(addresses),
            period=60,
            polls=10,
            expect=good_at_last,
            virtual_only=HOURS,
        )
        for beside, addresses in {
            "alone": range(60),
            "beside another": [*range(60), *range(200, 210)],
        }.items()
    ),
    Case(
        row=6,
        name="nobody is asked for more than 125 registers",
        faults=[{"fault": "no_limits"}],
        meter=profile(range(300)),
        polls=2,
        expect=never_struck("no_limits"),
    ),
    Case(
        row=6,
        name="more than 123 registers are not written",
        meter=profile(),
        play=refuses_to_write_more_than_123,
        virtual_only="nothing is sent",
    ),
    Case(
        row=7,
        name="registers that must not be read are not read through",
        faults=[{"fault": "no_read", "address": 10, "last": 19}],
        meter=NO_READ,
        polls=3,
        expect=never_struck("no_read"),
    ),
    Case(
        row=7,
        name="a gap that is longer than the device allows is not read through",
        faults=[{"fault": "no_read", "address": 10, "last": 19}],
        meter=profile([*range(10), *range(20, 30)], limits={"max_gap": 9}),
        polls=3,
        expect=never_struck("no_read"),
    ),
)
