"""The ground truth of a run, as tables that pandas and DuckDB read as they are, also while it runs.

`requests.csv`: every request that was answered, in the order in which it was carried out.
    time_ms (UTC, of the machine that simulates), tick (of the plant), device (empty: no such unit), unit,
    function, address, count (both empty where the function has none), exception (0: none), counter (of the
    device's serve counter where the request read it, else empty), request (the PDU in hexadecimal),
    response (CRC-32 of the response PDU in hexadecimal, empty where no answer is due)
`events.csv`: everything that happened in the plant, see `events.Event`.
    time_ms, tick, device, event, before, after
`wire.csv`: every time that a wire did something else than to send the answer, see `events.WireAction`.
    time_ms, tick, place, unit, fault, sent (the bytes that went out, in hexadecimal)

Requests and the ticks at which they came are all that a run depends on besides its settings: who carries
them out again at the same ticks gets the same responses.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Self, TextIO
from zlib import crc32

from qilu.contract.errors import ConfigError, describe_os_error
from qilu.modbus.framing import Frame
from qilu.modbus.pdu import EXCEPTION
from qilu.runtime.private_files import make_folder, open_file
from simulator.plant.events import Event, WireAction
from simulator.plant.plant import Plant
from simulator.registers.device import Device
from simulator.serving.requests import ServedDevice

FLUSH = 0.1  # seconds
REQUESTS = (
    "requests.csv",
    "time_ms,tick,device,unit,function,address,count,exception,counter,request,response\n",
)
EVENTS = ("events.csv", "time_ms,tick,device,event,before,after\n")
WIRE = ("wire.csv", "time_ms,tick,place,unit,fault,sent\n")

_ADDRESS_AND_COUNT = frozenset((1, 2, 3, 4, 15, 16, 23))
_ADDRESS = frozenset((5, 6, 22))


class Table:
    """One file that is only appended to; its head is written where the file is new."""

    def __init__(self, path: Path, head: str) -> None:
        self._path = path
        self._head = head
        self._lines: list[str] = []
        self._file: TextIO | None = None

    def open(self) -> None:
        """ConfigError where the file is not to be had, or is a table of other columns."""
        try:
            make_folder(self._path.parent)
            self._file = open(  # noqa: SIM115  # closed by `close`
                self._path, "a+", encoding="utf-8", opener=open_file
            )
        except OSError as error:
            problem = f"cannot write {self._path}: {describe_os_error(error)}"
            raise ConfigError(problem, remedy="name a folder that can be written") from error
        self._file.seek(0)
        head = self._file.readline()
        if not head:
            self._lines.append(self._head)
        elif head != self._head:
            self._file.close()
            raise ConfigError(f"{self._path} has other columns", remedy="name a new folder for the truth")

    def add(self, line: str) -> None:
        self._lines.append(line)

    def flush(self) -> None:
        """Hands every line to the operating system."""
        if self._file is not None and self._lines:
            self._file.write("".join(self._lines))
            self._file.flush()
            self._lines.clear()

    def close(self) -> None:
        self.flush()
        if self._file is not None:
            self._file.close()


class RequestSummary(NamedTuple):
    """What a request PDU is about; address and quantity are None where its function has none."""

    function: int
    address: int | None
    quantity: int | None


def request_summary(pdu: bytes) -> RequestSummary:
    """Also of a PDU that is too short for its function: then without address and count."""
    function = pdu[0]
    if function in _ADDRESS_AND_COUNT and len(pdu) >= 5:
        return RequestSummary(function, *struct.unpack_from(">HH", pdu, 1))
    if function in _ADDRESS and len(pdu) >= 3:
        return RequestSummary(function, int.from_bytes(pdu[1:3], "big"), 1)
    return RequestSummary(function, None, None)


class TruthLog:
    """Writes all tables into a folder; `async with` opens and closes them, `run` keeps them flushed."""

    def __init__(self, plant: Plant, directory: Path, now_ms: Callable[[], int]) -> None:
        self._plant = plant
        self._now_ms = now_ms
        self._counter: int | None = None  # what the request that is being carried out has counted
        self._requests = Table(directory / REQUESTS[0], REQUESTS[1])
        self._events = Table(directory / EVENTS[0], EVENTS[1])
        self._wire = Table(directory / WIRE[0], WIRE[1])
        self._tables = (self._requests, self._events, self._wire)

    async def __aenter__(self) -> Self:
        for table in self._tables:
            table.open()
        for device in self._plant.devices.values():
            device.on_counter = self._on_counter
        self._plant.listen(self._on_event)
        self._plant.events.on_wire_action = self._on_wire_action
        return self

    async def __aexit__(self, *_exception: object) -> None:
        for device in self._plant.devices.values():
            device.on_counter = None
        self._plant.events.listen(None)
        self._plant.events.on_wire_action = None
        for table in self._tables:
            table.close()

    async def run(self) -> None:
        """Flushes until cancelled; what came in the last FLUSH seconds is written on leaving."""
        while True:
            await asyncio.sleep(FLUSH)
            for table in self._tables:
                table.flush()

    def responded(self, device: ServedDevice | None, request: Frame, response: bytes | None) -> None:
        """To be called with every request, right after it was carried out: `server.RequestObserver`."""
        name = device.name if isinstance(device, Device) else ""
        function, address, quantity = request_summary(request.pdu)
        where = "," if address is None else f"{address},{quantity}"
        counter, self._counter = "" if self._counter is None else self._counter, None
        failed = response[1] if response and response[0] & EXCEPTION else 0
        entry = "" if response is None else f"{crc32(response):08x}"
        self._requests.add(
            f"{self._now_ms()},{self._plant.tick},{name},{request.unit},{function},{where},{failed},"
            f"{counter},{request.pdu.hex()},{entry}\n"
        )

    def _on_counter(self, _device: str, counter: int) -> None:
        self._counter = counter

    def _on_event(self, event: Event) -> None:
        entry = f"{event.tick},{event.device},{event.event},{event.before},{event.after}"
        self._events.add(f"{self._now_ms()},{entry}\n")

    def _on_wire_action(self, act: WireAction) -> None:
        entry = f"{self._plant.tick},{act.place},{act.unit},{act.fault},{act.sent.hex()}"
        self._wire.add(f"{self._now_ms()},{entry}\n")
