"""One unit as two devices, each with a profile; and units with a timeout of their own."""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any

from gateway.sources.modbus.device import DeviceSetup
from gateway.sources.modbus.settings import ModbusSettings
from gateway.sources.modbus.source import ModbusSource
from qilu.contract.profile import DeviceProfile
from qilu.contract.reading import Origin, Poll
from qilu.runtime.monotonic_utc import Timebase
from tests.gateway.sources.peer import Asked, Line, Peer, dial_in_memory, normal, profile
from tests.support.virtual_time import run


async def polled(
    peer: Peer, rows: list[dict[str, Any]], profiles: list[DeviceProfile], seconds: float
) -> list[Poll]:
    settings = ModbusSettings.model_validate({"type": "modbus", "url": "tcp://plc", "devices": rows})
    setups = [
        DeviceSetup(device, meter, Origin("edge-1", device.device, meter.profile))
        for device, meter in zip(settings.devices, profiles, strict=True)
    ]
    now = asyncio.get_running_loop().time
    source = ModbusSource(settings, setups, Timebase(1.8e9, now()), Random(7), dial=dial_in_memory(peer))
    polls, until = list[Poll](), now() + seconds
    async with source:
        async for poll in source.polls():
            polls.append(poll)
            if now() >= until:
                break
    return polls


def good(polls: list[Poll], device: str) -> set[str]:
    """The points of a device that were good in each of its polls."""
    of_device = [poll for poll in polls if poll.origin.device == device]
    assert of_device
    return set.intersection(
        *(
            {
                name
                for reading in poll.readings
                for index, name in enumerate(reading.columns.points)
                if index not in reading.reasons
            }
            for poll in of_device
        )
    )


def test_two_profiles_read_one_unit() -> None:
    rows = [{"device": name, "unit_id": 1, "profile": name} for name in ("inverter", "battery")]
    profiles = [
        profile(range(4)).model_copy(update={"profile": "inverter"}),
        profile(range(100, 104)).model_copy(update={"profile": "battery"}),
    ]
    polls = run(polled(Peer(), rows, profiles, 10.0))
    assert good(polls, "inverter") == {"p0", "p1", "p2", "p3"}
    assert good(polls, "battery") == {"p100", "p101", "p102", "p103"}


def test_a_slow_unit_has_a_timeout_of_its_own() -> None:
    def behave(line: Line, asked: Asked) -> None:
        if asked.unit == 2:
            line.say(line.answer(asked), 3.0)
        else:
            normal(line, asked)

    rows: list[dict[str, Any]] = [
        {"device": "fast", "unit_id": 1, "profile": "meter", "poll_periods": {"default": "10s"}},
        {
            "device": "slow",
            "unit_id": 2,
            "profile": "meter",
            "poll_periods": {"default": "10s"},
            "timeout": "8s",
        },
    ]
    meters = [profile(range(4)), profile(range(4))]
    assert good(run(polled(Peer(behave), rows, meters, 100.0))[8:], "slow") == {"p0", "p1", "p2", "p3"}
    del rows[1]["timeout"]
    assert good(run(polled(Peer(behave), rows, meters, 100.0))[8:], "slow") == set()
