"""A process of ours ends with a code that means something, and cleanly when it is told to stop."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from qilu.contract.errors import ConfigError, DataError, UnreachableError
from qilu.runtime.process import run
from qilu.runtime.service_manager import notify


@pytest.fixture(autouse=True)
def signals_as_in_a_terminal() -> Iterator[None]:
    """Whoever runs the tests may ignore SIGHUP or SIGINT, as `nohup` and shells in the background do."""
    before = {number: signal.getsignal(number) for number in (signal.SIGHUP, signal.SIGINT)}
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_being_done_is_0() -> None:
    async def main() -> None:
        await asyncio.sleep(0)

    assert run(main) == 0


def test_a_duration_ends_it_as_a_signal_would() -> None:
    left = []

    async def main() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            left.append("in good order")

    assert run(main, 0.01) == 0
    assert left == ["in good order"]


def test_a_wrong_file_is_2_with_its_message_alone(capsys: pytest.CaptureFixture[str]) -> None:
    async def main() -> None:
        raise ConfigError("no such file", file="plant.yaml", remedy="check the path")

    assert run(main) == 2
    assert capsys.readouterr().err == "qilu: plant.yaml: no such file; check the path\n"


def test_what_else_we_raise_is_1_with_its_message_alone(capsys: pytest.CaptureFixture[str]) -> None:
    async def main() -> None:
        raise UnreachableError("127.0.0.1:1883: connection refused")

    assert run(main) == 1
    assert capsys.readouterr().err == "qilu: 127.0.0.1:1883: connection refused\n"


def test_errors_out_of_a_task_group_are_reported_one_by_one(capsys: pytest.CaptureFixture[str]) -> None:
    async def fail(error: Exception) -> None:
        raise error

    async def main() -> None:
        async with asyncio.TaskGroup() as tasks:
            for error in (DataError("odd"), ConfigError("wrong")):
                tasks.create_task(fail(error), name=str(error))

    assert run(main) == 2
    assert capsys.readouterr().err == "qilu: odd\nqilu: wrong\n"


def test_a_bug_is_1_with_its_traceback_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        raise ZeroDivisionError

    assert run(main) == 1
    assert "ZeroDivisionError" in caplog.text


def test_a_reader_that_has_seen_enough_is_no_failure() -> None:
    program = (
        "import sys\n"
        "from qilu.runtime.process import run\n"
        "async def main():\n"
        "    for line in range(100_000): print(line)\n"
        "sys.exit(run(main))\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"0\n"
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(20) == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_cancels_closes_and_is_0(number: signal.Signals) -> None:
    seen: list[str] = []

    async def main() -> None:
        try:
            os.kill(os.getpid(), number)
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            seen.append("closed")

    assert run(main) == 0
    assert seen == ["closed"]


def test_a_service_survives_the_end_of_the_terminal_that_started_it() -> None:
    seen: list[str] = []

    async def main() -> None:
        os.kill(os.getpid(), signal.SIGHUP)
        await asyncio.sleep(0.05)
        seen.append("still here")

    assert run(main, survives_hangup=True) == 0
    assert seen == ["still here"]


def test_nohup_is_respected() -> None:
    seen: list[str] = []

    async def main() -> None:
        os.kill(os.getpid(), signal.SIGHUP)
        await asyncio.sleep(0.05)
        seen.append("still here")

    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert run(main) == 0
        assert seen == ["still here"]
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def refused(folder: Path) -> None:
    """Look into a folder that this user may not enter."""
    raise PermissionError(errno.EACCES, "Permission denied", str(folder))


@pytest.mark.parametrize("grouped", [False, True])
def test_a_folder_that_cannot_be_entered_is_a_message_and_no_bug(
    grouped: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        if not grouped:
            refused(tmp_path)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(asyncio.to_thread(refused, tmp_path))

    assert run(main) == 1
    assert (
        capsys.readouterr().err
        == f"qilu: {tmp_path}: permission denied; let this user use it, or look at the disk\n"
    )
    assert not caplog.records


def test_the_handlers_of_before_are_back_afterwards() -> None:
    before = signal.getsignal(signal.SIGINT)

    async def main() -> None:
        await asyncio.sleep(0)

    run(main)
    assert signal.getsignal(signal.SIGINT) is before


STUBBORN = """
import asyncio, sys
from qilu.runtime.process import run

async def main():
    print("ready", flush=True)
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            print("told", flush=True)

sys.exit(run(main))
"""


def test_a_second_signal_ends_a_process_that_will_not_stop() -> None:
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", STUBBORN], stdout=subprocess.PIPE, text=True, cwd=root
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == "told\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 128 + signal.SIGTERM


@pytest.mark.parametrize("abstract", [False, True])
def test_systemd_is_reported(tmp_path: Path, abstract: bool) -> None:
    name = f"@qilu-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind("\0" + name[1:] if abstract else name)
        notify("READY=1", {"NOTIFY_SOCKET": name})
        listener.settimeout(5)
        assert listener.recv(100) == b"READY=1"


def test_where_no_systemd_listens_nothing_happens(tmp_path: Path) -> None:
    notify("READY=1", {})
    notify("READY=1", {"NOTIFY_SOCKET": str(tmp_path / "gone")})
