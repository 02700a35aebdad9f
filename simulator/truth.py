"""The ground truth of a run, as two tables that pandas and DuckDB read as they are.

`requests.csv`: every value of a serve counter that went out.
    time_ms (UTC, of the machine that simulates), tick (of the plant), device, counter
`events.csv`: everything that happened in the plant, see `events.Event`.
    time_ms, tick, device, event, before, after
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Self, TextIO

from simulator.events import Event
from simulator.plant import Plant

FLUSH = 0.1  # seconds
REQUESTS = ("requests.csv", "time_ms,tick,device,counter\n")
EVENTS = ("events.csv", "time_ms,tick,device,event,before,after\n")


class Table:
    """One file that is only appended to; its head is written where the file is new."""

    def __init__(self, path: Path, head: str) -> None:
        self._path = path
        self._head = head
        self._lines: list[str] = []
        self._file: TextIO | None = None

    def open(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._path.open("a", encoding="utf-8")
        if self._file.tell() == 0:
            self._lines.append(self._head)

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


class TruthLog:
    """Writes both tables into a folder; `async with` opens and closes them, `run` keeps them flushed."""

    def __init__(self, plant: Plant, directory: Path, now_ms: Callable[[], int]) -> None:
        self._plant = plant
        self._now_ms = now_ms
        self._requests = Table(directory / REQUESTS[0], REQUESTS[1])
        self._events = Table(directory / EVENTS[0], EVENTS[1])

    async def __aenter__(self) -> Self:
        self._requests.open()
        self._events.open()
        for device in self._plant.devices.values():
            device.served = self._served
        self._plant.events.told = self._happened
        return self

    async def __aexit__(self, *_exception: object) -> None:
        for device in self._plant.devices.values():
            device.served = None
        self._plant.events.told = None
        self._requests.close()
        self._events.close()

    async def run(self) -> None:
        """Flushes until cancelled; what was told in the last FLUSH seconds is written on leaving."""
        while True:
            await asyncio.sleep(FLUSH)
            self._requests.flush()
            self._events.flush()

    def _served(self, device: str, counter: int) -> None:
        self._requests.add(f"{self._now_ms()},{self._plant.tick},{device},{counter}\n")

    def _happened(self, event: Event) -> None:
        told = f"{event.tick},{event.device},{event.event},{event.before},{event.after}"
        self._events.add(f"{self._now_ms()},{told}\n")
