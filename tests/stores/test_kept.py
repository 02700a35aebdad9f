"""VictoriaMetrics answers 204 to rows that it drops: nothing of them is confirmed, and all else is."""

import asyncio
import random
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest

from qilu.contract.ack_codes import AckCode
from qilu.contract.errors import ConfigError, UnreachableError
from qilu.contract.reading import BlockSchema, Origin, Poll, Reading, Reason, Value
from qilu.stores.confirmation import Confirmation, Mark, Write, traces
from qilu.stores.influx.bounded_response import BoundedResponse
from qilu.stores.influx.http import Http
from qilu.stores.influx.metrics_page import Metrics, parse_metrics
from qilu.stores.influx.readback import Series, missing
from qilu.stores.influx.victoria_confirmation import WriteVerifier
from qilu.stores.influx.writer import InfluxStore
from qilu.stores.settings import InfluxSettings
from tests.servers import Influxdb1, VictoriaMetrics
from tests.servers.victoria_metrics import FLAGS
from tests.stores.between import Between
from tests.stores.influx import DAY, NOW, influxdb, metrics

HOUR = 3_600_000
POINTS = tuple(f"point_{number}" for number in range(10))


@cache
def columns(device: str) -> BlockSchema:
    return BlockSchema(Origin("edge-1", device, "press", line="a b"), "fast", POINTS)


def poll(device: str, time_ms: int, *values: Value, **reasons: Reason) -> Poll:
    """One of ten numbers, where no values are given."""
    mine = columns(device)
    bad = {POINTS.index(point): reason for point, reason in reasons.items()}
    return Poll(time_ms, (Reading(mine, time_ms, values or tuple(map(float, range(10))), bad),))


def in_front(between: Between, **more: object) -> InfluxSettings:
    fields = {"type": "influx", "server": "victoriametrics", "url": between.url, "timeout": 5, **more}
    return InfluxSettings.model_validate(fields)


async def written(store: InfluxStore, polls: Sequence[Poll]) -> Write:
    mark = await store.mark()
    assert await store.write(polls) == {}
    return Write(mark, traces(polls))


async def confirmed(store: InfluxStore, server: VictoriaMetrics, *writes: Write) -> list[list[int]]:
    """For each write the indexes of the polls in doubt, when all that was dropped has been counted."""
    await asyncio.sleep(
        1.5
    )  # it drops when it puts rows from its buffer into its store, and then counts them
    await asyncio.to_thread(server.flush)
    found = await store.confirm(writes)
    for one in found:
        assert all(refusal.code is AckCode.STORE_IN_DOUBT for refusal in one.doubtful.values())
        assert not one.restarted
    return [sorted(one.doubtful) for one in found]


async def kept_whole(server: VictoriaMetrics, polls: Sequence[Poll]) -> list[int]:
    """The indexes of the polls of which every point is in the store."""
    found = await asyncio.to_thread(server.export, '{device!=""}')
    there = {
        (series["metric"]["device"], series["metric"]["__name__"], time)
        for series in found
        for time in series["timestamps"]
    }
    return [
        index
        for index, one in enumerate(polls)
        if all((one.origin.device, f"press_{point}", one.readings[0].time_ms) in there for point in POINTS)
    ]


async def test_all_is_confirmed_where_nothing_is_dropped(victoria_metrics: VictoriaMetrics) -> None:
    async with InfluxStore(metrics(victoria_metrics)) as store:
        polls = [
            poll("a", NOW),
            poll("a", NOW + 1, *([None] * 10), **dict.fromkeys(POINTS, Reason.TIMEOUT)),
            poll("a", NOW + 2, 5.5, *range(9), point_0=Reason.CLOCK_UNCERTAIN),
            poll("a", NOW + 3, "a text", None, True, *range(7)),
            poll("b", NOW - 40 * DAY),
            poll("b", NOW),
            poll("c|d .*+?()[]{}^$\\x", NOW),
        ]
        assert await confirmed(store, victoria_metrics, await written(store, polls)) == [[]]


