"""By how much a counter rose is shown alike in both languages, also where the machine began to count anew."""

from qilu.contract.reading import BlockSchema, Origin, Poll, Reading
from qilu.stores.influx.writer import InfluxStore
from qilu.stores.settings import InfluxSettings
from tests.deploy.panels import Asked, AskedInfluxdb, AskedVictoriaMetrics, Shown, dashboard, panels
from tests.servers.influxdb1 import Influxdb1
from tests.servers.victoria_metrics import VictoriaMetrics

EVERY_MS = 10_000
END_MS = 1_700_000_000_000
COUNTED = {
    "meter-1": [5000.0, 5010.0, 5030.0, 5040.0, 5040.0, 5050.0],
    "meter-2": [5000.0, 5010.0, 5030.0, 0.0, 5.0, 25.0],
}
ROSE = {"edge-1/meter-1": [50.0], "edge-1/meter-2": [55.0]}


def polls(device: str) -> list[Poll]:
    columns = BlockSchema(Origin("edge-1", device, "three-phase-energy-meter"), "slow", ("energy_import",))
    start_ms = END_MS - EVERY_MS * (len(COUNTED[device]) - 1)
    times = range(start_ms, END_MS + 1, EVERY_MS)
    return [
        Poll(time_ms, (Reading(columns, time_ms, (value,)),))
        for time_ms, value in zip(times, COUNTED[device], strict=True)
    ]


async def grown(asked: Asked, language: str, store: InfluxSettings) -> dict[str, list[float]]:
    """What the panel shows of a store that holds what was counted."""
    async with InfluxStore(store) as opened:
        for device in COUNTED:
            assert await opened.write(polls(device)) == {}
    found = [one for one in panels(dashboard(language)) if "Energy taken in the time shown" in one["title"]]
    ((target,),) = (panel["targets"] for panel in found)
    return asked.numbers(target, "20s", Shown(END_MS - 60_000, END_MS))


async def test_influxdb_adds_up_what_a_counter_rose_before_and_after_a_reset(influxdb1: Influxdb1) -> None:
    store = InfluxSettings(type="influx", server="influxdb1", url=influxdb1.url, database=influxdb1.database)
    assert await grown(AskedInfluxdb(influxdb1), "influxql", store) == ROSE


async def test_victoria_metrics_adds_up_the_same(victoria_metrics: VictoriaMetrics) -> None:
    store = InfluxSettings(type="influx", server="victoriametrics", url=victoria_metrics.url)
    assert await grown(AskedVictoriaMetrics(victoria_metrics), "promql", store) == ROSE
