"""Stands for systemd: takes the messages of one process, and notes when its watchdog would have ended it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

WATCHDOG_S = 60.0
"""As the delivered units say."""
START_S = 90.0
"""What systemd grants to a start where nothing extends it."""


class Systemd:
    """One unit of Type=notify. Times are of the running loop, so virtual ones are welcome."""

    def __init__(self, folder: Path) -> None:
        self.environ = {"NOTIFY_SOCKET": str(folder / "notify")}
        self.ready = False
        self.fed = 0
        self.trips: list[str] = []
        """Why it would have ended the process."""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.bind(self.environ["NOTIFY_SOCKET"])
        self._start_ends = self._fed_at = 0.0

    def take(self, now: float) -> None:
        """Read what has come, and look at the deadlines."""
        with contextlib.suppress(BlockingIOError):
            while True:
                for line in self._socket.recv(1000).decode().splitlines():
                    self._reported(line, now)
        if not self.ready and now > self._start_ends:
            self.trips.append("start")
        if self.ready and now > self._fed_at + WATCHDOG_S:
            self.trips.append("watchdog")

    def _reported(self, line: str, now: float) -> None:
        name, _, value = line.partition("=")
        if name == "READY":
            self.ready, self._fed_at = True, now
        elif name == "WATCHDOG":
            self.fed, self._fed_at = self.fed + 1, now
        elif name == "EXTEND_TIMEOUT_USEC" and not self.ready:
            self._start_ends = max(self._start_ends, now + int(value) / 1e6)

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[Systemd]:
        """Looks every second."""
        loop = asyncio.get_running_loop()
        self._start_ends = loop.time() + START_S

        async def look() -> None:
            while True:
                self.take(loop.time())
                await asyncio.sleep(1)

        looking = asyncio.create_task(look())
        try:
            yield self
        finally:
            looking.cancel()
            self._socket.close()