@pytest.mark.parametrize("flag", ["-storage.maxDailySeries=40", "-storage.maxHourlySeries=40"])
async def test_rows_beyond_a_limit_of_series_are_in_doubt_and_all_others_confirmed(
    tmp_path: Path, flag: str
) -> None:
    with VictoriaMetrics(tmp_path, flags=(*FLAGS, flag)) as server:
        async with InfluxStore(metrics(server)) as store:
            early = [poll(f"device-{index}", NOW) for index in range(3)]
            assert await confirmed(store, server, await written(store, early)) == [[]]
            polls = [poll(f"device-{index}", NOW + 1) for index in range(12)]
            write = await written(store, polls)
            [doubtful] = await confirmed(store, server, write)
            kept = await kept_whole(server, polls)
            # Over its limit VictoriaMetrics takes most values of a series that it has, and not all of them:
            # what it kept is confirmed, and the rest is in doubt.
            assert len(doubtful) > 5
            assert sorted(kept + doubtful) == list(range(12))
            [confirmation] = await store.confirm([write])
            text = confirmation.doubtful[doubtful[0]].text
            assert "raise -storage.maxHourlySeries" in text
            assert "rows since" in text


async def test_a_series_that_is_new_is_read_back_once_an_hour_where_no_counter_rises(
    victoria_metrics: VictoriaMetrics,
) -> None:
    now = NOW / 1000
    async with Between(victoria_metrics).running() as between:
        async with InfluxStore(in_front(between), wall=lambda: now) as store:
            assert await confirmed(store, victoria_metrics, await written(store, [poll("a", NOW)])) == [[]]
            asked = between.asked.count("/api/v1/export")
            assert asked == 1
            between.swallows = b"device=b"
            both = [poll("a", NOW + 1), poll("b", NOW + 1)]
            assert await confirmed(store, victoria_metrics, await written(store, both)) == [[1]]

            # A known series is trusted: its rows are swallowed and no counter shows it ...
            between.swallows = b"device=a"
            asked = between.asked.count("/api/v1/export")
            write = await written(store, [poll("a", NOW + 2)])
            assert await confirmed(store, victoria_metrics, write) == [[]]
            assert between.asked.count("/api/v1/export") == asked
            # ... until the next hour begins.
            now += 3600
            write = await written(store, [poll("a", NOW + 3)])
            assert await confirmed(store, victoria_metrics, write) == [[0]]


async def test_a_reason_that_a_point_never_had_is_a_new_series(victoria_metrics: VictoriaMetrics) -> None:
    async with Between(victoria_metrics).running() as between, InfluxStore(in_front(between)) as store:
        await confirmed(store, victoria_metrics, await written(store, [poll("a", NOW)]))
        between.swallows = b"point_3__q"
        bad = poll("a", NOW + 1, 0.0, 1.0, 2.0, None, *range(6), point_3=Reason.TIMEOUT)
        assert await confirmed(store, victoria_metrics, await written(store, [bad])) == [[0]]


async def test_the_first_and_the_newest_sample_of_a_new_series_are_read_back(
    victoria_metrics: VictoriaMetrics,
) -> None:
    async with Between(victoria_metrics).running() as between, InfluxStore(in_front(between)) as store:
        between.swallows = str(NOW).encode()
        early = await written(store, [poll("a", NOW)])
        late = await written(store, [poll("a", NOW + 1), poll("a", NOW + 2)])
        assert await confirmed(store, victoria_metrics, early, late) == [[0], []]


async def test_without_counters_one_series_of_every_column_set_is_read_back_each_time(
    victoria_metrics: VictoriaMetrics,
) -> None:
    async with Between(victoria_metrics, hides=b"_rows_").running() as between:
        async with InfluxStore(in_front(between)) as store:
            assert (await store.mark()).dropped is None
            both = [poll("a", NOW), poll("b", NOW)]
            assert await confirmed(store, victoria_metrics, await written(store, both)) == [[]]
            between.swallows = b"device=b"
            both = [poll("a", NOW + 1), poll("b", NOW + 1)]
            assert await confirmed(store, victoria_metrics, await written(store, both)) == [[1]]


async def test_the_counters_that_a_confirmation_reads_are_the_mark_of_the_next_writes(
    victoria_metrics: VictoriaMetrics,
) -> None:
    now = 1000.0
    async with Between(victoria_metrics).running() as between:
        async with InfluxStore(in_front(between), monotonic=lambda: now) as store:
            await store.mark()
            greeted = between.asked.count("/metrics")
            for second in range(60):
                now += 1
                write = Write(await store.mark(), [])
                if second % 10 == 9:
                    await store.confirm([write])
        assert between.asked.count("/metrics") - greeted == 6


