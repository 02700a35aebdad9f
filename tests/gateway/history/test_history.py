"""The local history beside a spool: what it takes, what it leaves out, and what its charts say of gaps."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from cloud.audit.audit import audit
from cloud.audit.causes import Cause, Verdict
from gateway.history.gaps import GapReason
from gateway.history.history import History
from gateway.history.room import PolledGroup
from gateway.history.settings import HistorySettings
from gateway.interfaces import Record
from gateway.timekeeping.provisional import marked
from qilu.contract.accounting import EventKind
from qilu.contract.ranges import IntervalSet
from qilu.contract.reading import BlockSchema, EpochTag, Origin, Poll, Quality, Reading, Reason, TimeTrust
from qilu.contract.record_codec import encode_record
from qilu.stores.sqlite.history.reader import HistoryReader
from tests.cloud.audit.scene import Scene
from tests.gateway.spool.opened import disk_spool
from tests.stores.history.history_store import HistoryStore

START = 1_764_000_000_000
COLUMNS = BlockSchema(Origin("edge-1", "press-1", "press"), "fast", ("force", "oil"))
GROUPS = {"press-1": dict.fromkeys(("force", "oil"), PolledGroup(2, 1.0, profile="press"))}


def poll(time_ms: int, value: float = 1.0) -> Poll:
    return Poll(time_ms, (Reading(COLUMNS, time_ms, (value, None), {1: Reason.TIMEOUT}),))


def history_in(folder: Path, now_ms: int = START + 3_600_000) -> History:
    return History(HistorySettings(), folder, "edge-1", GROUPS, lambda: now_ms)


@asynccontextmanager
async def running(history: History) -> AsyncIterator[History]:
    async with history:
        task = asyncio.create_task(history.run())
        async with asyncio.timeout(60):
            await history._is_open.wait()
        yield history
        task.cancel()
        await asyncio.wait([task])


async def stored(folder: Path, start_ms: int = START, end_ms: int = START + 86_400_000) -> list[float]:
    async with HistoryReader(folder) as reader:
        samples = await reader.samples(COLUMNS.origin.key, "force", start_ms, end_ms)
        return [sample.value for sample in samples if isinstance(sample.value, float)]


async def test_a_chart_shows_what_is_written_and_what_still_waits(tmp_path: Path) -> None:
    async with running(history_in(tmp_path)) as history:
        for second in range(10):
            history.take(poll(START + 1000 * second, float(second)), Record(1, second, b""))
        other = BlockSchema(Origin("edge-1", "press-1", "collection"), "points", ("force",))
        description = Poll(START, (Reading(other, START + 1, ("a text about the point",)),))
        history.take(description, Record(1, 99, b""))
        await history._commit(START + 5_000)
        series = await history.series("press-1", "force", START, START + 10_000, 500)
        assert (series.source, series.bucket_ms) == ("raw", 0)
        assert series.last == tuple(float(second) for second in range(10))
        assert series.t == tuple(START + 1000 * second for second in range(10))
        assert (series.min, series.max, series.n) == (series.last, series.last, (1,) * 10)
        assert (series.bad, series.gaps) == ((), ())
        oil = await history.series("press-1", "oil", START, START + 10_000, 500)
        assert [(bad.quality, bad.reason, bad.n) for bad in oil.bad] == [(Quality.BAD, Reason.TIMEOUT, 10)]
        assert oil.gaps == ()
    assert await stored(tmp_path) == [float(second) for second in range(10)]


async def test_a_full_queue_leaves_out_and_counts_and_never_waits(tmp_path: Path) -> None:
    history = history_in(tmp_path)
    history._queue.max_values = 20
    for second in range(25):
        history.take(poll(START + 1000 * second), Record(1, second, b""))
    assert (history.left_out.records, history.left_out.values) == (15, 30)
    assert (history.left_out.from_ms, history.left_out.to_ms) == (START + 10_000, START + 24_000)
    assert not history._queue.has(1, 10), "a later start takes it from the spool"
    async with running(history):
        await history._commit(None)
        history.take(poll(START + 60_000), Record(1, 25, b""))
    assert len(await stored(tmp_path)) == 11


async def test_a_record_of_a_clock_in_doubt_is_taken_once_it_is_corrected(tmp_path: Path) -> None:
    held = poll(START - 500_000)._replace(epoch=EpochTag(7, TimeTrust.HELD, START))
    body = encode_record(poll(START))
    async with running(history_in(tmp_path)) as history:
        history.take(held, Record(1, 0, marked(encode_record(held), EpochTag(7, TimeTrust.HELD, START))))
        assert history._queue.values == 0
        history.take_corrected(Record(1, 0, body))
        history.take_corrected(Record(1, 0, body))
        history.take_corrected(Record(1, 1, b"no record"))
        assert history._queue.values == 2
    assert await stored(tmp_path, 0) == [1.0]


async def test_after_a_start_it_takes_what_the_spool_still_holds_and_nothing_twice(tmp_path: Path) -> None:
    async with disk_spool(tmp_path / "spool") as spool:
        for second in range(50):
            spool.append(encode_record(poll(START + 1000 * second, float(second))))
        await spool.commit()
    for run in range(2):
        async with disk_spool(tmp_path / "spool") as spool, running(history_in(tmp_path / "h")) as history:
            history.opened(spool)
            await asyncio.sleep(0.6)
            if run:
                assert history._queue.values == 0, "it has them by its marks"
    assert await stored(tmp_path / "h") == [float(second) for second in range(50)]


async def test_a_disk_that_refuses_costs_the_history_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("gateway.history.history._RETRY_S", 0.05)
    history = history_in(tmp_path / "h")
    async with running(history):
        real = history._writer.commit

        def refuse(*_: object) -> int:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(history._writer, "commit", refuse)
        history.take(poll(START), Record(1, 0, b""))
        async with asyncio.timeout(30):
            while "No space left on device" not in caplog.text:
                await asyncio.sleep(0.05)
        monkeypatch.setattr(history._writer, "commit", real)
        history.take(poll(START + 1000), Record(1, 1, b""))
    assert len(await stored(tmp_path / "h")) == 2


async def series_gaps(scene: Scene, folder: Path, polls: list[Poll]) -> list[tuple[str, float, float]]:
    """Reason, begin and end (s since the first poll) of each gap of a point of the scene's device."""
    async with HistoryStore(folder, now_ms=lambda: scene.now_ms) as store:
        store.take(polls)
        store.roll_up()
    device = scene.device
    names = {p for one in polls for r in one.readings if r.columns.group == "fast" for p in r.columns.points}
    point = min(names)
    history = History(
        HistorySettings(), folder, "edge-1", {device: {point: PolledGroup(3, 1.0)}}, lambda: scene.now_ms
    )
    first_ms = polls[0].due_ms
    async with running(history):
        series = await history.series(device, point, first_ms, scene.now_ms, 2000)
    return [(g.reason, (g.from_ms - first_ms) / 1000, (g.to_ms - first_ms) / 1000) for g in series.gaps]


