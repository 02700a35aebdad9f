"""`qilu` as a user starts it: a process of its own with its output in files, ended by its test."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.servers.process import STOP_WITHIN, Server

QILU = Path(sys.executable).with_name("qilu")
WITHIN = 90.0
"""Seconds in which what a test waits for must come. Nearly all of it comes in one or two; but after an outage
of ten seconds the next attempt to connect may, by the dice of the backoff, be half a minute away."""


class Qilu(Server):
    """One subcommand that runs until it is told to stop; it is ready when its log says `ready`."""

    name = "qilu"

    def __init__(self, directory: Path, *arguments: str | Path, ready: str, program: Path = QILU) -> None:
        super().__init__(directory, port=1)  # it listens on ports of its settings, if on any
        self.arguments = arguments
        self.directory = directory
        self.log = directory / f"{arguments[0]}-{Path(arguments[1]).stem}.log"
        self.killed: list[tuple[int, int]] = []
        """When it was killed and when it was started again (ms UTC, 0: not yet)."""
        self._program = program
        self._ready = ready
        self._from = 0

    def command(self) -> Sequence[str | Path]:
        return [self._program, *self.arguments]

    def ready(self) -> bool:
        return self._ready in self.output()

    def output(self) -> str:
        """What it logged since its last start."""
        with self.log.open("rb") as log:
            log.seek(self._from)
            return log.read().decode(errors="replace")

    def launch(self) -> "subprocess.Popen[bytes]":
        self._from = self.log.stat().st_size if self.log.exists() else 0
        if self.killed and not self.killed[-1][1]:
            self.killed[-1] = (self.killed[-1][0], now_ms())
        return super().launch()

    def kill(self) -> None:
        if self._process is not None:
            self.killed.append((now_ms(), 0))
        super().kill()

    def stop(self) -> None:
        """SIGTERM; what does not end then is killed, which an AssertionError tells."""
        if self._process is not None:
            code = self.end(signal.SIGTERM)
            assert code == 0, f"{self.arguments[0]} ended with {code}:\n{self.log_end()}"

    def end(self, number: signal.Signals) -> int:
        """Send a signal and return the exit code; -9 when it had to be killed."""
        assert self._process is not None
        process, self._process = self._process, None
        process.send_signal(number)
        try:
            return process.wait(STOP_WITHIN)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()


def qilu(
    *arguments: str | Path, folder: Path | None = None, within: float = WITHIN
) -> subprocess.CompletedProcess[str]:
    """Run a subcommand to its end, in this folder."""
    return subprocess.run(
        [QILU, *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=within,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "COLUMNS": "200"},
    )


async def eventually(met: Callable[[], bool], what: str, within: float = WITHIN) -> None:
    """Return when the condition is met; AssertionError when it is not in time."""
    deadline = time.monotonic() + within
    while not met():
        assert time.monotonic() < deadline, f"not within {within:.0f} s: {what}"
        await asyncio.sleep(0.05)


def now_ms() -> int:
    """UTC, as the simulator stamps what it served."""
    return time.time_ns() // 1_000_000
