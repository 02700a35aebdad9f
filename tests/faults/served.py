"""A device whose registers tell whose they are, and a wire that remembers what came over it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import NamedTuple

from qilu.contract.profile import Table
from qilu.modbus.errors import IllegalFunction
from qilu.modbus.framing import Frame
from qilu.modbus.read_functions import pack_bits
from simulator.network_faults.port_injector import FaultyWire
from simulator.serving.response_hook import ClientConnection, Responder


def truth(unit: int, address: int) -> int:
    """What register `address` of a unit holds: tells of every good value whose it is."""
    return (unit * 1000 + address) & 0xFFFF


class Truthful:
    """A device with all 65,536 addresses in all tables; what is written to it is read from then on."""

    def __init__(self, unit: int, moving: Callable[[int], int] | None = None) -> None:
        """moving: what a register holds instead, by its address, at each read."""
        self.identity: Mapping[int, bytes] = {0: b"Qilu"}
        self.written: dict[int, int] = {}
        self._value = moving or (lambda address: truth(unit, address))

    def read_registers(self, table: Table, address: int, count: int) -> bytes:
        words = [self.written.get(at, self._value(at)) for at in range(address, address + count)]
        return b"".join(word.to_bytes(2, "big") for word in words)

    def require_running(self) -> None:
        """It does not know functions 8 and 17, as many devices do not."""
        raise IllegalFunction("function 8 or 17")

    def require_registers(self, table: Table, address: int, count: int) -> None:
        """It has them all."""

    def read_bits(self, table: Table, address: int, count: int) -> bytes:
        words = [self.written.get(at, self._value(at)) for at in range(address, address + count)]
        return pack_bits([word % 2 == 1 for word in words])

    def write_bits(self, address: int, values: list[bool]) -> None:
        self.written |= {address + place: int(value) for place, value in enumerate(values)}

    def write_registers(self, address: int, data: bytes) -> None:
        for place in range(0, len(data), 2):
            self.written[address + place // 2] = int.from_bytes(data[place : place + 2], "big")


class Asked(NamedTuple):
    """One request as it came in; `time` is the loop's."""

    time: float
    unit: int
    function: int
    address: int
    quantity: int


class Watched:
    """Tells what came over a wire with faults, whatever became of it."""

    def __init__(self, wire: FaultyWire) -> None:
        self.wire = wire
        self.lines: list[ClientConnection] = []
        self.connects: list[float] = []
        self.most_open = 0
        self.asked: list[Asked] = []

    def connected(self, line: ClientConnection) -> None:
        self.lines.append(line)
        self.connects.append(asyncio.get_running_loop().time())
        self.most_open = max(self.most_open, sum(not other.transport.is_closing() for other in self.lines))
        self.wire.connected(line)

    def requested(self, line: ClientConnection, request: Frame, answer: Responder) -> None:
        pdu = request.pdu.ljust(5, b"\0")
        now = asyncio.get_running_loop().time()
        address, quantity = int.from_bytes(pdu[1:3], "big"), int.from_bytes(pdu[3:5], "big")
        self.asked.append(Asked(now, request.unit, pdu[0], address, quantity))
        self.wire.requested(line, request, answer)
