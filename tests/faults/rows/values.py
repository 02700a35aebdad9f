"""Rows 25 to 30, 32 and 34: values in another order or place, torn, frozen; writes; the last addresses."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from itertools import pairwise
from random import Random
from typing import Any

import pytest

from gateway.commissioning.probe.arguments import Range
from gateway.commissioning.probe.reader import Prober, read_range, settings_for
from gateway.commissioning.probe.value_search import Tolerance, find, notes
from gateway.processors.stale import StaleDetector
from gateway.processors.unwrap import CounterUnwrapper
from gateway.sources.modbus.stats import SourceStats
from qilu.contract.profile import DeviceProfile, Table
from qilu.contract.reading import Poll, Value
from qilu.modbus.errors import ProtocolError
from qilu.modbus.write_functions import MaskWrite, WriteCoil, WriteCoils, WriteRegister, WriteRegisters
from qilu.modbus_client.client import Client, NotAppliedError
from qilu.modbus_client.connector import new_connection
from qilu.modbus_client.endpoint_state import EndpointState
from qilu.modbus_client.options import ClientOptions
from tests.faults.stage import Case, Seen, Stage, profile, staged

ON_SOCKETS = "the probe dials for itself"
NUMBERS: Mapping[str, tuple[int, str, float | int]] = {
    "uint32": (0, ">I", 71_512),
    "int32": (2, ">i", -1_456_789_012),
    "float32": (4, ">f", struct.unpack(">f", struct.pack(">f", 231.57))[0]),
    "uint64": (6, ">Q", 8_765_432_109_876_543_210),
    "float64": (10, ">d", -0.1234567890123),
}
"""Type -> where it stands, how struct writes it, and its value."""

ORDERS: Mapping[str, dict[str, str]] = {
    "cdab": {"word_order": "little"},
    "badc": {"byte_order": "little"},
    "dcba": {"word_order": "little", "byte_order": "little"},
}


def fault(name: str, **parameters: Any) -> dict[str, Any]:
    return {"fault": name, **parameters}


def rows(*points: dict[str, Any], **more: Any) -> DeviceProfile:
    table = {"table": "holding"}
    return DeviceProfile.model_validate(
        {"profile": "meter", "points": [{**table, **point} for point in points], **more}
    )


def wide(**orders: Any) -> DeviceProfile:
    """One point of each type in NUMBERS."""
    return rows(
        *({"name": kind, "address": at, "type": kind} for kind, (at, _, _) in NUMBERS.items()), **orders
    )


def constant(words: Mapping[int, int]) -> Callable[[], Callable[[int], int]]:
    return lambda: lambda address: words.get(address, 0)


def numbers() -> Callable[[int], int]:
    """The registers of NUMBERS, most significant first."""
    words: dict[int, int] = {}
    for at, code, value in NUMBERS.values():
        words |= {
            at + n: word for n, (word,) in enumerate(struct.iter_unpack(">H", struct.pack(code, value)))
        }
    return lambda address: words.get(address, 0)


def counting() -> Callable[[int], int]:
    """A counter of 32 bits at 0 and 1, three more at each read."""
    count = [1000]

    def at(address: int) -> int:
        if address == 0:
            count[0] += 3
        return count[0] >> 16 if address == 0 else count[0] & 0xFFFF

    return at


def right_numbers(seen: Seen) -> None:
    assert seen.values() == [{kind: value for kind, (_, _, value) in NUMBERS.items()}] * len(seen.polls)
    assert seen.struck["word_swap"] == len(seen.wire.asked)


def times_65536(seen: Seen) -> None:
    """What a wrong order looks like: the telltale that a person recognises."""
    assert seen.values() == [{"volts": 231 * 65_536}]


def beside(seen: Seen) -> None:
    """The points are one address before the place that they are named after."""
    assert [values["p11"] for values in seen.values()] == [1011] * len(seen.polls)
    assert seen.struck["off_by_one"] > 0


def a_mix_of_two(seen: Seen) -> None:
    """One address off: the low word of one value is the high word of the next."""
    assert seen.values()[0]["uint32"] == (71_512 & 0xFFFF) << 16 | (-1_456_789_012 & 0xFFFFFFFF) >> 16


def at_40011(seen: Seen) -> None:
    assert seen.values() == [{"p10": 1010}] * len(seen.polls)


def all_bad(reason: str) -> Callable[[Seen], None]:
    def expect(seen: Seen) -> None:
        assert [values["struck"] for values in seen.values()] == [reason] * len(seen.polls)
        assert all(not isinstance(values["sound"], str) for values in seen.values())
        assert seen.struck["sentinel"] > 0

    return expect


async def the_probe_hints_at_swapped_words(case: Case, stage: Stage) -> None:
    async with staged(case, stage) as seen:
        async with Prober(settings_for(seen.source.name, 1.0), Random(1)) as prober:
            read = Range(Table.HOLDING, 0, 13)
            dump = await read_range(prober, 1, read)
    match = find(dump, 71_512, Tolerance(0, relative=False))[0]
    assert (match.address, match.view.word_order) == (0, "little")
    assert any("the words are swapped" in hint for hint in notes(dump, match, read))


async def the_probe_hints_at_an_address_off_by_one(case: Case, stage: Stage) -> None:
    """The manual says 11; the device counts from 0."""
    async with staged(case, stage) as seen:
        async with Prober(settings_for(seen.source.name, 1.0), Random(1)) as prober:
            read = Range(Table.HOLDING, 11, 11)
            dump = await read_range(prober, 1, read.widened(2, 2))
    match = next(found for found in find(dump, 1010, Tolerance(0, relative=False)) if found.exponent == 0)
    assert match.address == 10
    assert any("the manual may count from 1" in hint for hint in notes(dump, match, read))


def totals(seen: Seen) -> list[Value]:
    counters = CounterUnwrapper({"meter-1": (seen.case.meter, {})})
    return [counters.process(poll)[0].readings[0].values[0] for poll in seen.polls]


def goes_on(happened: str, reported: Callable[[list[Value]], bool]) -> Callable[[Seen], None]:
    """The total never goes back, has no spike, and in the end has counted everything but the doubtful."""

    def expect(seen: Seen) -> None:
        raw = [values["total"] for values in seen.values()]
        assert reported(raw), f"the fault is real: {raw}"
        found = [int(value) for value in totals(seen) if isinstance(value, int | float)]
        steps = [later - sooner for sooner, later in pairwise(found)]
        assert len(found) == len(seen.polls)
        assert all(0 <= step <= 6 for step in steps), f"{happened}: {found}"
        assert found[-1] - found[0] >= 3 * (len(found) - 2)

    return expect


def never_torn(seen: Seen) -> None:
    assert seen.values() == [{kind: value for kind, (_, _, value) in NUMBERS.items()}] * len(seen.polls)
    assert seen.struck["torn"] == 0
    assert max(asked.quantity for asked in seen.wire.asked) <= 4


def stale_after_three(seen: Seen) -> None:
    stale = StaleDetector(("total",), 3)
    output = [reasons_of(stale.process(poll)[0]) for poll in seen.polls]
    assert output == ["good", "good", *(["stale"] * (len(seen.polls) - 2))]
    assert len({values["total"] for values in seen.values()}) == 1


def moving_is_not_stale(seen: Seen) -> None:
    stale = StaleDetector(("total",), 3)
    assert {reasons_of(stale.process(poll)[0]) for poll in seen.polls} == {"good"}


def reasons_of(poll: Poll) -> str:
    return "+".join(str(reason) for reading in poll.readings for reason in reading.reasons.values()) or "good"


def up_to_the_last(seen: Seen) -> None:
    assert seen.reasons() == ["good"] * len(seen.polls)
    assert seen.struck["no_limits"] == 0
    assert max(asked.address + asked.quantity for asked in seen.wire.asked) == 65536


async def client_of(seen: Seen, stage: Stage) -> Client:
    options = ClientOptions(seen.source._settings.url)
    connection = await seen.dial(
        options,
        lambda: new_connection(
            options,
            SourceStats(),
            lambda unit, seconds: None,
            EndpointState(options, Random(7)),
        ),
    )
    return Client(connection, 5 * stage.unit)


WRITES = (
    WriteRegister(5, b"\x12\x34"),
    WriteRegisters(6, b"\1\2\3\4"),
    WriteCoil(4, True),
    WriteCoils(10, (True, True, True)),
    MaskWrite(9, 0xFF0F, 0x00C0),
)


async def a_wrong_echo_is_a_failure(case: Case, stage: Stage) -> None:
    async with staged(case, stage) as seen:
        client = await client_of(seen, stage)
        for write in WRITES:
            with pytest.raises(ProtocolError, match="expects an echo"):
                await client.write(1, write)
        assert seen.struck["write_echo"] == len(WRITES)
        assert seen.devices[1].written[5] == 0x1234, "it was carried out: only reading back could tell"
        client._connection.close()


async def what_was_not_applied_is_found_out(case: Case, stage: Stage) -> None:
    async with staged(case, stage) as seen:
        client = await client_of(seen, stage)
        for write in WRITES:
            await client.write(1, write)
            with pytest.raises(NotAppliedError, match="unit 1 confirmed"):
                await client.write_and_verify(1, write)
        assert seen.struck["write_not_applied"] == 2 * len(WRITES)
        assert seen.devices[1].written == {}
        seen.repair()
        for write in WRITES:
            await client.write_and_verify(1, write)
        client._connection.close()


def sentinel(raw: int | str, kind: str, reason: str = "sentinel", sentinels: tuple[int, ...] = ()) -> Case:
    return Case(
        row=27,
        name=f"{raw if isinstance(raw, str) else f'{raw:#x}'} in a {kind} is no value",
        faults=[fault("sentinel", point="struck", raw=raw)],
        meter=rows(
            {"name": "struck", "address": 0, "type": kind, "scale": 0.1, "sentinels": list(sentinels)},
            {"name": "sound", "address": 8, "type": "uint16"},
        ),
        polls=2,
        expect=all_bad(reason),
    )


COUNTER = rows({"name": "total", "address": 0, "type": "uint32", "kind": "counter", "accumulate": True})
MODICON = DeviceProfile.model_validate(
    {
        "profile": "meter",
        "addressing": "modicon",
        "points": [{"name": "p10", "table": "holding", "address": 40011, "type": "uint16"}],
    }
)
EDGE = profile([0, 1, *range(65536 - 130, 65536)])


def counter(name: str, reported: Callable[[list[Value]], bool], **parameters: Any) -> Case:
    return Case(
        row=28,
        name=f"{name.replace('_', ' ')} changes no total",
        faults=[fault(name, point="total", skip=4, **parameters)],
        meter=COUNTER,
        period=1,
        polls=12,
        moving=counting,
        expect=goes_on(name, reported),
    )


def _drops(raw: list[Value]) -> bool:
    return any(later < sooner for sooner, later in pairwise(raw))  # type: ignore[operator]


CASES = (
    *(
        Case(
            row=25,
            name=f"values that come as {order} are read where the profile says so",
            faults=[fault("word_swap", order=order)],
            meter=wide(**ORDERS[order]),
            moving=numbers,
            polls=2,
            expect=right_numbers,
        )
        for order in ORDERS
    ),
    Case(
        row=25,
        name="with the wrong order a value is 65536 times too large",
        faults=[fault("word_swap")],
        meter=rows({"name": "volts", "address": 0, "type": "uint32"}),
        moving=constant({1: 231}),
        polls=1,
        expect=times_65536,
    ),
    Case(
        row=25,
        name="the probe hints at swapped words",
        faults=[fault("word_swap")],
        meter=wide(),
        moving=numbers,
        play=the_probe_hints_at_swapped_words,
        sockets_only=ON_SOCKETS,
        tcp_only="the probe shows what it read, whatever the framing",
    ),
    Case(
        row=26,
        name="registers beside their place are read there",
        faults=[fault("off_by_one")],
        meter=rows({"name": "p11", "address": 10, "type": "uint16"}),
        polls=2,
        expect=beside,
    ),
    Case(
        row=26,
        name="an address that is off by one mixes two values",
        faults=[fault("off_by_one")],
        meter=wide(),
        moving=numbers,
        polls=1,
        expect=a_mix_of_two,
    ),
    Case(
        row=26,
        name="40011 is address 10",
        meter=MODICON,
        polls=2,
        expect=at_40011,
    ),
    Case(
        row=26,
        name="the probe hints at an address that is off by one",
        meter=profile(),
        play=the_probe_hints_at_an_address_off_by_one,
        sockets_only=ON_SOCKETS,
        tcp_only="the probe shows what it read, whatever the framing",
    ),
    sentinel(0x8000, "int16", sentinels=(0x8000,)),
    sentinel(0xFFFF, "uint16", sentinels=(0xFFFF,)),
    sentinel(0x80000000, "int32", sentinels=(0x80000000,)),
    sentinel(0xFFFFFFFF, "uint32", sentinels=(0xFFFFFFFF,)),
    sentinel("nan", "float32", "not_a_number"),
    sentinel("inf", "float32", "not_a_number"),
    sentinel("-inf", "float64", "not_a_number"),
    Case(
        row=28,
        name="a counter past its last number goes on",
        faults=[fault("counter_rollover", point="total", before=14)],
        meter=COUNTER,
        period=1,
        polls=12,
        moving=counting,
        expect=goes_on("rollover", _drops),
    ),
    counter("counter_reset", _drops),
    counter("counter_glitch", lambda raw: raw.count(0) == 1, max_count=1),
    Case(
        row=29,
        name="no value is split over two requests",
        faults=[fault("torn")],
        meter=wide(limits={"max_registers": 4}),
        moving=numbers,
        expect=never_torn,
    ),
    Case(
        row=30,
        name="a value that does not move is marked where that is asked for",
        faults=[fault("frozen")],
        meter=COUNTER,
        moving=counting,
        period=1,
        polls=8,
        expect=stale_after_three,
    ),
    Case(
        row=30,
        name="a value that moves is not marked",
        meter=COUNTER,
        moving=counting,
        period=1,
        polls=8,
        expect=moving_is_not_stale,
    ),
    Case(
        row=32,
        name="a wrong echo is a failure",
        faults=[fault("write_echo")],
        meter=profile(),
        play=a_wrong_echo_is_a_failure,
    ),
    Case(
        row=32,
        name="a write that is not applied is found out by reading back",
        faults=[fault("write_not_applied")],
        meter=profile(),
        play=what_was_not_applied_is_found_out,
    ),
    Case(
        row=34,
        name="blocks end with the last address",
        faults=[fault("no_limits")],
        meter=EDGE,
        polls=2,
        expect=up_to_the_last,
    ),
)
