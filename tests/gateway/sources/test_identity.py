"""Values count only while the identity of the device reads right; a SunSpec model is found by a walk."""

from __future__ import annotations

import logging
import struct
from typing import Any

import pytest

from gateway.sources.modbus.learning.sunspec_search import MAX_MODELS, sunspec_search
from qilu.contract.profile import DeviceProfile
from qilu.contract.reading import Poll
from qilu.modbus.pdu import exception_response
from qilu.modbus.read_functions import read_response
from tests.gateway.sources.peer import Asked, Line, Peer, World
from tests.support.virtual_time import run

POWER = 2840


def inverter(**more: Any) -> DeviceProfile:
    """Model 103 behind a common model of 65 registers, as `sunspec-inverter` has it."""
    points = [
        {"name": "model", "table": "holding", "address": 40069, "type": "uint16", "identity": [101, 103]},
        {"name": "power", "table": "holding", "address": 40083, "type": "int16"},
        {"name": "energy", "table": "holding", "address": 40093, "type": "uint32", "group": "slow"},
    ]
    groups = {"fast": 1.0, "slow": 5.0}
    return DeviceProfile.model_validate({"profile": "inverter", "points": points, "groups": groups, **more})


def registers_of(*models: tuple[int, list[int]], base: int = 40000) -> dict[int, int]:
    """A SunSpec map of these models: id and registers."""
    words = [*struct.unpack(">HH", b"SunS")]
    for model, content in models:
        words += [model, len(content), *content]
    return dict(enumerate([*words, 0xFFFF, 0], base))


def model_103(shift: int = 0) -> list[int]:
    content = [7 + shift] * 50
    content[12], content[22], content[23] = POWER, 0, 1234
    return content


def serving(registers: dict[int, int]) -> Peer:
    """Anything beside the map is refused."""

    def behave(line: Line, asked: Asked) -> None:
        function, first, count = asked.read
        words = [registers.get(address) for address in range(first, first + count)]
        if None in words:
            line.say(line.frame(asked, exception_response(function, 2)))
        else:
            data = b"".join(word.to_bytes(2) for word in words if word is not None)
            line.say(line.frame(asked, read_response(function, data)))

    return Peer(behave)


def values(polls: list[Poll]) -> list[dict[str, Any]]:
    return [
        {
            point: reading.reasons.get(index, reading.values[index])
            for reading in poll.readings
            for index, point in enumerate(reading.columns.points)
        }
        for poll in polls
    ]


@pytest.mark.parametrize("common", [65, 66])
def test_a_map_that_is_moved_is_never_read_as_if_it_were_not(
    common: int, caplog: pytest.LogCaptureFixture
) -> None:
    peer = serving(registers_of((1, [0x4142] * common), (103, model_103())))
    with caplog.at_level(logging.WARNING):
        found = values(run(World("memory").polls(peer, 40, meter=inverter()))[0])
    right = [{"model": 103, "power": POWER}, {"energy": 1234}]
    wrong = [{"model": "undecodable", "power": "undecodable"}, {"energy": "undecodable"}]
    expected = right if common == 65 else wrong
    assert [seen for seen in found if seen not in expected] == []
    assert ("the profile inverter expects 101 or 103" in caplog.text) == (common == 66)


@pytest.mark.parametrize("base", [40000, 50000, 0])
@pytest.mark.parametrize("before", [[(1, [0x4142] * 66)], [(1, [0] * 65), (120, [9] * 26)], []])
def test_a_sunspec_model_is_found_by_walking(before: list[tuple[int, list[int]]], base: int) -> None:
    registers = registers_of(*before, (103, model_103()), base=base)
    peer = serving(dict.fromkeys(range(40069, 40103), 9) | registers)
    found = values(run(World("memory").polls(peer, 40, meter=inverter(locate="sunspec")))[0])
    assert {"model": 103, "power": POWER} in found
    assert {"energy": 1234} in found
    assert found[-1] in ({"model": 103, "power": POWER}, {"energy": 1234})
    for seen in found:
        assert seen.get("power") in (POWER, "undecodable", "not_polled", None)


def test_the_identity_is_read_before_any_value_counts() -> None:
    points = [
        {"name": "power", "table": "holding", "address": 100, "type": "uint16", "group": "first"},
        {"name": "marker", "table": "holding", "address": 0, "type": "string", "length": 2},
    ]
    points[1] |= {"identity": ["SunS"], "group": "second"}
    groups = {"first": 1.0, "second": 600.0}
    meter = DeviceProfile.model_validate({"profile": "meter", "points": points, "groups": groups})
    registers = {0: 0x5375, 1: 0x6E53, 100: 5}
    polls, _ = run(World("memory").polls(serving(registers), 9, meter=meter))
    assert all(seen in ({"power": 5}, {"marker": "SunS"}) for seen in values(polls))
    other = registers | {1: 0x6E54}
    polls, _ = run(World("memory").polls(serving(other), 9, meter=meter))
    assert all(set(seen.values()) == {"undecodable"} for seen in values(polls))
    del other[0]
    polls, _ = run(World("memory").polls(serving(other), 9, meter=meter))
    assert all(set(seen.values()) <= {"not_polled", "illegal_address"} for seen in values(polls))


def test_a_device_that_is_off_is_not_asked_for_its_identity_beside_its_values() -> None:
    """Each request without a reply costs its neighbours a timeout."""
    peer = Peer(lambda line, asked: None)
    run(World("memory").polls(peer, 60, meter=inverter()))
    slow = [asked for asked in peer.asked if asked.read.address == 40093]
    assert slow
    identity = [asked for asked in peer.asked if asked.read[1:] == (40069, 1)]
    assert len(identity) < 0.75 * len(slow), "as many as of its own group"


def end_of_walk(answer: bytes | None) -> int | None:
    """What a walk comes to where every read brings the same."""
    search = sunspec_search([103])
    next(search)
    for _ in range(4 * MAX_MODELS):
        try:
            search.send(answer)
        except StopIteration as end:
            return None if end.value is None else int(end.value)
    raise AssertionError("the walk does not end")


@pytest.mark.parametrize("answer", [None, b"SunS", b"\0\1\0\0", b"\xff\xff\0\0"])
def test_a_walk_ends_whatever_the_device_replies(answer: bytes | None) -> None:
    assert end_of_walk(answer) is None


@pytest.mark.parametrize(
    ("point", "problem"),
    [
        ({"identity": ["a"]}, "no values of a uint16"),
        ({"identity": [1], "scale": 0.1}, "an integer without scale"),
        ({"identity": [1], "type": "float32"}, "an integer without scale"),
    ],
)
def test_an_identity_that_cannot_be_compared_is_refused(point: dict[str, Any], problem: str) -> None:
    row = {"name": "model", "table": "holding", "address": 0, "type": "uint16", **point}
    with pytest.raises(ValueError, match=problem):
        DeviceProfile.model_validate({"profile": "meter", "points": [row]})
