"""One simulated device as a Modbus server sees it: reads and writes on its row of the register image.

`serve_counter`, where the profile has this point: a read that touches any register of it counts one up before
it is answered, so the first value served is 1. A read of half of it counts as well: a part of it was served.

A write is all or nothing. It must cover whole points that can be written, without a gap between them (else
exception 2); values outside a point's limits or enum, and those that the machine refuses, are answered with
exception 3.
A device whose controller reboots is answered for with exception 0x0B.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from qilu.contract.errors import DataError
from qilu.contract.profile import SERVE_COUNTER, Point, Table
from qilu.contract.registers import compile_block
from qilu.modbus.errors import IllegalAddress, IllegalValue, TargetFailedToRespond
from simulator.registers.image import Image

CounterListener = Callable[[str, int], None]


class Device:
    """A device of the plant: where it listens, what it is and what is in its registers."""

    def __init__(
        self,
        name: str,
        image: Image,
        row: int,
        *,
        port: int = 0,
        unit: int = 1,
        writable: bool = True,
        identity: Mapping[int, bytes] | None = None,
    ) -> None:
        self.name = name
        self.profile = image.profile
        self.port = port
        self.unit = unit
        self.identity: Mapping[int, bytes] = identity or {}
        self.writable = writable
        self.rebooting = False
        self.on_counter: CounterListener | None = None
        """Is called with the device's name and every value of its serve counter that goes out."""
        self.counter = 0
        self._image = image
        self._parameters = image.parameters[row]
        self._row = row
        self._first = {name: float(values[row]) for name, values in image.machines.setpoints.items()}
        self._counter_point = next(
            (point for point in self.profile.points if point.name == SERVE_COUNTER), None
        )
        self._starts: dict[tuple[Table, int], list[Point]] = {}
        for point in self.profile.points:
            if point.writable:
                self._starts.setdefault((point.table, point.address), []).append(point)

    def restart(self, *, rebooting: bool) -> None:
        """The controller reboots: it does not answer while silent, then it has its first set-points again."""
        self.rebooting = rebooting
        if not rebooting:
            for name, values in self._first.items():
                self._image.machines.setpoints[name][self._row] = values

    def require_running(self) -> None:
        """TargetFailedToRespond: its controller reboots."""
        if self.rebooting:
            raise TargetFailedToRespond(self.name)

    def require_registers(self, table: Table, address: int, count: int) -> None:
        """IllegalAddress: not all of them exist."""
        self.require_running()
        self._image.areas[table].readable(address, count)

    def read_registers(self, table: Table, address: int, count: int) -> bytes:
        """Registers of the table, two bytes each, most significant first; IllegalAddress: not all of them
        exist.
        """
        if self.rebooting:
            raise TargetFailedToRespond(self.name)
        area = self._image.areas[table]
        start = 2 * (self._row * area.columns + area.readable(address, count))
        counter = self._counter_point
        if (
            counter is not None
            and table is counter.table
            and address <= counter.last
            and counter.address < address + count
        ):
            self._count(counter)
        return bytes(self._image.buffers[table][start : start + 2 * count])

    def read_bits(self, table: Table, address: int, count: int) -> bytes:
        """Bits of the table as Modbus packs them: the first is the least significant of the first byte."""
        if self.rebooting:
            raise TargetFailedToRespond(self.name)
        area = self._image.areas[table]
        start = self._row * area.columns + area.readable(address, count)
        bits = np.frombuffer(self._image.buffers[table], dtype=np.uint8, count=count, offset=start)
        return np.packbits(bits, bitorder="little").tobytes()

    def write_registers(self, address: int, data: bytes) -> None:
        """Writes holding registers, two bytes each."""
        chunks: list[tuple[Point, bytes]] = []
        at = 0
        while at < len(data):
            points = self._writable(Table.HOLDING, address + at // 2)
            chunk = data[at : at + 2 * points[0].size]
            if len(chunk) < 2 * points[0].size:
                raise IllegalAddress(f"{points[0].name} is longer than the block that is written")
            chunks += [(point, chunk) for point in points]
            at += len(chunk)
        self._apply([(point, self._accept(point, chunk)) for point, chunk in chunks])
        self._store(Table.HOLDING, 2, address, data)

    def write_bits(self, address: int, values: list[bool]) -> None:
        accepted = [
            (point, float(value))
            for offset, value in enumerate(values)
            for point in self._writable(Table.COIL, address + offset)
        ]
        self._apply(accepted)
        self._store(Table.COIL, 1, address, bytes(values))

    def _count(self, point: Point) -> None:
        self.counter = (self.counter + 1) & 0xFFFFFFFF
        words = self.counter.to_bytes(4, "big")
        if point.word_order == "little":
            words = words[2:] + words[:2]
        if point.byte_order == "little":
            words = bytes((words[1], words[0], words[3], words[2]))
        area = self._image.areas[point.table]
        at = 2 * (self._row * area.columns + area.column(point.address))
        self._image.buffers[point.table][at : at + 4] = words
        if self.on_counter is not None:
            self.on_counter(self.name, self.counter)

    def _writable(self, table: Table, address: int) -> list[Point]:
        if self.rebooting:
            raise TargetFailedToRespond(self.name)
        points = self._starts.get((table, address), [])
        if not points or not self.writable:
            raise IllegalAddress(f"{table} {address} cannot be written")
        return points

    def _accept(self, point: Point, data: bytes) -> float:
        """The engineering value in registers that were sent; IllegalValue where the profile does not allow
        it.
        """
        codec = compile_block((point,), point.table, point.address, point.size, self._parameters)
        (value,), _bad = codec.decode(data)
        if not isinstance(value, bool | int | float) or (point.enum and int(value) not in point.enum):
            raise IllegalValue(f"{point.name} = {data.hex()}")
        return float(value)

    def _apply(self, values: list[tuple[Point, float]]) -> None:
        try:
            for point, value in values:
                self._image.machines.write(self._row, point.name, value)
        except DataError as error:
            raise IllegalValue(str(error)) from error

    def _store(self, table: Table, width: int, address: int, data: bytes) -> None:
        """What was written can be read back at once, before the machine's next step."""
        area = self._image.areas[table]
        start = width * (self._row * area.columns + area.column(address))
        self._image.buffers[table][start : start + len(data)] = data