async def test_every_sample_of_what_was_in_doubt_is_read_back(victoria_metrics: VictoriaMetrics) -> None:
    async with Between(victoria_metrics).running() as between, InfluxStore(in_front(between)) as store:
        await confirmed(store, victoria_metrics, await written(store, [poll("a", NOW)]))
        between.swallows = str(NOW + 2).encode()
        write = await written(store, [poll("a", NOW + 1), poll("a", NOW + 2), poll("a", NOW + 3)])
        assert await confirmed(store, victoria_metrics, write) == [[]]
        again = Write(write.mark, write.polls, every_sample=True)
        assert await confirmed(store, victoria_metrics, again) == [[1]]


async def test_rows_are_dropped_by_a_relabelling_rule_and_not_confirmed(tmp_path: Path) -> None:
    rules = tmp_path / "rules.yml"
    rules.write_text("- action: drop\n  source_labels: [device]\n  regex: b\n")
    with VictoriaMetrics(tmp_path, flags=(*FLAGS, f"-relabelConfig={rules}")) as server:
        async with InfluxStore(metrics(server)) as store:
            both = [poll("a", NOW), poll("b", NOW)]
            assert await confirmed(store, server, await written(store, both)) == [[1]]


async def test_labels_that_are_cut_off_are_not_confirmed(tmp_path: Path) -> None:
    with VictoriaMetrics(tmp_path, flags=(*FLAGS, "-maxLabelsPerTimeseries=1")) as server:
        async with InfluxStore(metrics(server)) as store:
            assert await confirmed(store, server, await written(store, [poll("a", NOW)])) == [[0]]


async def test_a_clock_of_the_store_that_is_behind_its_retention_is_found_out(tmp_path: Path) -> None:
    with VictoriaMetrics(tmp_path, flags=("-dedup.minScrapeInterval=1ms", "-retentionPeriod=10d")) as server:
        old = NOW - 12 * DAY
        async with InfluxStore(metrics(server), wall=lambda: old / 1000 + 60) as store:
            write = await written(store, [poll("a", old), poll("a", NOW - DAY - 12 * DAY)])
            assert await confirmed(store, server, write) == [[0, 1]]


async def test_a_query_that_is_refused_or_fails_confirms_nothing(victoria_metrics: VictoriaMetrics) -> None:
    async with Between(victoria_metrics).running() as between, InfluxStore(in_front(between)) as store:
        write = await written(store, [poll("a", NOW), poll("b", NOW)])
        between.queries = 503
        with pytest.raises(UnreachableError):
            await confirmed(store, victoria_metrics, write)
        between.queries = 422
        assert await confirmed(store, victoria_metrics, write) == [[0, 1]]
        between.queries = 200
        assert await confirmed(store, victoria_metrics, write) == [[]]


async def test_what_was_written_before_a_restart_is_not_confirmed(victoria_metrics: VictoriaMetrics) -> None:
    async with InfluxStore(metrics(victoria_metrics)) as store:
        before = await written(store, [poll("a", NOW)])
        await asyncio.to_thread(victoria_metrics.stop)
        await asyncio.sleep(1.1)  # it tells its start in whole seconds
        victoria_metrics.start()  # from this thread: the server ends with the one that started it
        assert await store.confirm([before]) == [Confirmation(restarted=True)]
        after = await written(store, [poll("a", NOW + 1)])
        assert await confirmed(store, victoria_metrics, after) == [[]]


async def test_flags_are_read_again_after_a_restart_and_nothing_is_written_without_deduplication(
    tmp_path: Path,
) -> None:
    with VictoriaMetrics(tmp_path) as server:
        async with InfluxStore(metrics(server)) as store:
            before = await written(store, [poll("a", NOW)])
            await asyncio.to_thread(server.stop)
            with pytest.raises(UnreachableError):
                await store.write([poll("a", NOW)])
            flags, server.flags = server.flags, ("-retentionPeriod=100y",)
            await asyncio.sleep(1.1)
            server.start()
            with pytest.raises(
                UnreachableError, match=r"start VictoriaMetrics with -dedup.minScrapeInterval=1ms"
            ):
                await store.mark()
            with pytest.raises(UnreachableError, match="minScrapeInterval"):
                await store.confirm([before])
            await asyncio.to_thread(server.stop)
            server.flags = flags
            await asyncio.sleep(1.1)
            server.start()
            after = await written(store, [poll("a", NOW)])
            assert await confirmed(store, server, after) == [[]]


