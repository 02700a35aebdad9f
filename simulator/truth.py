"""The ground truth of what was served: every value of a serve counter that went out, in `requests.csv`.

Columns: time_ms (UTC, of the machine that simulates), tick (of the plant), device, counter.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Self, TextIO

from simulator.plant import Plant

FLUSH = 0.1  # seconds
HEADER = "time_ms,tick,device,counter\n"


class RequestLog:
    """Writes served counters to DIR/requests.csv; `async with` opens and closes it, `run` keeps it
    flushed.
    """

    def __init__(self, plant: Plant, directory: Path, now_ms: Callable[[], int]) -> None:
        self._plant = plant
        self._path = directory / "requests.csv"
        self._now_ms = now_ms
        self._lines: list[str] = []
        self._file: TextIO | None = None

    async def __aenter__(self) -> Self:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        new = not self._path.exists() or self._path.stat().st_size == 0
        self._file = self._path.open("a", encoding="utf-8")
        if new:
            self._lines.append(HEADER)
        for device in self._plant.devices.values():
            device.served = self._served
        return self

    async def __aexit__(self, *_exception: object) -> None:
        for device in self._plant.devices.values():
            device.served = None
        self.flush()
        if self._file is not None:
            self._file.close()

    async def run(self) -> None:
        """Flushes until cancelled; what was served in the last FLUSH seconds is written on leaving."""
        while True:
            await asyncio.sleep(FLUSH)
            self.flush()

    def flush(self) -> None:
        """Hands every line to the operating system."""
        if self._file is not None and self._lines:
            self._file.write("".join(self._lines))
            self._file.flush()
            self._lines.clear()

    def _served(self, device: str, counter: int) -> None:
        self._lines.append(f"{self._now_ms()},{self._plant.tick},{device},{counter}\n")
