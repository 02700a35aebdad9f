"""VictoriaMetrics counts the samples of readings: those found complete are, and few others are missed."""

import asyncio
import random

import pytest

from qilu.contract.errors import UnreachableError
from qilu.contract.reading import BlockSchema, Origin, Poll, Reading, Reason, Value
from qilu.stores.confirmation import Trace, traces
from qilu.stores.influx import sample_counts
from qilu.stores.influx.http import Http
from qilu.stores.influx.sample_counts import complete_readings
from qilu.stores.influx.writer import InfluxStore
from tests.servers import VictoriaMetrics
from tests.stores.between import Between
from tests.stores.influx import NOW, metrics
from tests.stores.test_kept import in_front, poll

SECOND = 1000


async def stored(server: VictoriaMetrics, polls: list[Poll]) -> None:
    async with InfluxStore(metrics(server)) as store:
        for at in range(0, len(polls), 500):
            assert await store.write(polls[at : at + 500]) == {}
    await asyncio.sleep(1.5)
    await asyncio.to_thread(server.flush)


async def complete(server: VictoriaMetrics, polls: list[Poll]) -> list[int]:
    """The indexes of the polls that are found complete."""
    of_polls: list[Trace] = [trace for of_poll in traces(polls) for trace in of_poll]
    async with Http(metrics(server)) as http:
        found = await complete_readings(http, server.url, of_polls)
    return [index for index, trace in enumerate(of_polls) if id(trace) in found]


async def test_readings_of_many_devices_are_complete_or_not_whatever_else_is_stored(
    victoria_metrics: VictoriaMetrics,
) -> None:
    """Records of another ingester that shares the devices are in the store too, between ours."""
    chance = random.Random(20261201)
    ours, kept, there = list[Poll](), list[int](), list[Poll]()
    for device in range(12):
        for second in range(40):
            time_ms = NOW - 100 * SECOND + second * SECOND + chance.randrange(200)
            reasons = {"point_3": Reason.TIMEOUT} if chance.random() < 0.2 else {}
            values: list[Value] = [float(number) for number in range(10)]
            if reasons:
                values[3] = None
            whole = poll(f"device-{device}", time_ms, *values, **reasons)
            if chance.random() < 0.5:  # the record of another ingester
                there.append(whole)
                continue
            ours.append(whole)
            fate = chance.random()
            if fate < 0.7:
                kept.append(len(ours) - 1)
                there.append(whole)
            elif fate < 0.85:  # one sample of it is lost
                values[7] = None
                there.append(poll(f"device-{device}", time_ms, *values, **reasons))
    await stored(victoria_metrics, there)
    # A reading without point_7 has a reason for it in the store, as many samples as before, but not the same.
    assert await complete(victoria_metrics, ours) == kept


@pytest.mark.parametrize("gap_ms", [1, 7, 60, 60_000])
async def test_no_reading_is_taken_for_another_however_dense_they_are(
    victoria_metrics: VictoriaMetrics, gap_ms: int
) -> None:
    polls = [poll("a", NOW - 3_600_000 + number * gap_ms) for number in range(60)]
    gone = {3, 4, 17, 31, 59}
    await stored(victoria_metrics, [each for number, each in enumerate(polls) if number not in gone])
    found = set(await complete(victoria_metrics, polls))
    assert found <= set(range(60)) - gone
    if gap_ms > 5:
        assert found == set(range(60)) - gone


async def test_names_of_any_kind_are_counted(victoria_metrics: VictoriaMetrics) -> None:
    names = ["c|d .*+?()[]{}^$\\x", 'a,b"c', "温度-1", "x" * 128, "%s", "'"]
    polls = [poll(name, NOW) for name in names]
    await stored(victoria_metrics, polls)
    assert await complete(victoria_metrics, polls) == list(range(len(names)))


async def test_long_names_and_many_points_are_counted_in_parts(victoria_metrics: VictoriaMetrics) -> None:
    points = tuple(f"{'p' * 110}_{number}" for number in range(150))
    polls = []
    for device in range(60):
        columns = BlockSchema(Origin("edge-1", f"{'d' * 100}-{device}", "press"), "fast", points)
        polls.append(Poll(NOW, (Reading(columns, NOW, tuple(map(float, range(150)))),)))
    await stored(victoria_metrics, polls[1:])
    assert await complete(victoria_metrics, polls) == list(range(1, 60))


async def test_a_query_that_is_refused_finds_nothing_complete_and_one_that_fails_is_an_error(
    victoria_metrics: VictoriaMetrics,
) -> None:
    await stored(victoria_metrics, [poll("a", NOW)])
    [[trace]] = traces([poll("a", NOW)])
    async with Between(victoria_metrics).running() as between, Http(in_front(between)) as http:
        between.queries = 422
        assert await complete_readings(http, between.url, [trace]) == set()
        between.queries = 503
        with pytest.raises(UnreachableError):
            await complete_readings(http, between.url, [trace])
        between.queries = 200
        assert await complete_readings(http, between.url, [trace]) == {id(trace)}


def test_a_reply_without_numbers_is_an_error_of_the_store() -> None:
    labels = sample_counts._Labels("edge-1", "a", "soon")
    for values in ([(1.0, "2")], []):
        with pytest.raises(UnreachableError, match="counted something else"):
            sample_counts._decoded([sample_counts._Counts(labels, values)], "http://store")
