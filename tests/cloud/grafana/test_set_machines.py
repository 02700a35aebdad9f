"""The dashboards *line* and *energy*, asked of real stores that hold ten minutes of the demo plant."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest

from cloud.grafana.board import STORES, Selection
from cloud.grafana.dashboard_set import SET
from cloud.grafana.queries import Json
from qilu.config.profiles import known_profiles, profiles
from qilu.contract.reading import Poll
from tests.cloud.grafana.fleet_data import Fleet, recent_end_ms
from tests.deploy.served_plant import EDGE, SILENT, served
from tests.servers import Influxdb1, VictoriaMetrics

KNOWN = list(profiles(known_profiles()).values())


@dataclass(frozen=True, slots=True)
class Plant:
    """The stores, and what was written."""

    stores: Fleet
    polls: Sequence[Poll]

    def truth(self, point: str, *, unit: str = "", kind: str = "") -> dict[str, list[float]]:
        """edge/device -> the good values of a point that has this unit and kind, if any are given."""
        of = {
            profile.profile
            for profile in KNOWN
            for one in profile.points
            if one.name == point and unit in ("", one.unit) and kind in ("", one.kind)
        }
        found: dict[str, list[float]] = {}
        for poll in self.polls:
            for reading in poll.readings if poll.origin.profile in of else ():
                if point in reading.columns.points:
                    value = reading.values[index := reading.columns.points.index(point)]
                    if isinstance(value, int | float) and index not in reading.reasons:
                        found.setdefault(f"{EDGE}/{poll.origin.device}", []).append(float(value))
        return found


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    folder = tmp_path_factory.mktemp("stores")
    end_ms = recent_end_ms()
    with Influxdb1(folder) as influxdb1, VictoriaMetrics(folder) as victoria_metrics:
        filled = Plant(Fleet(influxdb1, victoria_metrics, end_ms), list(served(end_ms)))
        asyncio.run(filled.stores.fill(filled.polls))
        yield filled


def panels(name: str, store: str) -> list[Json]:
    return list(SET[name](Selection(store, "en", KNOWN)).json()["panels"])


def panel(name: str, store: str, title: str) -> Json:
    return next(one for one in panels(name, store) if one["title"] == title)


@pytest.mark.parametrize("store", STORES)
def test_a_line_shows_the_state_of_every_machine_that_has_one(plant: Plant, store: str) -> None:
    truth = plant.truth("state")
    found = plant.stores.series(panel("line", store, "State"))
    assert set(found) == set(truth)
    for machine, codes in found.items():
        assert set(codes) <= set(truth[machine])
    chosen = plant.stores.series(panel("line", store, "State"), line="machining")
    assert set(chosen) == {f"{EDGE}/cnc-{number}" for number in (1, 2, 3)}


@pytest.mark.parametrize("store", STORES)
def test_a_line_shows_power_and_why_states_are_missing(plant: Plant, store: str) -> None:
    truth = plant.truth("power", unit="kW")
    (power, *_) = [one for one in panels("line", store) if "power" in one["title"].lower()]
    found = plant.stores.series(power)
    assert set(found) == set(truth) if store == "influx" else len(found) == 10
    for machine, values in found.items():
        assert min(truth[machine]) - 1e-6 <= min(values) <= max(values) <= max(truth[machine]) + 1e-6
    lane = plant.stores.series(panel("line", store, "Data state"))
    assert {machine: set(codes) for machine, codes in lane.items()} == {
        f"{EDGE}/{device}": {silence.reason.code} for device, silence in SILENT.items()
    }


@pytest.mark.parametrize("store", STORES)
def test_a_line_shows_numbers_of_its_accounts(plant: Plant, store: str) -> None:
    assert plant.stores.series(panel("line", store, "Completeness")) == {"": [1]}
    for title in ("Time offline", "Time offline by device"):
        assert plant.stores.series(panel("line", store, title))


@pytest.mark.parametrize("store", STORES)
def test_the_counters_of_energy_rose_by_what_the_machines_counted(plant: Plant, store: str) -> None:
    shown = {
        "Energy taken": "energy_import",
        "Energy fed in": "energy_export",
        "Cooling energy": "cooling_energy",
    }
    for title, point in shown.items():
        truth = plant.truth(point, unit="kWh", kind="counter")
        found = plant.stores.series(panel("energy", store, title))
        assert set(found) == set(truth), title
        for machine, (rise,) in found.items():
            counted = truth[machine][-1] - truth[machine][0]
            assert rise == pytest.approx(counted, rel=0.03, abs=0.02), machine


@pytest.mark.parametrize("store", STORES)
def test_what_machines_take_and_what_inverters_make_are_two_panels(plant: Plant, store: str) -> None:
    bars = [
        plant.stores.series(one)
        for one in panels("energy", store)
        if one["title"] in ("Energy", "Energy generated")
    ]
    solar, taken = sorted((set(found) for found in bars if found), key=len)
    assert solar == {f"{EDGE}/solar-1"}
    assert f"{EDGE}/compressor-1" in taken
    assert not solar & taken
    assert plant.stores.series(panel("energy", store, "Power (kW)"))
