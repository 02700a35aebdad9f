"""A server as a child process that a test can start, kill -9 and start again on the same port and files."""

import contextlib
import errno
import itertools
import os
import random
import shutil
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

HOST = "127.0.0.1"
START_WITHIN = 30.0  # seconds; servers need well under one, a busy machine more
STOP_WITHIN = 10.0

# Below the range from which the kernel takes the ports of outgoing connections (32768 and up on Linux): a
# client that reconnects while its server is down could else be given the server's port, and reach itself.
_PORTS = range(18000, 32000)
_turn = itertools.count(random.Random(os.getpid()).randrange(len(_PORTS)))


def free_port() -> int:
    """A port of 127.0.0.1 on which nothing listens and that no outgoing connection will take."""
    for _ in _PORTS:
        port = _PORTS[next(_turn) % len(_PORTS)]
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
                continue
        return port
    raise RuntimeError(f"no free port between {_PORTS.start} and {_PORTS.stop}")


# Where the kernel can do it, no server outlives a run that is killed. (It looks at the thread that started
# the server; one of asyncio.to_thread lives as long as its loop.)
_ENDED_WITH_US = [setpriv, "--pdeathsig", "KILL"] if (setpriv := shutil.which("setpriv")) else []


class Server:
    """One server: subclasses say how it is started (`command`) and when it answers (`ready`).

    Everything it writes goes into `directory`; port and directory stay over kill() and start().
    """

    name: str

    def __init__(self, directory: Path, port: int | None = None) -> None:
        self.host = HOST
        self.port = port or free_port()
        self.directory = directory / f"{self.name}-{self.port}"
        self.log = self.directory / "log.txt"
        self.environment: Mapping[str, str] = {}
        """What it finds there beside what we have."""
        self._process: subprocess.Popen[bytes] | None = None

    def command(self) -> Sequence[str | Path]:
        """Program and arguments; may write configuration files into `directory`. Called at every start."""
        raise NotImplementedError

    def ready(self) -> bool:
        """Whether the server answers now; must return within about a second."""
        return answers_tcp(self.port)

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        if self._process is None:
            raise RuntimeError(f"{self.name} is not running")
        return self._process.pid

    @property
    def runs(self) -> bool:
        """Whether it was started and has not ended, by itself or by us."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start and return when the server answers; RuntimeError with the end of its log when it does not.

        Blocks for some tenths of a second; next to tasks that must go on: asyncio.to_thread(server.start).
        """
        process = self.launch()
        try:
            self._wait_until_ready(process)
        except BaseException:
            self.kill()
            raise

    def launch(self) -> "subprocess.Popen[bytes]":
        """Start and return at once, whether it will ever answer or not."""
        if self._process is not None:
            raise RuntimeError(f"{self.name} runs already")
        self.directory.mkdir(parents=True, exist_ok=True)
        command = [*_ENDED_WITH_US, *map(str, self.command())]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.directory,
                env={**os.environ, **self.environment},
                start_new_session=True,  # Ctrl-C is for pytest, which then ends its servers
            )
        return self._process

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_WITHIN
        while not self.ready():
            if process.poll() is not None:
                raise RuntimeError(f"{self.name} ended with code {process.returncode}:\n{self.log_end()}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self.name} did not answer in {START_WITHIN:.0f} s:\n{self.log_end()}")
            time.sleep(0.01)

    def kill(self) -> None:
        """End it as a power cut of the process does: SIGKILL. Nothing happens when it is not running."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """End it in good order: SIGTERM, SIGKILL when it does not obey. Nothing when it is not running."""
        if self._process is not None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_WITHIN)
            self.kill()

    def restart(self) -> None:
        """Stop in good order and start again."""
        self.stop()
        self.start()

    def log_end(self, lines: int = 20) -> str:
        """The last lines that the server wrote."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def answers_tcp(port: int) -> bool:
    """Whether something accepts connections on this port."""
    try:
        with socket.create_connection((HOST, port), timeout=1):
            return True
    except OSError:
        return False
