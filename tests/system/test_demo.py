"""`qilu demo` as a stranger starts it: numbers move, all of them arrive, and a second start goes on."""

import contextlib
import json
import re
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from qilu.stores.sqlite.reader import SqliteReader
from qilu.stores.sqlite.writer import SqliteStore
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
            samples = await reader.samples(device.device, "serve_counter", 0, now_ms() + 1000)
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
    assert re.search(r"^ +2 s .* [1-9]\d* points read", first.stdout)
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
        await eventually(lambda: "discharge_pressure" in second.said(), "a line for each device")
        assert second.end(signal.SIGINT) == 0, second.said()
    counted = read(summary)
    assert (counted["missing_points"], counted["duplicate_points"]) == (0, 0)
    assert "Traceback" not in second.said()
    twice = await stored(data / "store.db")
    assert {device: start for device, (start, _) in twice.items()} == {
        device: start for device, (start, _) in once.items()
    }
    assert all(twice[device][1] > once[device][1] for device in once)
    assert await identity(data / "store.db") == name
