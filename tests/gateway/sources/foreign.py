"""Servers that are not ours, and one reading of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from random import Random
from typing import Any

from pymodbus.framer import FramerType
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice
from pyModbusTCP.server import DataBank, ModbusServer  # type: ignore[import-untyped]

from gateway.sources.modbus.device import DeviceSetup
from gateway.sources.modbus.settings import ModbusSettings
from gateway.sources.modbus.source import ModbusSource
from qilu.contract.profile import DeviceProfile
from qilu.contract.reading import Origin, Poll
from qilu.runtime.monotonic_utc import Timebase
from tests.gateway.sources.everything import SIZE
from tests.servers.process import free_port


async def read(url: str, profile: DeviceProfile, polls: int = 2, **more: Any) -> tuple[Poll, ModbusSource]:
    """The last of so many polls."""
    device = {"device": "foreign-1", "profile": "everything", "poll_periods": {"default": "100ms"}}
    settings = ModbusSettings.model_validate({"type": "modbus", "url": url, "devices": [device], **more})
    setup = DeviceSetup(settings.devices[0], profile, Origin("edge-1", "foreign-1", "everything"))
    timebase = Timebase(time.time(), asyncio.get_running_loop().time())
    source = ModbusSource(settings, [setup], timebase, Random(3))
    async with source:
        async for poll in source.polls():
            if source.stats.polls == polls:
                return poll, source
    raise AssertionError("a source never ends")


def values(poll: Poll) -> dict[str, Any]:
    return {
        name: reading.reasons.get(index, value)
        for reading in poll.readings
        for index, (name, value) in enumerate(zip(reading.columns.points, reading.values, strict=True))
    }


def device_of(image: Mapping[str, Mapping[int, int]]) -> SimDevice:
    """pymodbus' device with these four tables, as unit 1."""
    blocks = [
        [SimData(0, values=[bool(image[table].get(a, 0)) for a in range(SIZE)], datatype=DataType.BITS)]
        for table in ("coil", "discrete")
    ] + [
        [SimData(0, values=[image[table].get(a, 0) for a in range(SIZE)], datatype=DataType.REGISTERS)]
        for table in ("holding", "input")
    ]
    return SimDevice(1, simdata=(blocks[0], blocks[1], blocks[2], blocks[3]))


@asynccontextmanager
async def pymodbus_server(
    image: Mapping[str, Mapping[int, int]], framer: FramerType = FramerType.SOCKET
) -> AsyncIterator[int]:
    """The port of a server with these four tables under unit 1."""
    server = ModbusTcpServer(device_of(image), address=("127.0.0.1", 0), framer=framer)
    await server.serve_forever(background=True)
    assert isinstance(server.transport, asyncio.Server)
    try:
        yield server.transport.sockets[0].getsockname()[1]
    finally:
        await server.shutdown()  # type: ignore[no-untyped-call]


@contextmanager
def pymodbustcp_server(image: Mapping[str, Mapping[int, int]]) -> Iterator[int]:
    """The port of a server of pyModbusTCP, which has threads of its own, with these four tables."""
    bank = DataBank()
    bank.set_coils(0, [bool(image["coil"].get(a, 0)) for a in range(SIZE)])
    bank.set_discrete_inputs(0, [bool(image["discrete"].get(a, 0)) for a in range(SIZE)])
    bank.set_holding_registers(0, [image["holding"].get(a, 0) for a in range(SIZE)])
    bank.set_input_registers(0, [image["input"].get(a, 0) for a in range(SIZE)])
    port = free_port()
    server = ModbusServer("127.0.0.1", port, no_block=True, data_bank=bank)
    server.start()
    while not server.is_run:  # its thread has just been started
        time.sleep(0.001)
    try:
        yield port
    finally:
        server.stop()
