"""Rows 18 to 23, 31 and 33: connections that are refused, reset, half open, shared, and come back at once."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack
from itertools import pairwise
from random import Random
from typing import Any

from qilu.modbus_client.connect_limiter import ConnectLimiter
from qilu.modbus_client.connection import Connection
from qilu.modbus_client.connector import USER_TIMEOUT_MS, Dial
from tests.faults.stage import Case, Seen, Stage, poll, profile, source_of, staged, unit_of

HOURS = "it takes minutes or hours"
TWO_BLOCKS = profile([0, 1, 200, 201])


def fault(name: str, **parameters: Any) -> dict[str, Any]:
    return {"fault": name, **parameters}


def refused(seen: Seen) -> None:
    assert seen.reasons() == ["unreachable"] * len(seen.polls)
    assert [poll.size for poll in seen.polls] == [4] * len(seen.polls)
    assert seen.source.stats.timeouts == 0
    assert seen.events() == ["offline"]


def no_storm(seen: Seen) -> None:
    assert seen.reasons() == ["unreachable"] * 600
    assert 40 < len(seen.wire.connects) < 200
    waits = [later - sooner for sooner, later in pairwise(seen.wire.connects)]
    assert len({round(wait) for wait in waits}) > 5, "with jitter, so that many edges do not come in step"
    assert len(seen.warnings) <= 3, "told once, not at every attempt"
    assert seen.source.stats.missed_polls == 0


def reset_again(seen: Seen) -> None:
    assert seen.reasons() == ["unreachable"] * len(seen.polls)
    assert seen.source.stats.timeouts == 0


def nothing_lost(connects: int) -> Callable[[Seen], None]:
    def expect(seen: Seen) -> None:
        assert seen.reasons() == ["good"] * len(seen.polls)
        assert len(seen.wire.connects) == connects
        assert sum(seen.struck.values()) > 0
        assert seen.events() == ["online"]

    return expect


def replaced(seen: Seen) -> None:
    """At once where a time-out ends the connection, as it does where replies have no ids."""
    assert seen.reasons()[0] == ("timeout" if seen.stage.framing == "tcp" else "good")
    assert seen.reasons()[-2:] == ["good", "good"]
    assert seen.source.stats.timeouts <= 3
    assert len(seen.wire.connects) == 2


def noticed_by_the_system(seen: Seen) -> None:
    connection = seen.source._link.connection
    assert connection is not None
    assert connection._transport is not None
    sock = connection._transport.get_extra_info("socket")
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == USER_TIMEOUT_MS


def one_connection(seen: Seen) -> None:
    assert seen.reasons() == ["good"] * len(seen.polls)
    assert len(seen.wire.connects) == 1
    assert seen.struck["client_limit"] == 0


def given_back(seen: Seen) -> None:
    assert seen.reasons() == ["good"] * len(seen.polls)
    assert len(seen.wire.connects) == len(seen.polls)
    assert seen.wire.most_open == 1


async def a_stranger_is_there_first(case: Case, stage: Stage) -> None:
    """And leaves when the case has half of its polls."""
    async with staged(case, stage) as seen:
        stranger = await seen.intrude()
        await asyncio.sleep(0.05 * stage.unit)

        def leave(seen: Seen) -> None:
            if len(seen.polls) == case.polls // 2:
                stranger.abort()

        await poll(seen, leave)
    assert seen.reasons()[0] in ("unreachable", "timeout")
    assert seen.reasons()[-1] == "good"
    assert seen.struck["client_limit"] > 0


async def a_stranger_comes_between(case: Case, stage: Stage) -> None:
    async with staged(case, stage) as seen, asyncio.TaskGroup() as tasks:

        async def intrude() -> None:
            await asyncio.sleep(1.5 * case.period * stage.unit)
            stranger = await seen.intrude()
            await asyncio.sleep(2 * case.period * stage.unit)
            stranger.abort()

        tasks.create_task(intrude())
        await poll(seen)
    assert seen.reasons() == ["good"] * case.polls
    assert seen.struck["client_limit"] == 2, "we were evicted, and evicted the other"


def in_turn(seen: Seen) -> None:
    assert seen.reasons() == ["good"] * len(seen.polls)
    assert seen.struck["needs_gap"] == 0


def gap_is_needed(seen: Seen) -> None:
    assert seen.struck["needs_gap"] > 0, "the fault is real: without the setting it strikes"
    assert seen.source.stats.timeouts > 0


def in_any_order(seen: Seen) -> None:
    assert seen.reasons() == ["good"] * len(seen.polls)
    assert seen.struck["out_of_order"] > 0


def neighbours_undisturbed(seen: Seen) -> None:
    assert set(seen.reasons(1)) == set(seen.reasons(3)) == {"good"}
    assert set(seen.reasons(2)) == {"timeout"}
    assert seen.source.stats.offline == {"meter-2"}


def ten_of_twenty(seen: Seen) -> None:
    for unit in range(1, 21):
        output = Counter(seen.reasons(unit))
        if unit % 2:
            assert output["good"] >= 0.9 * 600
            assert output["timeout"] == 0
        else:
            assert output["good"] == 0
    assert seen.source.stats.offline == {f"meter-{unit}" for unit in range(2, 21, 2)}
    assert seen.source.stats.timeouts > 60, "the dead ones are probed all the time"


def the_bus_is_fair(seen: Seen) -> None:
    for unit in (1, 2, 3):
        assert Counter(seen.reasons(unit))["good"] >= 0.9 * 600
    assert seen.source.stats.offline == {"meter-4", "meter-5", "meter-6"}


def revived(seen: Seen) -> None:
    if len(seen.polls) == len(seen.case.units) * 400:
        seen.repair()


def soon_in_service(seen: Seen) -> None:
    good = [poll.due_ms / 1000 for poll, output in zip(seen.polls, seen.reasons(), strict=True)
            if output == "good" and unit_of(poll) == 2]  # fmt: skip
    repaired = seen.polls[len(seen.case.units) * 400 - 1].due_ms / 1000
    assert good[0] - repaired < 70
    assert "meter-2" not in seen.source.stats.offline


def offline_after_two(seen: Seen) -> None:
    first_bad = seen.reasons().index("timeout")
    assert set(seen.reasons()[:first_bad]) == {"good"}
    assert set(seen.reasons()[first_bad:]) == {"timeout"}
    assert seen.events() == ["online", "offline"]


def zeros_are_not_trusted(seen: Seen) -> None:
    output = seen.reasons()  # which would fail at a zero that is said to be good
    assert output[0] == output[-1] == "good"
    assert "unreachable" in output
    assert "restarted" in output
    assert output.index("unreachable") < output.index("restarted")
    assert seen.events() == ["online", "offline", "online"]


def zeros_come_through(seen: Seen) -> None:
    assert {values["p7"] for values in seen.values()} == {1007, 0, "unreachable"}, "the fault is real"


async def all_return_at_once(case: Case, stage: Stage) -> None:
    """Many endpoints lose their power at the same moment and come back at the same moment."""
    many, most = (200, 20) if stage.kind == "memory" else (40, 5)
    slots, under_way, peak = ConnectLimiter(most), Counter[str](), Counter[str]()

    def counted(dial: Dial) -> Dial:
        async def dialled(options: Any, made: Callable[[], Connection]) -> Connection:
            under_way["now"] += 1
            peak["now"] = max(peak["now"], under_way["now"])
            try:
                await asyncio.sleep(0.1 * stage.unit)
                return await dial(options, made)
            finally:
                under_way["now"] -= 1

        return dialled

    async with AsyncExitStack() as stack, asyncio.TaskGroup() as tasks:
        seens = [await stack.enter_async_context(staged(case, stage)) for _ in range(many)]
        for number, seen in enumerate(seens):
            port = seen.source._settings.endpoint.port
            seen.source = source_of(case, stage, port, counted(seen.dial), slots, Random(number))
            tasks.create_task(poll(seen))
    assert peak["now"] <= most
    for seen in seens:
        assert seen.reasons()[-1] == "good"
        assert "unreachable" in seen.reasons()
    if stage.kind == "memory":
        assert all("good" in seen.reasons()[:4] for seen in seens)
        back = Counter(round(seen.wire.connects[-1]) for seen in seens)
        assert max(back.values()) < many / 2, "spread by jitter"


RESET = (
    Case(
        row=18,
        name="a connection that is reset at once makes every value unreachable",
        faults=[fault("reset", at="connect")],
        meter=TWO_BLOCKS,
        expect=refused,
    ),
    Case(
        row=18,
        name="attempts to connect back off and the turns go on",
        faults=[fault("reset", at="connect")],
        meter=profile([0]),
        period=1,
        polls=600,
        expect=no_storm,
        virtual_only=HOURS,
    ),
    Case(
        row=18,
        name="a reset instead of a reply fails the request at once",
        faults=[fault("reset", at="request")],
        meter=profile(),
        polls=3,
        expect=reset_again,
    ),
    Case(
        row=18,
        name="a reset in the middle of a reply costs no other block",
        faults=[fault("reset", at="reply", skip=3, max_count=1)],
        meter=TWO_BLOCKS,
        polls=3,
        expect=nothing_lost(2),
    ),
    Case(
        row=19,
        name="a connection that swallows everything is replaced",
        faults=[fault("half_open", max_count=1)],
        meter=profile(),
        period=2,
        polls=10,
        expect=replaced,
    ),
    Case(
        row=19,
        name="the system notices when nothing is confirmed any more",
        meter=profile(),
        polls=1,
        during=noticed_by_the_system,
        sockets_only="what is set stands at the socket",
    ),
    Case(
        row=20,
        name="an idle connection that was closed is no error",
        faults=[fault("idle_close", idle_timeout=1)],
        meter=profile(),
        expect=nothing_lost(4),
    ),
    Case(
        row=20,
        name="a connection that is closed as we ask is no error",
        faults=[fault("reset", at="request", skip=2, max_count=1)],
        meter=profile(),
        expect=nothing_lost(2),
    ),
    Case(
        row=20,
        name="a connection that is closed as we ask twice at once is no error",
        faults=[fault("reset", at="request", skip=2, max_count=2)],
        meter=TWO_BLOCKS,
        settings={"max_in_flight": 2},
        expect=nothing_lost(2),
        tcp_only="RTU has one request open at a time",
    ),
)

SHARED = (
    Case(
        row=21,
        name="all units share the one connection",
        faults=[fault("client_limit")],
        meter=profile(),
        units=(1, 2, 3, 247, 0, 255),
        polls=12,
        expect=one_connection,
    ),
    Case(
        row=21,
        name="the connection is given back after each turn where that is asked for",
        faults=[fault("client_limit")],
        meter=TWO_BLOCKS,
        settings={"close_after_poll": True},
        expect=given_back,
    ),
    *(
        Case(
            row=21,
            name=f"whoever came first is served, and we {what}",
            faults=[fault("client_limit", behaviour=then)],
            meter=profile(),
            polls=14,
            play=a_stranger_is_there_first,
        )
        for then, what in {"refuse": "are reset", "hang": "hang"}.items()
    ),
    Case(
        row=21,
        name="a stranger who evicts us is evicted in turn",
        faults=[fault("client_limit", behaviour="evict")],
        meter=profile(),
        polls=6,
        play=a_stranger_comes_between,
    ),
    Case(
        row=22,
        name="requests keep the gap",
        faults=[fault("needs_gap", gap=0.25)],
        meter=TWO_BLOCKS,
        units=(1, 2),
        polls=6,
        settings={"message_spacing": 0.35},
        expect=in_turn,
    ),
    Case(
        row=22,
        name="without the gap requests are lost",
        faults=[fault("needs_gap", gap=0.25)],
        meter=TWO_BLOCKS,
        units=(1, 2),
        polls=6,
        expect=gap_is_needed,
    ),
    Case(
        row=22,
        name="one request at a time cannot be answered out of order",
        faults=[fault("out_of_order", max_delay=0.2)],
        meter=TWO_BLOCKS,
        units=(1, 2),
        polls=6,
        expect=in_any_order,
    ),
    Case(
        row=22,
        name="two requests at once may be answered in any order",
        faults=[fault("out_of_order", max_delay=0.2)],
        meter=TWO_BLOCKS,
        units=(1, 2),
        polls=6,
        settings={"max_in_flight": 2},
        expect=in_any_order,
        tcp_only="RTU has one request open at a time",
    ),
    Case(
        row=23,
        name="one dead unit of three disturbs no other",
        faults=[fault("dead_unit", strikes=[2])],
        meter=profile(),
        units=(1, 2, 3),
        polls=18,
        expect=neighbours_undisturbed,
    ),
    Case(
        row=23,
        name="ten dead units of twenty slow no other",
        faults=[fault("dead_unit", strikes=list(range(2, 21, 2)))],
        meter=profile(),
        units=range(1, 21),
        period=1,
        polls=20 * 600,
        expect=ten_of_twenty,
        virtual_only=HOURS,
    ),
    Case(
        row=23,
        name="a line that is kept busy by dead units is shared fairly",
        faults=[fault("dead_unit", busy=0.8, strikes=[4, 5, 6])],
        meter=profile(),
        units=range(1, 7),
        period=1,
        polls=6 * 600,
        expect=the_bus_is_fair,
        virtual_only=HOURS,
    ),
    *(
        Case(
            row=23,
            name=f"a unit that comes back beside {others} dead ones is soon in service",
            faults=[
                fault("dead_unit", strikes=[2], duration=400),
                fault("dead_unit", strikes=list(range(3, 3 + others))),
            ],
            meter=profile(),
            units=range(1, 3 + others),
            period=1,
            polls=800 * (2 + others),
            expect=soon_in_service,
            virtual_only=HOURS,
        )
        for others in (0, 1, 9)
    ),
    Case(
        row=23,
        name="a unit that falls silent is offline after two requests",
        faults=[fault("dead_unit", start=12)],
        meter=TWO_BLOCKS,
        period=1,
        polls=30,
        expect=offline_after_two,
        virtual_only=HOURS,
    ),
)

POWER = (
    Case(
        row=31,
        name="zeros after a restart are not trusted",
        faults=[fault("power_cycle", start=5.5, off_duration=20, zero_duration=5)],
        meter=profile(),
        period=1,
        polls=90,
        device={"settling_polls": 8},
        expect=zeros_are_not_trusted,
        virtual_only=HOURS,
    ),
    Case(
        row=31,
        name="zeros after a short restart are not trusted",
        faults=[fault("power_cycle", start=5.5, off_duration=2.5, zero_duration=3)],
        meter=profile(),
        period=1,
        polls=40,
        device={"settling_polls": 5},
        expect=zeros_are_not_trusted,
    ),
    Case(
        row=31,
        name="without that setting zeros are taken for values",
        faults=[fault("power_cycle", start=5.5, off_duration=2.5, zero_duration=8)],
        meter=profile(),
        period=1,
        polls=40,
        expect=zeros_come_through,
    ),
    Case(
        row=33,
        name="many endpoints that return at once after a minute are not stormed",
        faults=[fault("power_cycle", start=3.5, off_duration=60, zero_duration=0)],
        meter=profile([0]),
        period=1,
        polls=120,
        play=all_return_at_once,
        virtual_only=HOURS,
    ),
    Case(
        row=33,
        name="many endpoints that return at once are not stormed",
        faults=[fault("power_cycle", start=3.5, off_duration=3, zero_duration=0)],
        meter=profile([0]),
        period=1,
        polls=50,
        play=all_return_at_once,
        sockets_only="a longer outage is played in memory",
    ),
)

CASES = (*RESET, *SHARED, *POWER)
