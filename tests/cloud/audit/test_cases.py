"""Attacks on the delivery path of which an audit once said that all was complete."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from cloud.audit.audit import Audit, audit
from cloud.audit.causes import Cause, Verdict
from qilu.contract.accounting import GATEWAY
from qilu.contract.reading import BlockSchema, DeviceKey, Origin, Poll, Reading, Reason
from qilu.stores.factory import open_store
from qilu.stores.settings import SqliteSettings
from qilu_cli.commands import audit as command
from tests.cloud.audit.scene import START, Scene
from tests.cloud.audit.shelf import Shelf

DAY = 86_400_000


async def found(polls: Sequence[Poll], end_ms: int, *, start_ms: int = START, texts: bool = True) -> Audit:
    return await audit(Shelf(polls, has_texts=texts), start_ms, end_ms)


def status(scene: Scene, **points: float) -> Poll:
    """The last status of the edge."""
    columns = BlockSchema(Origin("edge-1", "edge-1", GATEWAY), "status", ("uptime_s", *points))
    return Poll(scene.now_ms, (Reading(columns, scene.now_ms, (1.0, *points.values())),))


def healthy(folder: Path, seconds: int = 600) -> Scene:
    scene = Scene(folder)
    scene.start()
    scene.collect(seconds)
    return scene


def moved(poll: Poll, by_ms: int) -> Poll:
    readings = tuple(reading._replace(time_ms=reading.time_ms + by_ms) for reading in poll.readings)
    return poll._replace(readings=readings)


def without(polls: Sequence[Poll], lost: Callable[[Reading], bool]) -> list[Poll]:
    return [poll for poll in polls if not lost(poll.readings[0])]


async def test_02b_a_clock_that_ran_ahead_for_400_days(tmp_path: Path) -> None:
    scene = healthy(tmp_path, 1200)
    begins = [one.readings[0].time_ms for one in scene.sent if "span_ms" in one.readings[0].columns.points]
    polls = [
        moved(one, 400 * DAY) if one.readings[0].time_ms >= begins[9] else one for one in scene.sent
    ]  # fmt: skip
    [finding] = (await found(polls, scene.now_ms)).findings
    assert finding.verdict is Verdict.NOT_KNOWN
    assert finding.missing[-1].cause in (Cause.NOT_COUNTED, Cause.EDGE_OFFLINE)


@pytest.mark.parametrize("dropped", ["span_ms", "expected", "suppressed", "known_s"])
async def test_05_a_store_that_drops_series_of_the_accounts(dropped: str, tmp_path: Path) -> None:
    scene = healthy(tmp_path)
    polls = []
    for poll in scene.sent:
        [reading] = poll.readings
        points = tuple(point for point in reading.columns.points if point != dropped)
        values = tuple(
            value
            for point, value in zip(reading.columns.points, reading.values, strict=True)
            if point != dropped
        )
        columns = replace(reading.columns, points=points)
        polls.append(poll._replace(readings=(reading._replace(columns=columns, values=values),)))
    [finding] = (await found(polls, scene.now_ms)).findings
    assert (finding.verdict, finding.has_accounting) == (Verdict.NOT_KNOWN, False)


async def test_05_a_store_that_drops_all_series_of_a_device(tmp_path: Path) -> None:
    scene = healthy(tmp_path)
    audited = await found([*scene.sent, status(scene, devices=2)], scene.now_ms)
    assert [one.verdict for one in audited.findings] == [Verdict.COMPLETE]
    assert [(one.devices, one.known) for one in audited.unknown] == [(2, 1)]
    assert not audited.complete
    assert (await found([*scene.sent, status(scene, devices=1)], scene.now_ms)).complete


class Filling(Shelf):
    """A store that is being filled: each question finds a reading more of those that come again."""

    def __init__(self, polls: Sequence[Poll], late: Sequence[Poll]) -> None:
        super().__init__(polls)
        self._late = [reading for poll in late for reading in poll.readings]

    async def count(
        self, device: DeviceKey, profile: str, start_ms: int, end_ms: int
    ) -> Mapping[Reason | None, int]:
        counts = await super().count(device, profile, start_ms, end_ms)
        if self._late:
            self._readings.append(self._late.pop())
        return counts


async def test_06e_a_record_that_arrives_during_an_audit_is_neither_missing_nor_surplus(
    tmp_path: Path,
) -> None:
    scene = healthy(tmp_path, 120)
    late = [poll for poll in scene.sent if poll.origin.profile == "press"][30]
    others = [poll for poll in scene.sent if poll is not late]
    [finding] = (await audit(Filling(others, [late]), START, START + 61_000)).findings
    assert (finding.verdict, finding.unexplained, finding.surplus) == (Verdict.COMPLETE, 0, 0)


async def test_many_records_with_one_reason_are_one_entry(tmp_path: Path) -> None:
    scene = healthy(tmp_path)
    for second in (100, 150, 320):
        scene.reject(START + 1000 * second, START + 1000 * second + 999)
    scene.collect(60)
    [finding] = (await found(scene.sent, scene.now_ms)).findings
    [missing] = finding.missing
    assert (missing.cause, missing.values, missing.certain) == (Cause.REJECTED, 9, True)
    assert (missing.start_ms, missing.end_ms) == (START + 100_000, START + 320_000)


async def test_fields_in_conflict_are_counted_to_the_value(tmp_path: Path) -> None:
    scene = healthy(tmp_path)
    scene.reject_in_part(START + 100_000, START + 110_000)
    scene.collect(60)
    [finding] = (await found(scene.sent, scene.now_ms)).findings
    assert [(one.cause, one.values) for one in finding.missing] == [(Cause.REJECTED, 10)]
    assert finding.verdict is Verdict.COMPLETE
    scene.lose([START + 105_000])
    [finding] = (await found(scene.sent, scene.now_ms)).findings
    assert (finding.verdict, finding.unexplained) == (Verdict.INCOMPLETE, 2)


async def test_records_that_an_edge_keeps_are_named_where_no_account_arrived(tmp_path: Path) -> None:
    scene = healthy(tmp_path)
    kept = status(
        scene,
        devices=1,
        backlog_records=9,
        deferred_records=7,
        oldest_record_age_s=600,
        quarantined_records=2,
    )
    polls = [one for one in scene.sent if one.origin.profile != "collection"]
    [finding] = (await found([*polls, one_report(scene), kept], scene.now_ms)).findings
    assert not finding.has_accounting
    assert finding.kept == {Cause.DEFERRED: 7, Cause.QUARANTINED: 2, Cause.WAITING: 2}


def one_report(scene: Scene) -> Poll:
    """Something of the device that is no account."""
    return next(one for one in scene.sent if "values_per_s" in one.readings[0].columns.points)


async def test_06b_records_that_were_delivered_long_ago_do_not_wait(tmp_path: Path) -> None:
    scene = healthy(tmp_path)
    scene.lose(range(START + 100_000, START + 200_000, 1000))
    for oldest_s, waiting in ((5, 0), (1000, 36)):
        last = status(scene, devices=1, backlog_records=12, oldest_record_age_s=oldest_s)
        [finding] = (await found([*scene.sent, last], scene.now_ms)).findings
        assert sum(one.values for one in finding.missing if one.cause is Cause.WAITING) == waiting
        assert finding.unexplained == 300 - waiting


async def test_06c_rows_beside_what_a_spool_gave_up(tmp_path: Path) -> None:
    scene = healthy(tmp_path)
    scene.drop(START + 200_500, START + 250_500)
    scene.lose(range(START + 180_000, START + 195_000, 1000))
    scene.collect(120)
    [finding] = (await found(scene.sent, scene.now_ms)).findings
    assert (finding.verdict, finding.unexplained) == (Verdict.INCOMPLETE, 45)
    assert sum(one.values for one in finding.missing) == 195


async def test_12_texts_are_not_missing_from_a_store_without_a_place_for_them(tmp_path: Path) -> None:
    scene = Scene(tmp_path, words=True)
    scene.start()
    scene.collect(600)
    for texts in (True, False):
        [finding] = (await found(scene.sent, scene.now_ms, texts=texts)).findings
        assert (finding.verdict, finding.missing) == (Verdict.COMPLETE, [])
        assert bool(finding.texts) is not texts


async def test_a_second_store_knows_of_a_downtime_without_any_older_schedule(tmp_path: Path) -> None:
    scene = healthy(tmp_path)
    begun_ms = scene.now_ms
    scene.collect(300)
    scene.kill()
    scene.wait(300)
    scene.start()
    scene.collect(300)
    polls = [one for one in scene.sent if one.readings[0].time_ms > begun_ms]
    [finding] = (await found(polls, scene.now_ms, start_ms=begun_ms + 60_000)).findings
    [missing] = finding.missing
    assert (missing.cause, missing.certain) == (Cause.DOWN, True)
    assert 900 <= missing.values <= 909  # reckoned by the accounts before
    [earlier] = (await found(polls, scene.now_ms, start_ms=START)).findings
    assert earlier.start_ms == START
    assert (earlier.verdict, earlier.missing[0].cause) == (Verdict.NOT_KNOWN, Cause.NOT_COUNTED)


async def test_a_device_that_was_removed_long_ago_is_left_out(tmp_path: Path) -> None:
    scene = healthy(tmp_path)
    scene.kill()
    ledger = tmp_path / "accounts-press-1"
    ledger.rename(tmp_path / "accounts-press-2")
    other = Scene(tmp_path, "press-2")
    other.now_ms = scene.now_ms + 60_000
    other.start()
    other.collect(7200 + 600)
    polls = [*scene.sent, *other.sent]
    whole = await found(polls, other.now_ms)
    assert [(one.device, one.verdict) for one in whole.findings] == [
        ("press-1", Verdict.COMPLETE),
        ("press-2", Verdict.COMPLETE),
    ]
    late = await found(polls, other.now_ms, start_ms=other.now_ms - 300_000)
    assert [one.device for one in late.findings] == ["press-2"]


async def test_a_store_without_any_device_is_not_complete() -> None:
    assert not (await found([], START + 1)).complete


async def test_a_device_without_accounts_costs_no_question(tmp_path: Path) -> None:
    """A store may have thousands of names that somebody made up."""
    polls = without(healthy(tmp_path).sent, lambda reading: reading.columns.origin.profile != "press")

    class Strict(Shelf):
        async def count(
            self, device: DeviceKey, profile: str, start_ms: int, end_ms: int
        ) -> Mapping[Reason | None, int]:
            raise AssertionError("asked")

    [finding] = (await audit(Strict(polls), START, START + DAY)).findings
    assert finding.verdict is Verdict.NOT_KNOWN


async def test_the_command_ends_with_an_error_unless_all_is_complete(tmp_path: Path) -> None:
    file = tmp_path / "store.db"
    async with open_store(SqliteSettings(type="sqlite", file=file)) as store:
        await store.write(healthy(tmp_path).sent)
    with pytest.raises(command.IncompleteError, match="not known: edge-1/press-1"):
        await command.run(str(file), "24h", (), (), "json")
