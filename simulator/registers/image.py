"""The register image of all machines of one model.

What a client may read: every run of addresses in which no two points are further apart than MAX_GAP
addresses; the gaps inside a run are reserved and read as 0, as in most makers' maps. A plant may have the
first addresses of every table exist, whatever stands there. Anything that leaves a run, or touches a range
that by the profile must not be read, is answered with exception 2 (illegal data address).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from qilu.contract.profile import SERVE_COUNTER, DeviceProfile, Table
from qilu.modbus.errors import IllegalAddress
from simulator.physics.machine import Machines, Values
from simulator.registers.encoder import Write, bit_writer, writers

MAX_GAP = 8  # addresses; a gap of so many or more between two points is not part of the map


class Area:
    """One table of one model: which addresses exist, and in which column of the image each stands."""

    def __init__(self, profile: DeviceProfile, table: Table, readable_addresses: int = 0) -> None:
        """readable_addresses: so many from 0 on can be read in any case."""
        self.points = [point for point in profile.points if point.table is table]
        self._forbidden = [
            (max(entry.first, readable_addresses), entry.last)
            for entry in profile.limits.unreadable
            if entry.table is table and entry.last >= readable_addresses
        ]
        blank = readable_addresses > 0
        self._firsts: list[int] = [0] * blank
        self._lasts: list[int] = [readable_addresses - 1] * blank
        self._columns: list[int] = [0] * blank
        self.columns = readable_addresses
        for point in sorted(self.points, key=lambda point: point.address):
            if self._lasts and point.address - self._lasts[-1] <= MAX_GAP:
                self._lasts[-1] = max(self._lasts[-1], point.last)
            else:
                self._columns.append(self.columns)
                self._firsts.append(point.address)
                self._lasts.append(point.last)
            self.columns = self._columns[-1] + self._lasts[-1] - self._firsts[-1] + 1

    def column(self, address: int, count: int = 1) -> int:
        """The first column of a block; IllegalAddress: the block is not wholly in the map."""
        run = bisect_right(self._firsts, address) - 1
        last = address + count - 1
        if run < 0 or last > self._lasts[run]:
            raise IllegalAddress(f"addresses {address} to {last}")
        return self._columns[run] + address - self._firsts[run]

    def readable(self, address: int, count: int) -> int:
        """As `column`, and IllegalAddress where by the profile part of the block must not be read."""
        for first, last in self._forbidden:
            if first <= address + count - 1 and address <= last:
                raise IllegalAddress(f"addresses {first} to {last} must not be read")
        return self.column(address, count)


class Image:
    """Registers and bits of n machines of one model as they stood at the last `refresh`; all zero before it.

    `buffers` holds one row per machine: two bytes for each register, most significant first, one byte for
    each bit.
    """

    def __init__(
        self,
        profile: DeviceProfile,
        machines: Machines,
        parameters: Sequence[Mapping[str, float]],
        devices: Sequence[str] = (),
        *,
        readable_addresses: int = 0,
    ) -> None:
        """parameters: of each machine, for the points whose scale or offset is a parameter of the device.
        devices: the machines' names. readable_addresses: of each table, those from 0 on that exist in any
        case.
        """
        n = len(parameters)
        self.profile = profile
        self.machines = machines
        self.devices: Sequence[str] = devices or [f"{profile.profile}-{row + 1}" for row in range(n)]
        self.parameters = [_numbers(profile, own) for own in parameters]
        self.areas = {table: Area(profile, table, readable_addresses) for table in Table}
        width = {table: 1 if table.holds_bits else 2 for table in Table}
        self.buffers = {
            table: bytearray(n * area.columns * width[table]) for table, area in self.areas.items()
        }
        self.stuck: list[tuple[Table, int, int]] = []
        """Bits that are held at 1: table, byte of its buffer, mask."""
        self._readable_addresses = readable_addresses
        self._writers = [write for table in Table for write in self._compile(table, n)]

    def _compile(self, table: Table, n: int) -> Iterable[Write]:
        area = self.areas[table]
        served = [point for point in area.points if point.name != SERVE_COUNTER and point.overlaps is None]
        if not served:
            return []
        if table.holds_bits:
            bits = np.frombuffer(self.buffers[table], dtype=np.uint8).reshape(n, area.columns)
            return [bit_writer(bits, {point.name: area.column(point.address) for point in served})]
        registers = np.frombuffer(self.buffers[table], dtype=">u2").reshape(n, area.columns)
        return writers(registers, area.column, served, self.parameters)

    def refresh(
        self, values: Values | None = None, instead: Mapping[tuple[str, int], float] | None = None
    ) -> None:
        """Writes the values of the machines into the image; the serve counters stay.

        values: of the machines, where they are known already. instead: what single sensors show instead of
        the truth, by point and row.
        """
        values = self.machines.values() if values is None else values
        if instead:
            values = _replaced(values, instead)
        for write in self._writers:
            write(values)
        for table, at, mask in self.stuck:
            self.buffers[table][at] |= mask

    def repeated(self, times: int) -> Image:
        """An image with so many rows for each machine: all machines, and again all of them, and so on."""
        devices = [*self.devices] * times
        return Image(
            self.profile,
            self.machines,
            [*self.parameters] * times,
            devices,
            readable_addresses=self._readable_addresses,
        )

    def force_bit(self, row: int, point: str, bit: int, *, stuck: bool) -> None:
        """Holds one bit of a point's registers at 1, counted from the last bit on the wire, or lets it go."""
        read = self.profile.point(point)
        area = self.areas[read.table]
        end = 2 * (row * area.columns + area.column(read.address) + read.size)
        entry = (read.table, end - 1 - bit % (16 * read.size) // 8, 1 << bit % 8)
        if stuck:
            self.stuck.append(entry)
        else:
            self.stuck.remove(entry)


def _replaced(values: Values, instead: Mapping[tuple[str, int], float]) -> Values:
    changed = {point: np.array(values[point], dtype=np.float64) for point, _ in instead}
    for (point, row), value in instead.items():
        changed[point][row] = value
    return {**values, **changed}


def _numbers(profile: DeviceProfile, own: Mapping[str, float]) -> Mapping[str, float]:
    """What the profile's scales refer to, for one device; its other parameters are the machine's own."""
    return {name: own.get(name, default) for name, default in profile.parameters.items()}
