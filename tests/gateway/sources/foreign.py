"""Equipment in every type and order, to be served by servers that are not ours, and what has to be read."""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from random import Random
from typing import Any

from pymodbus.framer import FramerType
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from gateway.sources.device import DeviceSetup
from gateway.sources.modbus import ModbusSource
from gateway.sources.settings import ModbusSettings
from qilu.contract.profile import DeviceProfile
from qilu.contract.reading import Origin, Poll
from qilu.runtime.timebase import Timebase

NUMBERS: Mapping[str, tuple[str, Any]] = {
    "uint16": ("H", 54321),
    "int16": ("h", -12345),
    "uint32": ("I", 3_456_789_012),
    "int32": ("i", -1_456_789_012),
    "uint64": ("Q", 8_765_432_109_876_543_210),
    "int64": ("q", -8_765_432_109_876_543_210),
    "float32": ("f", struct.unpack(">f", struct.pack(">f", 231.57))[0]),
    "float64": ("d", -0.1234567890123),
}
"""Type -> how struct writes it, and a value whose bytes are all different."""

SIZE = 400


def words_of(kind: str, byte_order: str, word_order: str) -> list[int]:
    """The registers of the number of this type, worked out without our codec."""
    code, value = NUMBERS[kind]
    words = [word[0] for word in struct.iter_unpack(">H", struct.pack(f">{code}", value))]
    if word_order == "little":
        words.reverse()
    if byte_order == "little":
        words = [word >> 8 | (word & 0xFF) << 8 for word in words]
    return words


def equipment() -> tuple[DeviceProfile, dict[str, dict[int, int]], dict[str, Any]]:
    """Every type in every order, in both tables of registers, with gaps; text, bits.

    The profile, the raw image of the four tables, and the value of each point.
    """
    rows: list[dict[str, Any]] = []
    image: dict[str, dict[int, int]] = {"coil": {}, "discrete": {}, "input": {}, "holding": {}}
    expected: dict[str, Any] = {}
    for table in ("input", "holding"):
        address = 3
        for kind, (_, value) in NUMBERS.items():
            for byte_order in ("big", "little"):
                for word_order in ("big", "little"):
                    words = words_of(kind, byte_order, word_order)
                    name = f"{table}_{kind}_{byte_order}_{word_order}"
                    orders = {"byte_order": byte_order, "word_order": word_order}
                    rows.append({"name": name, "table": table, "address": address, "type": kind, **orders})
                    image[table] |= {address + place: word for place, word in enumerate(words)}
                    expected[name] = value
                    address += len(words) + address % 3
        text = {"name": f"{table}_text", "table": table, "address": address, "type": "string", "length": 6}
        rows.append(text)
        image[table] |= {address + n: w for n, (w,) in enumerate(struct.iter_unpack(">H", b"QILU-2026/7\0"))}
        expected[f"{table}_text"] = "QILU-2026/7"
        rows.append(
            {"name": f"{table}_bit", "table": table, "address": address + 9, "type": "bool", "bit": 11}
        )
        image[table][address + 9] = 1 << 11
        expected[f"{table}_bit"] = True
        assert address + 9 < SIZE
    for table in ("coil", "discrete"):
        for address in (0, 1, 2, 9, 17, 300):
            rows.append({"name": f"{table}_{address}", "table": table, "address": address, "type": "bool"})
            image[table][address] = address % 2 if table == "coil" else 1 - address % 2
            expected[f"{table}_{address}"] = bool(image[table][address])
    return DeviceProfile.model_validate({"profile": "everything", "points": rows}), image, expected


async def read(url: str, profile: DeviceProfile, polls: int = 2, **more: Any) -> tuple[Poll, ModbusSource]:
    """The last of so many polls."""
    device = {"device": "foreign-1", "profile": "everything", "groups": {"default": "100ms"}}
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
