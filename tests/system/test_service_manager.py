"""The commands as systemd starts them: ready when they work, and code 2 only where a file is wrong."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.spool.filesystem import OsFiles
from tests.servers import free_port
from tests.system.programs import QILU, WITHIN, qilu

GATEWAY = """\
edge: edge-1
mqtt: {{port: {port}}}
delivery: {{free_on: broker}}
spool: {{directory: spool}}
sources:
  - type: modbus
    url: "tcp://127.0.0.1:{port}"
    devices: [{{device: meter-1, profile: three-phase-energy-meter}}]
"""
INGESTER = "mqtt: {{port: {port}}}\nstore: {{type: sqlite, name: a-store, file: plant.db}}\n"
"""Nobody listens on `port`: broker and machine are away."""


@contextmanager
def started(folder: Path, command: str, file: Path) -> Iterator[socket.socket]:
    """The command under a service manager; what it tells arrives at the socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(folder / "notify"))
        listener.settimeout(WITHIN)
        environ = {**os.environ, "NOTIFY_SOCKET": str(folder / "notify"), "WATCHDOG_USEC": "1000000"}
        process = subprocess.Popen([QILU, command, file], cwd=folder, env=environ, stderr=subprocess.DEVNULL)
        try:
            yield listener
        finally:
            process.terminate()
            assert process.wait(WITHIN) == 0


@pytest.mark.parametrize(("command", "text"), [("gateway", GATEWAY), ("ingest", INGESTER)])
def test_it_is_ready_and_feeds_the_watchdog_while_broker_and_machines_are_away(
    tmp_path: Path, command: str, text: str
) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(text.format(port=free_port()))
    with started(tmp_path, command, file) as listener:
        reported = [listener.recv(1000).decode() for _ in range(6)]
    assert reported.count("READY=1") == 1
    assert reported.index("READY=1") <= 2
    assert reported[-1] == "WATCHDOG=1"


def test_a_spool_that_another_process_holds_is_no_wrong_file(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(GATEWAY.format(port=free_port()))
    held = OsFiles(tmp_path / "spool")
    held.open()
    try:
        done = qilu("gateway", file, folder=tmp_path)
    finally:
        held.close()
    assert done.returncode == 1, done.stderr
    assert "holds this spool" in done.stderr


def test_a_wrong_file_ends_it_with_code_2(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(GATEWAY.format(port="none"))
    assert qilu("gateway", file, folder=tmp_path).returncode == 2
