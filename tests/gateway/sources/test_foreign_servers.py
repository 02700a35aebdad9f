"""The gateway reads correctly from servers that are not ours: of pymodbus, libmodbus and pyModbusTCP."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from random import Random

import pytest
from pymodbus.framer import FramerType

from gateway.sources.modbus.device import DeviceSetup
from gateway.sources.modbus.settings import ModbusSettings
from gateway.sources.modbus.source import ModbusSource
from qilu.contract.profile import DeviceProfile
from qilu.contract.reading import Origin
from qilu.runtime.monotonic_utc import Timebase
from tests.gateway.sources.everything import SIZE, equipment
from tests.gateway.sources.foreign import pymodbus_server, pymodbustcp_server, read, values
from tests.servers.libmodbus import LibmodbusServer


async def test_pymodbus_is_read_in_every_encoding_and_order() -> None:
    profile, image, expected = equipment()
    async with pymodbus_server(image) as port:
        poll, source = await read(f"tcp://127.0.0.1:{port}", profile)
    assert values(poll) == expected
    assert source.stats.bad_points == 0


async def test_pymodbus_is_read_in_rtu_frames_over_tcp() -> None:
    profile, image, expected = equipment()
    async with pymodbus_server(image, FramerType.RTU) as port:
        poll, _ = await read(f"rtu+tcp://127.0.0.1:{port}", profile)
    assert values(poll) == expected


async def test_addresses_that_pymodbus_does_not_have_cost_only_themselves() -> None:
    """Fault 5, with a real server."""
    profile, image, expected = equipment()
    row = {"name": "beyond", "table": "holding", "address": SIZE + 5, "type": "float32"}
    near = {"name": "last", "table": "holding", "address": SIZE - 1, "type": "uint16"}
    rows = [point.model_dump(exclude_defaults=True) for point in profile.points]
    wide = DeviceProfile.model_validate({"profile": "everything", "points": [*rows, near, row]})
    async with pymodbus_server(image) as port:
        poll, source = await read(f"tcp://127.0.0.1:{port}", wide, polls=1)
    assert values(poll) == {**expected, "last": 0, "beyond": "illegal_address"}
    assert [event.text for event in source.stats.events if event.kind == "limits_learned"] == [
        "refuses beyond"
    ]


@pytest.mark.parametrize("max_in_flight", [1, 4])
async def test_libmodbus_is_read_in_every_encoding_and_order(tmp_path: Path, max_in_flight: int) -> None:
    profile, image, expected = equipment()
    with LibmodbusServer(tmp_path, image) as server:  # type: ignore[arg-type]
        poll, source = await read(f"tcp://127.0.0.1:{server.port}", profile, max_in_flight=max_in_flight)
    assert values(poll) == expected
    assert source.stats.bad_points == 0


async def test_pymodbustcp_is_read_in_every_encoding_and_order() -> None:
    profile, image, expected = equipment()
    with pymodbustcp_server(image) as port:
        poll, source = await read(f"tcp://127.0.0.1:{port}", profile)
    assert values(poll) == expected
    assert source.stats.bad_points == 0


async def test_libmodbus_killed_and_started_again_is_read_again(tmp_path: Path) -> None:
    """Fault 31: its values are bad while it is gone, and good without anybody's help afterwards."""
    profile, image, expected = equipment()
    with LibmodbusServer(tmp_path, image) as server:  # type: ignore[arg-type]
        url = f"tcp://127.0.0.1:{server.port}"
        device = {"device": "foreign-1", "profile": "everything", "poll_periods": {"default": "50ms"}}
        settings = ModbusSettings.model_validate({"type": "modbus", "url": url, "devices": [device]})
        setup = DeviceSetup(settings.devices[0], profile, Origin("edge-1", "foreign-1", "everything"))
        source = ModbusSource(
            settings, [setup], Timebase(time.time(), asyncio.get_running_loop().time()), Random(3)
        )
        seen: list[bool] = []
        async with source, asyncio.timeout(30):
            async for poll in source.polls():
                good = values(poll) == expected
                if seen == [] or seen[-1] != good:
                    seen.append(good)
                    if seen == [True]:
                        server.kill()
                    elif seen == [True, False]:
                        assert set(values(poll).values()) == {"unreachable"}
                        await asyncio.to_thread(server.start)
                    else:
                        break
    assert seen == [True, False, True]
    assert [event.kind for event in source.stats.events] == ["online", "offline", "online"]