async def test_a_time_without_a_gateway_is_a_gap_with_that_reason(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.start()
    scene.collect(300)
    down_ms = scene.now_ms
    scene.kill()
    scene.wait(600)
    scene.start(down_since_ms=down_ms)
    scene.collect(200)
    [(reason, start_s, end_s)] = await series_gaps(scene, tmp_path / "h", scene.sent)
    assert reason == GapReason.GATEWAY_DOWN
    assert (round(start_s), round(end_s)) == (301, 900)


async def test_what_a_processor_left_out_is_a_gap_of_its_own_kind(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.start()
    scene.collect(180)
    scene.collect(180, keep=lambda poll: False)
    scene.collect(180)
    gaps = await series_gaps(scene, tmp_path / "h", scene.sent)
    assert [reason for reason, _, _ in gaps] == [GapReason.SUPPRESSED]


async def test_what_the_history_lacks_is_never_a_gap_in_collection(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.start()
    scene.collect(600)
    scene.stop()
    lost = [
        p for p in scene.sent if p.origin.profile == "press" and 200 < (p.due_ms - START) / 1000 % 1e6 < 320
    ]
    first = scene.sent[0].due_ms
    lost = [p for p in scene.sent if p.origin.profile == "press" and 200_000 < p.due_ms - first < 320_000]
    kept = [p for p in scene.sent if p not in lost]
    [(reason, start_s, end_s)] = await series_gaps(scene, tmp_path / "h", kept)
    assert reason == GapReason.NOT_IN_HISTORY
    assert (round(start_s), round(end_s)) == (201, 320)
    async with HistoryReader(tmp_path / "h") as reader:
        result = await audit(reader, first, first + 540_000)
    [finding] = result.findings
    assert finding.verdict is Verdict.NOT_KNOWN
    assert {(m.cause, m.values) for m in finding.missing} == {(Cause.NOT_IN_HISTORY, 3 * len(lost))}


async def test_an_audit_of_a_whole_history_is_complete(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.start()
    scene.collect(400)
    scene.stop()
    async with HistoryStore(tmp_path / "h", now_ms=lambda: scene.now_ms) as store:
        store.take(scene.sent)
        store.roll_up()
    async with HistoryReader(tmp_path / "h") as reader:
        result = await audit(reader, scene.sent[0].due_ms, scene.now_ms)
    assert [finding.verdict for finding in result.findings] == [Verdict.COMPLETE]


async def test_events_explain_gaps_when_only_quarters_are_left(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.start()
    scene.collect(60)
    scene.stop()
    now = [scene.now_ms]
    async with HistoryStore(tmp_path / "h", now_ms=lambda: now[0]) as store:
        store.take(scene.sent)
        now[0] += 2 * 86_400_000
        store.roll_up()
    for file in (tmp_path / "h").glob("raw-*.db"):
        file.unlink()
    async with HistoryReader(tmp_path / "h") as reader:
        edge = scene.sent[0].origin.edge
        key = Origin(edge, edge, "gateway").key
        rows = await reader.rows(key, "gateway", "events", scene.sent[0].due_ms - 1000, now[0])
    assert [EventKind(int(row["event"])) for _, row in rows] == [EventKind.STARTED, EventKind.STOPPED]  # type: ignore[arg-type]


def test_offsets_that_were_taken_are_read_again_from_their_text() -> None:
    history = history_in(Path("unused"))
    for offset in (0, 1, 2, 9):
        history.take(poll(START), Record(5, offset, b""))
    history.take(poll(START + 60_000), Record(5, 3, b""))
    assert history._queue.start_batch(START + 1000), "record 3 is in no batch yet"
    other = history_in(Path("unused"))
    other._queue.restore(history._queue.marks({5: IntervalSet([(0, 9)])}))
    assert [other._queue.has(5, offset) for offset in (0, 2, 3, 9)] == [True, True, False, True]
    other._queue.restore("no json")
    other._queue.restore('{"x": 1}')
