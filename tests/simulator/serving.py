"""A plant that is served while its time is held, and foreign clients that ask it."""

import ctypes
import struct
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from pymodbus.client import AsyncModbusTcpClient

from qilu.contract.profile import Point
from simulator.app import Simulation, simulate
from simulator.plant.plant import Plant
from tests.servers.programs import require_library

FIRST = 5020  # the port of the first machine that `simulated.plant` places


@asynccontextmanager
async def held(running: Plant, **options: Any) -> AsyncIterator[Simulation]:
    """Served on free ports, its clock paused: `plant.advance()` is the only way in which time goes on."""
    async with simulate(running, free_ports=True, **options) as simulation:
        simulation.clock.paused = True
        yield simulation


@asynccontextmanager
async def pymodbus(port: int, **options: Any) -> AsyncIterator[AsyncModbusTcpClient]:
    client = AsyncModbusTcpClient("127.0.0.1", port=port, timeout=5, retries=0, reconnect_delay=0, **options)
    assert await client.connect()
    try:
        yield client
    finally:
        client.close()


def registers(point: Point, value: float) -> list[int]:
    """What a client writes, worked out by hand: only of types and scales that set-points have."""
    assert isinstance(point.scale, float)
    raw = (value - float(point.offset if isinstance(point.offset, float) else 0.0)) / point.scale
    if point.type == "float32":
        words = list(struct.unpack(">2H", struct.pack(">f", raw)))
    else:
        assert point.type in ("uint16", "int16")
        words = [round(raw) & 0xFFFF]
    if point.byte_order == "little":
        words = [(word & 0xFF) << 8 | word >> 8 for word in words]
    return words[::-1] if point.word_order == "little" else words


class Libmodbus:
    """A client on libmodbus, called in this process; each call blocks until its answer is there."""

    def __init__(self, port: int) -> None:
        self._library = ctypes.CDLL(require_library("modbus"), use_errno=True)
        self._library.modbus_new_tcp.restype = ctypes.c_void_p
        self._library.modbus_new_tcp.argtypes = [ctypes.c_char_p, ctypes.c_int]
        for name in ("modbus_connect", "modbus_close", "modbus_free"):
            getattr(self._library, name).argtypes = [ctypes.c_void_p]
        self._library.modbus_set_slave.argtypes = [ctypes.c_void_p, ctypes.c_int]
        for read in (self._library.modbus_read_registers, self._library.modbus_read_input_registers):
            into = ctypes.POINTER(ctypes.c_uint16)
            read.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_int, into]
        self._context = self._library.modbus_new_tcp(b"127.0.0.1", port)
        if self._library.modbus_connect(self._context) != 0:
            raise ConnectionError(ctypes.get_errno())

    def read(self, function: int, address: int, count: int, unit: int = 1) -> list[int]:
        """Function 3 or 4."""
        into = (ctypes.c_uint16 * count)()
        self._library.modbus_set_slave(self._context, unit)
        by_function = {
            3: self._library.modbus_read_registers,
            4: self._library.modbus_read_input_registers,
        }
        got = by_function[function](self._context, address, count, into)
        if got != count:
            raise OSError(ctypes.get_errno(), "libmodbus")
        return list(into)

    def close(self) -> None:
        self._library.modbus_close(self._context)
        self._library.modbus_free(self._context)


def true(running: Plant, device: str) -> Mapping[str, float]:
    """What the machine's physics say now."""
    for image in running.images:
        if device in image.devices:
            values = image.machines.values()
            row = list(image.devices).index(device)
            return {name: float(column[row]) for name, column in values.items() if column.dtype.kind != "S"}
    raise KeyError(device)