@pytest.mark.parametrize(
    "flag",
    [
        "-influxTrimTimestamp=1s",
        "-influxMeasurementFieldSeparator=:",
        "-influxSkipMeasurement",
        "-influxSkipSingleField",
        "-precisionBits=10",
    ],
)
async def test_a_server_that_changes_what_it_is_given_is_refused(tmp_path: Path, flag: str) -> None:
    with VictoriaMetrics(tmp_path, flags=(*FLAGS, flag)) as server:
        name = flag.partition("=")[0]
        with pytest.raises(ConfigError, match=f"start VictoriaMetrics without {name}"):
            async with InfluxStore(metrics(server)):
                pass


async def test_influxdb_confirms_what_it_answered_204_to(influxdb1: Influxdb1) -> None:
    async with InfluxStore(influxdb(influxdb1)) as store:
        assert await store.confirm([await written(store, [poll("a", NOW)])]) == [Confirmation()]


def test_the_page_of_metrics_is_read_in_the_spelling_of_old_and_new_versions() -> None:
    old = b"""process_start_time_seconds 1796076397
vm_daily_series_limit_rows_dropped_total 58
vm_hourly_series_limit_rows_dropped_total 2
vm_rows_ignored_total{reason="big_timestamp"} 1
vm_rows_ignored_total{reason="small_timestamp"} 0
vm_metrics_with_dropped_labels_total 9
"""
    new = b"""process_start_time_seconds 1.796076397e+09
vm_rows_ignored_total{reason="hourly_limit_exceeded"} 1e3
vm_rows_ignored_total{reason="nan_value"} 4
"""
    assert parse_metrics(old) == Metrics("1796076397", 61)
    assert parse_metrics(new) == Metrics("1.796076397e+09", 1004)
    assert parse_metrics(b"process_start_time_seconds 5\n") == Metrics("5", None)
    assert parse_metrics(b"vm_rows_ignored_total 5\n") is None
    assert parse_metrics(b"process_start_time_seconds 5\nvm_rows_ignored_total inf\n") == Metrics("5", None)


async def test_samples_of_many_machines_and_times_are_read_back_in_parts(
    victoria_metrics: VictoriaMetrics,
) -> None:
    chance = random.Random(3)
    wanted: dict[Series, frozenset[int]] = {}
    lost: dict[Series, set[int]] = {}
    lines = []
    for number in range(3000):
        device = f"device-{number // 10}"
        times = frozenset(NOW - chance.randrange(3 * HOUR) for _ in range(3))
        gone = {time for time in times if chance.random() < 0.1}
        point = f"x{number % 10}"
        series = Series(f"press_{point}", (device, "edge-1", None, None, "press", None, point))
        wanted[series] = times
        if gone:
            lost[series] = gone
        tags = f"device={device},edge=edge-1,profile=press,point={point}"
        lines += [f"press,{tags} {point}=1 {time}\n" for time in times - gone]
    victoria_metrics.write("".join(lines))
    await asyncio.to_thread(victoria_metrics.flush)
    async with Http(metrics(victoria_metrics)) as http:
        assert await missing(http, victoria_metrics.url, wanted) == lost


async def test_an_export_that_is_too_long_to_be_read_is_asked_for_in_halves(
    victoria_metrics: VictoriaMetrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with InfluxStore(metrics(victoria_metrics)) as store:
        write = await written(store, [poll(f"device-{number}", NOW) for number in range(20)])
        monkeypatch.setattr(BoundedResponse, "max_bytes", 5_000)  # of some 30,000
        every = Write(Mark(write.mark.incarnation, write.mark.dropped), write.polls, every_sample=True)
        await asyncio.sleep(1.5)
        await asyncio.to_thread(victoria_metrics.flush)
        kept = WriteVerifier(store._http, victoria_metrics.url, 30.0, lambda: 0.0)
        assert await kept.confirm([every], every.mark) == [Confirmation()]
