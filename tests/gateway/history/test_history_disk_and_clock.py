"""The local history on a real disk that is full, and under a clock that is set while it runs."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from gateway.history.history import History
from gateway.history.settings import HistorySettings
from gateway.interfaces import Record
from qilu.stores.sqlite.history.files import listing
from qilu.stores.sqlite.history.keys import DAY_MS
from tests.gateway.history.test_history import GROUPS, START, poll, running, stored

HOUR_MS = 3_600_000


async def test_on_a_real_full_disk_it_refuses_nothing_to_its_gateway_and_goes_on_when_there_is_space(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("gateway.history.history._RETRY_S", 0.2)
    folder, now = small_disk / "history", [START + HOUR_MS]

    async def until(condition: Callable[[], Awaitable[bool]]) -> None:
        async with asyncio.timeout(60):
            while not await condition():
                now[0] += 10_000
                await asyncio.sleep(0.2)

    async def written(number: int) -> bool:
        return len(await stored(folder)) == number

    async def is_reported() -> bool:
        return "local history: nothing is written" in caplog.text

    history = History(HistorySettings(), folder, "edge-1", GROUPS, lambda: now[0])
    async with running(history):
        history.take(poll(START, 0.0), Record(1, 0, b""))
        await until(lambda: written(1))
        others = small_disk / "others"
        with others.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(1024))
        for second in range(1, 1500):
            history.take(poll(START + 1000 * second, second / 7), Record(1, second, b""))
        await until(is_reported)
        assert "free disk space" in caplog.text
        series = await history.series("press-1", "force", START, START + 1_500_000, 5000)
        assert len(series.t) >= 1499  # what waits is shown
        others.unlink()
        await until(lambda: written(1500))
    assert history.left_out.records == 0


async def test_a_clock_that_is_set_ahead_and_back_loses_nothing_and_its_files_are_found_again(
    tmp_path: Path,
) -> None:
    now = [START]
    history = History(HistorySettings(), tmp_path, "edge-1", GROUPS, lambda: now[0])
    async with running(history):
        offset = 0
        for step_ms in (0, 30 * HOUR_MS, -6 * HOUR_MS, -48 * HOUR_MS, 60 * HOUR_MS):
            now[0] += step_ms
            for _ in range(20):
                now[0] += 1000
                history.take(poll(now[0], float(offset)), Record(1, offset, b""))
                offset += 1
            await history._commit(None)
        await asyncio.sleep(0)
    times = [START - 3 * DAY_MS, START + 5 * DAY_MS]
    assert sorted(await stored(tmp_path, times[0], times[1])) == [float(number) for number in range(offset)]
    assert not [file.name for file in listing(tmp_path) if file.torn]
    again = History(HistorySettings(), tmp_path, "edge-1", GROUPS, lambda: now[0])
    async with running(again):
        series = await again.series("press-1", "force", times[0], times[1], 1000)
        assert sum(number for number in series.n) == offset
