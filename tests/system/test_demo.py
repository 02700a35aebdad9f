"""`qilu demo` as a stranger starts it: numbers move, all of them arrive, and a second start goes on."""

import contextlib
import json
import re
import signal
import socket
import sqlite3
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from qilu.stores.sqlite.reader import SqliteReader
from qilu.stores.sqlite.writer import SqliteStore
from qilu_cli.commands.demo.summary import LossError, Summary
from tests.system.programs import Qilu, eventually, now_ms, qilu


@contextlib.contextmanager
def one_port_of_the_plant_taken() -> Iterator[None]:
    """Something else listens where the shipped plant would."""
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):  # then it is taken already
            taken.bind(("127.0.0.1", 5021))
            taken.listen()
        yield


def read(summary: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(summary.read_text())
    return found


async def stored(store: Path) -> dict[str, tuple[int, int]]:
    """Device -> the times (ms) of its first serve counter and of its last."""
    async with SqliteReader(store) as reader:
        found = {}
        for device in await reader.devices():
            samples = await reader.samples(device.key, "serve_counter", 0, now_ms() + 1000)
            if samples:
                found[device.device] = (samples[0].time_ms, samples[-1].time_ms)
        return found


async def identity(store: Path) -> str:
    async with SqliteStore(store) as opened:
        return opened.identity


@pytest.mark.skipif(not hasattr(signal, "SIGINT"), reason="needs signals")
async def test_it_shows_a_factory_at_work_and_a_second_start_goes_on_with_it(tmp_path: Path) -> None:
    data, summary = tmp_path / "data", tmp_path / "s.json"
    began = now_ms()
    with one_port_of_the_plant_taken():
        first = qilu(
            "demo", "--duration", "12", "--headless", "--summary", summary, "--data-dir", data, within=60
        )
    assert first.returncode == 0, first.stderr
    assert " ERROR " not in first.stderr
    assert re.search(r"^the machines speak Modbus TCP at 127.0.0.1, ports \d+", first.stdout)
    assert re.search(r"^ +2 s .* [1-9]\d* points read", first.stdout, re.MULTILINE)
    assert summary.stat().st_mode & 0o777 == 0o600
    counted = read(summary)
    assert counted["devices"] >= 8
    assert counted["polled_points"] == counted["durable_points"] > 0
    assert (counted["missing_points"], counted["duplicate_points"], counted["bad_points"]) == (0, 0, 0)
    assert 0 < counted["p50_ms"] <= counted["p99_ms"]
    once = await stored(data / "store.db")
    assert len(once) == counted["devices"]
    assert min(start for start, _ in once.values()) - began < 30_000
    name = await identity(data / "store.db")

    summary.unlink()
    second = Qilu(tmp_path, "demo", "--summary", summary, "--data-dir", data, ready=" durable after ")
    with second:
        await eventually(lambda: "discharge_pressure" in second.output(), "a line for each device")
        assert second.end(signal.SIGINT) == 0, second.output()
    counted = read(summary)
    assert (counted["missing_points"], counted["duplicate_points"]) == (0, 0)
    assert "Traceback" not in second.output()
    twice = await stored(data / "store.db")
    assert {device: start for device, (start, _) in twice.items()} == {
        device: start for device, (start, _) in once.items()
    }
    assert all(twice[device][1] > once[device][1] for device in once)
    assert await identity(data / "store.db") == name


@pytest.mark.skipif(not hasattr(signal, "SIGINT"), reason="needs signals")
async def test_it_ends_with_code_1_when_the_store_lacks_something(tmp_path: Path) -> None:
    store, summary = tmp_path / "store.db", tmp_path / "s.json"
    demo = Qilu(
        tmp_path, "demo", "--headless", "--summary", summary, "--data-dir", tmp_path, ready=" durable after "
    )
    with demo:
        with contextlib.closing(sqlite3.connect(store, timeout=30)) as foreign, foreign:
            lost = foreign.execute("DELETE FROM readings").rowcount
        assert lost > 0
        assert demo.end(signal.SIGINT) == 1, demo.output()
    missing = read(summary)["missing_points"]
    assert missing >= lost
    assert f"qilu: {missing} points are missing in {store} and 0 are stored twice; ask why" in demo.output()


@pytest.mark.parametrize(("missing", "twice"), [(0, 1), (1, 0)])
def test_what_is_stored_twice_is_as_bad_as_what_is_missing(missing: int, twice: int) -> None:
    counted = Summary(3.0, 1, 10, 100, 0, 0, 100 - missing, missing, twice, [], None, None)
    with pytest.raises(
        LossError, match=f"{missing} points are missing in store.db and {twice} are stored twice"
    ):
        counted.raise_if_lossy(Path("store.db"))


def test_the_story_ends_with_an_audit_in_which_nothing_is_missing(tmp_path: Path) -> None:
    told = qilu(
        "demo", "--story", "--story-speed", "12", "--headless", "--console", "127.0.0.1:0",
        "--data-dir", tmp_path, within=180,
    )  # fmt: skip
    assert told.returncode == 0, told.stdout + told.stderr
    assert "[2/6] 消息服务器断开" in told.stdout
    assert re.search(r"^\[6/6\] .* [1-9]\d+ values due, missing 0, stored twice 0", told.stdout, re.MULTILINE)
    assert re.search(r"^\[6/6\] .*应采 [1-9]\d+ 个值，缺数 0，重复 0", told.stdout, re.MULTILINE)
    page = tmp_path / "day.html"
    today = datetime.now().astimezone().date().isoformat()
    written = qilu("report", "day", tmp_path / "history", today, "--html", page, "--lang", "en", within=60)
    assert written.returncode == 0, written.stderr
    assert page.stat().st_mode & 0o777 == 0o600
    assert "pump-1" in page.read_text(encoding="utf-8")
