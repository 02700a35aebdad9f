"""Rows that no store should have are there already: an audit goes on past them and says nothing wrong."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing
from pathlib import Path

import pytest

from cloud.audit.audit import Audit, audit
from cloud.audit.causes import Verdict
from qilu.contract.accounting import COUNTS_POINTS, EVENT_POINTS, RECOUNT_POINTS, SCHEDULE_POINTS
from qilu.contract.reading import BlockSchema, Origin, Poll, Reading
from qilu.stores.factory import open_reader, open_store
from qilu.stores.interfaces import Reader, Store
from qilu.stores.settings import InfluxSettings, SqliteSettings
from tests.cloud.audit.scene import START, Scene
from tests.servers import Influxdb1, VictoriaMetrics

KINDS = ("sqlite", "victoriametrics", "influxdb1")
STATUS_POINTS = ("uptime_s", "devices", "backlog_records", "unacknowledged_records", "oldest_record_age_s")
REPORTS = (COUNTS_POINTS, RECOUNT_POINTS, SCHEDULE_POINTS, EVENT_POINTS[:-1])
PRESS_HEAD = "press,device=press-9,edge=edge-2,profile=press"
GATEWAY_HEAD = "qilu_gateway,device=edge-2,edge=edge-2,profile=gateway"
COLLECTION_HEAD = "qilu_collection,device=press-9,edge=edge-2,profile=collection"
NUMBERS = ("1.7e308", "-1.7e308", "1e300", "-5", "0", "0.5", "9007199254740993")
TIMES = (START + 5_000, START + 300_000, START - 86_400_000, START + 40 * 86_400_000)


def lines() -> list[str]:
    """Rows as InfluxDB and VictoriaMetrics take them."""
    rows = []
    for count, number in enumerate(NUMBERS):
        for time_ms in (TIMES[0] + count, TIMES[1] + count, TIMES[2] + count, TIMES[3] + count):
            rows += [
                f"{PRESS_HEAD} force={number},serve_counter={number} {time_ms}",
                f"press,device=press-9,profile=press force={number} {time_ms}",
                f"press,edge=edge-2,profile=press force={number} {time_ms}",
                f"{PRESS_HEAD} force__q={number} {time_ms}",
                f"{GATEWAY_HEAD} {fields(STATUS_POINTS, number)} {time_ms}",
                f"{GATEWAY_HEAD} {fields(EVENT_POINTS[:-1], number)} {time_ms}",
            ]
            rows += [
                f"{COLLECTION_HEAD} {fields(points, number)} {time_ms + place * 100}"
                for place, points in enumerate(REPORTS)
            ]
    return rows


def one_per_value(line: str) -> list[str]:
    """The same row as VictoriaMetrics has it: one line, and one tag `point`, for each value."""
    head, texts, time_ms = line.split(" ")
    points = [text.partition("=")[0].removesuffix("__q") for text in texts.split(",")]
    return [
        f"{head},point={point} {text} {time_ms}" for point, text in zip(points, texts.split(","), strict=True)
    ]


def fields(points: Sequence[str], number: str) -> str:
    return ",".join(f"{point}={number}" for point in points)


def sound_looking() -> list[Poll]:
    """Reports of the bad device, of which `poison` makes what it likes."""
    polls = []
    for place, points in enumerate((("force", "oil"), *REPORTS)):
        origin = Origin("edge-2", "press-9", "collection" if place else "press")
        for time_ms in (TIMES[0] + place, TIMES[1] + place):
            reading = Reading(BlockSchema(origin, f"group-{place}", points), time_ms, (1.0,) * len(points))
            polls.append(Poll(time_ms, (reading,)))
    return polls


def poison(file: Path) -> None:
    """Rows of edge-2 in a SQLite store with values that were never checked."""
    with closing(sqlite3.connect(file)) as connection:
        columns = connection.execute(
            "SELECT columns.id FROM columns JOIN origins ON origins.id = origin_id WHERE edge = 'edge-2'"
        ).fetchall()
        texts = ["[]", "[null]", "not json", '{"a":1}', "[1e999,7]", f"[{'9' * 401},7]"]
        texts += [json.dumps([float(number)] * 20) for number in NUMBERS]
        for (columns_id,) in columns:
            for number, text in enumerate(texts):
                for time_ms in (TIMES[1] + 100 + number, -(2**63) + number, 2**63 - 1 - number):
                    connection.execute(
                        "INSERT OR IGNORE INTO readings VALUES (?, ?, ?, NULL)", (columns_id, time_ms, text)
                    )
        connection.commit()


@asynccontextmanager
async def poisoned(kind: str, folder: Path, polls: Sequence[Poll]) -> AsyncIterator[Reader]:
    """A store of this kind with these polls and bad rows; what reads it."""
    async with AsyncExitStack() as stack:
        if kind == "sqlite":
            settings = SqliteSettings(type="sqlite", file=folder / "a.db")
            async with open_store(settings) as store:
                await fill(store, [*polls, *sound_looking()])
            poison(folder / "a.db")
            yield await stack.enter_async_context(open_reader(settings))
            return
        server: VictoriaMetrics | Influxdb1
        if kind == "victoriametrics":
            server = stack.enter_context(VictoriaMetrics(folder))
            influx = InfluxSettings(type="influx", server="victoriametrics", url=server.url)
        else:
            server = stack.enter_context(Influxdb1(folder))
            influx = InfluxSettings(type="influx", server="influxdb1", url=server.url, database="qilu")
        async with open_store(influx) as store:
            await fill(store, polls)
        rows = lines()
        if isinstance(server, VictoriaMetrics):
            rows = [part for row in rows for part in one_per_value(row)]
        server.write("".join(f"{row}\n" for row in rows))
        if isinstance(server, VictoriaMetrics):
            await asyncio.to_thread(server.flush)
        yield await stack.enter_async_context(open_reader(influx))


async def fill(store: Store, polls: Sequence[Poll]) -> None:
    assert await store.write(polls) == {}


async def verdicts(reader: Reader, end_ms: int) -> tuple[Audit, dict[str, Verdict]]:
    audited = await audit(reader, START, end_ms)
    return audited, {finding.device: finding.verdict for finding in audited.findings}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
async def test_bad_rows_of_one_edge_change_nothing_in_the_audit_of_another(kind: str, tmp_path: Path) -> None:
    scene = Scene(tmp_path, edge="edge-1")
    scene.start()
    scene.collect(600)
    async with poisoned(kind, tmp_path, scene.sent) as reader:
        audited, found = await verdicts(reader, scene.now_ms)
        assert found.pop("press-1") is Verdict.COMPLETE
        assert "press-9" in found
        assert Verdict.COMPLETE not in found.values()
        assert not audited.complete
        await audit(reader, START - 2 * 86_400_000, START + 50 * 86_400_000)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_lost_value_is_unexplained_beside_bad_rows(kind: str, tmp_path: Path) -> None:
    scene = Scene(tmp_path, edge="edge-1")
    scene.start()
    scene.collect(600)
    scene.lose([START + 100_000])
    async with poisoned(kind, tmp_path, scene.sent) as reader:
        audited, found = await verdicts(reader, scene.now_ms)
        assert found["press-1"] is Verdict.INCOMPLETE
        assert [one.unexplained for one in audited.findings if one.device == "press-1"] == [3]
