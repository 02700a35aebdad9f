"""The stores that are fuzzed: SQLite in this process, VictoriaMetrics and InfluxDB where they are there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from qilu.stores.factory import open_reader, open_store
from qilu.stores.interfaces import Reader, Store
from qilu.stores.settings import InfluxSettings
from qilu.stores.sqlite.reader import SqliteReader
from qilu.stores.sqlite.writer import SqliteStore
from qilu_cli.time_zones import iso_time
from tests.fuzz.ingesting import Fuzz
from tests.servers import Influxdb1, VictoriaMetrics

KINDS = ("sqlite", "victoriametrics", "influxdb1")
_UPKEEP_MS = 5_000


class Clock:
    """A clock that goes on by itself when it is read: upkeep of a store file is always due."""

    def __init__(self) -> None:
        self.ms = round(time.time() * 1000)

    def __call__(self) -> float:
        self.ms += _UPKEEP_MS
        return self.ms / 1000


@dataclass
class Stage:
    """A store under fuzz; `settle` returns when what was written can be read."""

    fuzz: Fuzz
    store: Store
    reader: Reader
    settle: Callable[[], None]

    async def ask(self) -> None:
        """Let the store do its upkeep, then put every question."""
        for _ in range(20):
            await self.store.write([])
        await asyncio.to_thread(self.settle)
        await self.fuzz.ask(self.reader, iso_time)


@asynccontextmanager
async def fuzzing(kind: str, folder: Path, seed: int) -> AsyncIterator[Stage]:
    """A stage with an empty store of this kind."""
    now_ms = round(time.time() * 1000)
    async with AsyncExitStack() as stack:
        if kind == "sqlite":
            clock = Clock()
            store: Store = SqliteStore(folder / "a.db", wall=clock, monotonic=clock)
            reader: Reader = SqliteReader(folder / "a.db")
            settle = _nothing
        elif kind == "victoriametrics":
            metrics = stack.enter_context(VictoriaMetrics(folder))
            settings = InfluxSettings(type="influx", server="victoriametrics", url=metrics.url)
            store, reader, settle = open_store(settings), open_reader(settings), metrics.flush
        else:
            influxdb = stack.enter_context(Influxdb1(folder))
            settings = InfluxSettings(type="influx", server="influxdb1", url=influxdb.url, database="fuzz")
            store, reader, settle = open_store(settings), open_reader(settings), _nothing
        await stack.enter_async_context(store)
        await stack.enter_async_context(reader)
        yield Stage(Fuzz(store, now_ms, seed), store, reader, settle)


def _nothing() -> None:
    pass
