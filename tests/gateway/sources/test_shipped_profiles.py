"""Profiles of real machines: the registers of the manual, served by pymodbus, are the readings expected."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from gateway.sources.modbus.device import DeviceSetup
from gateway.sources.modbus.settings import ModbusSettings
from gateway.sources.modbus.source import ModbusSource
from qilu.config.profiles import profiles
from qilu.contract.profile import DeviceProfile
from qilu.contract.reading import Origin
from qilu.runtime.monotonic_utc import Timebase

CASES = Path(__file__).parents[2] / "cases" / "profiles"
NAMES = sorted(folder.name for folder in CASES.iterdir())
TABLES = {3: "input", 4: "holding"}  # by the first digit of a number in Modicon's notation

Dump = Mapping[str, Mapping[int, int]]
"""Table -> zero-based address -> register."""


def registers(case: str) -> Dump:
    """As the file says it; the numbers in it are Modicon's."""
    dump: dict[str, dict[int, int]] = {"input": {}, "holding": {}}
    for number, words in yaml.safe_load((CASES / case / "registers.yaml").read_text()).items():
        first = number % 100_000 - 1
        dump[TABLES[number // 100_000]] |= {first + place: word for place, word in enumerate(words)}
    return dump


@asynccontextmanager
async def served(dump: Dump) -> AsyncIterator[int]:
    """The port of a device with these registers, and 0 between them."""
    blocks = []
    for words in (dump["holding"], dump["input"]):
        first, last = min(words, default=0), max(words, default=0)
        values = [words.get(address, 0) for address in range(first, last + 1)]
        blocks.append([SimData(first, values=values, datatype=DataType.REGISTERS)])
    bits = [SimData(0, values=[False] * 16, datatype=DataType.BITS)]
    device = SimDevice(1, simdata=(bits, bits, blocks[0], blocks[1]))
    server = ModbusTcpServer(device, address=("127.0.0.1", 0))
    await server.serve_forever(background=True)
    assert isinstance(server.transport, asyncio.Server)
    try:
        yield server.transport.sockets[0].getsockname()[1]
    finally:
        await server.shutdown()  # type: ignore[no-untyped-call]


async def readings(profile: DeviceProfile, port: int) -> dict[str, Any]:
    """Point -> value, or {"bad": reason}, of one turn of each group."""
    groups = [group for group in profile.groups if profile.points_of(group)]
    device = {"device": "m-1", "profile": profile.profile, "poll_periods": dict.fromkeys(groups, "100ms")}
    url = f"tcp://127.0.0.1:{port}"
    settings = ModbusSettings.model_validate({"type": "modbus", "url": url, "devices": [device]})
    setup = DeviceSetup(settings.devices[0], profile, Origin("edge-1", "m-1", profile.profile))
    timebase = Timebase(time.time(), asyncio.get_running_loop().time())
    found: dict[str, Any] = {}
    async with ModbusSource(settings, [setup], timebase, Random(1)) as source:
        async for poll in source.polls():
            groups.remove(poll.readings[0].columns.group)
            for reading in poll.readings:
                for index, name in enumerate(reading.columns.points):
                    reason = reading.reasons.get(index)
                    found[name] = {"bad": str(reason)} if reason else reading.values[index]
            if not groups:
                break
    return found


@pytest.mark.parametrize("case", NAMES)
async def test_the_registers_of_a_machine_become_the_readings_of_its_manual(case: str) -> None:
    expected = yaml.safe_load((CASES / case / "readings.yaml").read_text())
    async with served(registers(case)) as port:
        found = await readings(profiles([case])[case], port)
    assert set(found) == set(expected)
    for name, value in expected.items():
        assert found[name] == (pytest.approx(value, rel=1e-12) if isinstance(value, float) else value), name


@pytest.mark.parametrize("case", NAMES)
def test_a_case_has_just_the_registers_of_the_points(case: str) -> None:
    dump = registers(case)
    points = {
        (point.table.value, address)
        for point in profiles([case])[case].points
        for address in range(point.address, point.last + 1)
    }
    assert points == {(table, address) for table, words in dump.items() for address in words}


@pytest.mark.parametrize("case", NAMES)
def test_a_profile_of_a_real_machine_names_its_source_and_speaks_both_languages(case: str) -> None:
    profile = profiles([case])[case]
    assert profile.source
    assert profile.title.en
    assert profile.title.zh
    assert [point.name for point in profile.points if not (point.label.en and point.label.zh)] == []
    assert profile.warnings() == []


@pytest.mark.parametrize("case", NAMES)
def test_a_state_in_a_case_is_one_that_the_profile_names(case: str) -> None:
    expected = yaml.safe_load((CASES / case / "readings.yaml").read_text())
    states = {point.name: point.enum for point in profiles([case])[case].points if point.enum}
    assert [name for name, names in states.items() if expected[name] not in names] == []
