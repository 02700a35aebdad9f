"""Two edges with machines of one name are two machines, and a counter that began anew rose by both parts."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from cloud.grafana.board import STORES, Selection
from cloud.grafana.dashboard_set import SET
from cloud.grafana.queries import Json
from qilu.config.profiles import known_profiles, profiles
from qilu.contract.reading import BlockSchema, Origin, Poll, Reading, Reason
from tests.cloud.grafana.fleet_data import Fleet, recent_end_ms
from tests.servers import Influxdb1, VictoriaMetrics

KNOWN = list(profiles(known_profiles()).values())
EVERY_MS = 10_000
STATES = {"edge-1": 3, "edge-2": 4}
COUNTED: Mapping[str, list[float]] = {
    "meter-1": [5000.0, 5010.0, 5030.0, 5040.0, 5040.0, 5050.0],
    "meter-2": [5000.0, 5010.0, 5030.0, 0.0, 5.0, 25.0],
}
ROSE = {"edge-1/meter-1": 50.0, "edge-1/meter-2": 55.0}


def polls(end_ms: int) -> Iterator[Poll]:
    for edge, state in STATES.items():
        origin = Origin(edge, "compressor-1", "screw-air-compressor", line="air")
        columns = BlockSchema(origin, "fast", ("state", "power"))
        for time_ms in range(end_ms - 120_000, end_ms + 1, EVERY_MS):
            yield Poll(time_ms, (Reading(columns, time_ms, (state, None), {1: Reason.TIMEOUT}),))
    for device, values in COUNTED.items():
        origin = Origin("edge-1", device, "three-phase-energy-meter")
        columns = BlockSchema(origin, "slow", ("energy_import",))
        for ago, value in enumerate(reversed(values)):
            time_ms = end_ms - ago * EVERY_MS
            yield Poll(time_ms, (Reading(columns, time_ms, (value,)),))


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    folder: Path = tmp_path_factory.mktemp("stores")
    end_ms = recent_end_ms()
    with Influxdb1(folder) as influxdb1, VictoriaMetrics(folder) as victoria_metrics:
        filled = Fleet(influxdb1, victoria_metrics, end_ms)
        asyncio.run(filled.fill(sorted(polls(end_ms), key=lambda poll: poll.due_ms)))
        yield filled


def panel(name: str, store: str, title: str) -> Json:
    shown = SET[name](Selection(store, "en", KNOWN)).json()["panels"]
    return next(one for one in shown if one["title"] == title)


@pytest.mark.parametrize("store", STORES)
def test_machines_of_one_name_are_two_and_one_can_be_chosen(stores: Fleet, store: str) -> None:
    both = stores.series(panel("line", store, "State"))
    assert {name: set(values) for name, values in both.items()} == {
        "edge-1/compressor-1": {3}, "edge-2/compressor-1": {4},
    }  # fmt: skip
    assert set(stores.series(panel("line", store, "State"), edge="(edge-2)")) == {"edge-2/compressor-1"}


@pytest.mark.parametrize("store", STORES)
def test_a_counter_that_began_anew_rose_before_and_after_it(stores: Fleet, store: str) -> None:
    found = stores.series(panel("energy", store, "Energy taken"))
    assert {name: values[-1] for name, values in found.items()} == {
        name: pytest.approx(rise, rel=0.05) for name, rise in ROSE.items()
    }
