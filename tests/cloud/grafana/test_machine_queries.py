"""Every query of a machine's dashboard, asked of real stores, returns what the machine reported."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud.grafana.machine import STORES, MachineDashboard
from cloud.grafana.queries import VARIABLES, Json
from qilu.config.profiles import profiles
from qilu.contract.accounting import PROFILES
from qilu.contract.display import display_unit
from qilu.contract.profile import DeviceProfile
from qilu.contract.reading import BlockSchema, Origin, Poll, Reading, Reason
from qilu.stores.influx.writer import InfluxStore
from qilu.stores.settings import InfluxSettings
from tests.cloud.grafana.fleet_data import recent_end_ms
from tests.deploy.served_plant import EDGE, SECONDS, SILENT, served
from tests.servers import Influxdb1, VictoriaMetrics

MACHINES = {
    "screw-air-compressor": "compressor-2", "chiller": "chiller-1", "tyre-curing-press": "press-1",
    "three-phase-energy-meter": "meter-works", "cnc-machining-centre": "cnc-1",
    "ring-spinning-frame": "spinning-2", "steam-boiler": "boiler-1",
    "conveyor-packaging-line": "packing-1", "centrifugal-pump": "pump-1", "robot-cell": "robot-1",
    "injection-moulding-machine": "moulding-1", "pv-inverter": "solar-1",
}  # fmt: skip
KNOWN = profiles(MACHINES)
LANE = {"zh": "数据状态", "en": "Data state"}


@dataclass(frozen=True, slots=True)
class Plant:
    """Both stores with ten minutes of the demo plant, and what was written."""

    influxdb1: Influxdb1
    victoria_metrics: VictoriaMetrics
    polls: Sequence[Poll]
    end_ms: int

    async def write(self, polls: Sequence[Poll]) -> None:
        """Through our own writer, as an ingester does it."""
        influxdb1 = self.influxdb1
        for store_settings in (
            InfluxSettings(type="influx", server="influxdb1", url=influxdb1.url, database=influxdb1.database),
            InfluxSettings(type="influx", server="victoriametrics", url=self.victoria_metrics.url),
        ):
            async with InfluxStore(store_settings) as store:
                for start in range(0, len(polls), 500):
                    assert await store.write(polls[start : start + 500]) == {}
        await asyncio.to_thread(self.victoria_metrics.flush)

    def series(self, store: str, panel: Json, device: str) -> dict[str, list[float]]:
        """Point -> values of the panel's queries, with the variables put in as Grafana does."""
        found: dict[str, list[float]] = {}
        for target in panel["targets"]:
            query = self._filled(target.get("expr") or target["query"], panel["interval"], device)
            if store == "influx":
                for table in self.influxdb1.query(query):
                    for index, column in enumerate(table["columns"][1:], 1):
                        values = [row[index] for row in table["values"] if row[index] is not None]
                        found.setdefault(column, []).extend(values)
            elif target["instant"]:
                for one in self.victoria_metrics.query(
                    query, "/api/v1/query", time=f"{self.end_ms / 1000:.3f}"
                ):
                    found[one["metric"]["point"]] = [float(one["value"][1])]
            else:
                start = f"{self.end_ms / 1000 - SECONDS:.3f}"
                for one in self.victoria_metrics.query(
                    query, start=start, end=f"{self.end_ms / 1000:.3f}", step=panel["interval"]
                ):
                    found[one["metric"]["point"]] = [float(value) for _, value in one["values"]]
        return {point: values for point, values in found.items() if values}

    def _filled(self, query: str, interval: str, device: str) -> str:
        known = {
            "$timeFilter": f"time >= {self.end_ms - SECONDS * 1000}ms and time <= {self.end_ms}ms",
            "$__interval": interval,
            "$__range": f"{SECONDS}s",
            "$device": device,
            "$edge": EDGE,
            **{f"${name}": ".*" for name in VARIABLES if name not in ("edge", "device")},
        }
        for macro, text in known.items():
            query = query.replace(macro, text)
        assert not re.search(r"\$(?![/)])", query), query
        return query


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    folder = tmp_path_factory.mktemp("stores")
    end_ms = recent_end_ms()
    with Influxdb1(folder) as influxdb1, VictoriaMetrics(folder) as victoria_metrics:
        filled = Plant(influxdb1, victoria_metrics, list(served(end_ms)), end_ms)
        asyncio.run(filled.write(filled.polls))
        yield filled


def truth(plant: Plant, device: str, point: str) -> list[float]:
    """The good values of a point in the order of their times."""
    values: list[float] = []
    for poll in plant.polls:
        for reading in poll.readings if poll.origin.device == device else ():
            if point in reading.columns.points:
                value = reading.values[index := reading.columns.points.index(point)]
                if isinstance(value, int | float) and index not in reading.reasons:
                    values.append(float(value))
    return values


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("profile", MACHINES)
def test_every_query_returns_every_point_of_its_panel(plant: Plant, profile: str, store: str) -> None:
    dashboard = MachineDashboard(KNOWN[profile], store, "zh")
    for panel in dashboard.json()["panels"]:
        found = plant.series(store, panel, MACHINES[profile])
        wanted = {each["matcher"]["options"] for each in panel["fieldConfig"]["overrides"]}
        assert set(found) <= wanted
        if panel["title"] != LANE["zh"]:
            readable = {point for point in wanted if truth(plant, MACHINES[profile], point)}
            assert set(found) == readable, panel["title"]


@pytest.mark.parametrize("store", STORES)
def test_a_chart_shows_the_values_of_the_machine_in_the_unit_of_its_language(
    plant: Plant, store: str
) -> None:
    good = truth(plant, "compressor-2", "discharge_pressure")
    for language, title, factor in (("zh", "排气压力", 0.1), ("en", "Discharge pressure", 1.0)):
        panels = MachineDashboard(KNOWN["screw-air-compressor"], store, language).json()["panels"]  # type: ignore[arg-type]
        (panel,) = [each for each in panels if each["title"] == title]
        values = plant.series(store, panel, "compressor-2")["discharge_pressure"]
        assert min(good) * factor - 1e-9 <= min(values) <= max(values) <= max(good) * factor + 1e-9
        # A minute without an answer is missing, and not filled.
        assert len(values) <= (SECONDS - 60) / 10 + 2


@pytest.mark.parametrize("store", STORES)
def test_a_counter_rose_by_what_the_machine_counted(plant: Plant, store: str) -> None:
    counted = truth(plant, "meter-works", "energy_import")
    panels = MachineDashboard(KNOWN["three-phase-energy-meter"], store, "zh").json()["panels"]
    found: dict[str, list[float]] = {}
    for panel in panels:
        if panel["type"] == "stat":
            found |= plant.series(store, panel, "meter-works")
    assert found["energy_import"][0] == pytest.approx(counted[-1] - counted[0], rel=0.02)


@pytest.mark.parametrize("store", STORES)
def test_the_lane_names_why_values_are_missing(plant: Plant, store: str) -> None:
    for device, profile in (("compressor-2", "screw-air-compressor"), ("press-1", "tyre-curing-press")):
        *_, lane = MachineDashboard(KNOWN[profile], store, "zh").json()["panels"]
        assert lane["title"] == LANE["zh"]
        codes = {code for values in plant.series(store, lane, device).values() for code in values}
        assert codes == {SILENT[device].reason.code}
    *_, lane = MachineDashboard(KNOWN["cnc-machining-centre"], store, "zh").json()["panels"]
    assert plant.series(store, lane, "cnc-1") == {}


@pytest.mark.parametrize("store", STORES)
def test_the_variables_offer_what_the_store_has(plant: Plant, store: str) -> None:
    dashboard = MachineDashboard(KNOWN["cnc-machining-centre"], store, "zh")
    offered = {}
    for variable in dashboard.json()["templating"]["list"][1:]:
        if store == "influx":
            query = plant._filled(variable["query"], "10s", ".*")
            offered[variable["name"]] = {
                row[1] for table in plant.influxdb1.query(query) for row in table["values"]
            }
        else:
            inside = variable["query"]["query"].removeprefix("label_values(").removesuffix(")")
            match, _, label = plant._filled(inside, "10s", ".*").rpartition(", ")
            exported = plant.victoria_metrics.export(match)
            offered[variable["name"]] = {series["metric"][label] for series in exported}
    assert offered == {
        "enterprise": {"demo-enterprise"}, "site": {"demo-plant"}, "line": {"machining"},
        "edge": {EDGE}, "device": {"cnc-1", "cnc-2", "cnc-3"},
    }  # fmt: skip


POINTS = st.lists(
    st.fixed_dictionaries(
        {
            "name": st.from_regex(r"[a-z][a-z0-9_]{0,30}[a-z0-9]", fullmatch=True).filter(
                lambda name: (
                    not name.endswith(("__q", "__text")) and name not in ("time", *VARIABLES, "profile")
                )
            ),
            "type": st.sampled_from(["uint16", "int16", "uint32", "float32", "bcd16"]),
            "unit": st.sampled_from(["bar", "°C", "", "kWh", "furlong/h", "1/min", "€"]),
            "kind": st.sampled_from(["gauge", "counter", "state"]),
        }
    ),
    min_size=1,
    max_size=40,
    unique_by=lambda point: point["name"],
)


@pytest.mark.parametrize("store", STORES)
def test_a_profile_of_somebody_else_has_a_dashboard_whose_every_query_returns_data(
    plant: Plant, store: str
) -> None:
    number = 0

    @settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
    @given(POINTS)
    def ask(points: list[dict[str, object]]) -> None:
        nonlocal number
        number += 1
        name = f"theirs-{store}-{number}"
        spread = [
            {**point, "table": "holding", "address": 2 * index, "scale": 0.1}
            for index, point in enumerate(points)
        ]
        profile = DeviceProfile.model_validate({"profile": name, "points": spread})
        columns = BlockSchema(
            Origin(EDGE, "theirs", name), "default", tuple(point.name for point in profile.points)
        )
        count = len(columns.points)
        asyncio.run(
            plant.write(
                [
                    Poll(
                        time_ms,
                        (
                            Reading(columns, time_ms, (float(time_ms % 97),) * count),
                            Reading(
                                columns, time_ms + 1, (None,) * count,
                                dict.fromkeys(range(count), Reason.TIMEOUT),
                            ),
                        ),
                    )
                    for time_ms in range(plant.end_ms - 300_000, plant.end_ms - 1000, 10_000)
                ]
            )
        )  # fmt: skip
        for panel in MachineDashboard(profile, store, "en").json()["panels"]:
            assert plant.series(store, panel, "theirs"), (panel["title"], panel["targets"])

    ask()


Timed = dict[str, list[tuple[int, float]]]
"""Point -> time (UTC, ms) and value."""


def timed(plant: Plant, store: str, panel: Json, device: str) -> Timed:
    """What the queries of a chart or a timeline return, with its times."""
    found: Timed = {}
    for target in panel["targets"]:
        query = plant._filled(target.get("expr") or target["query"], panel["interval"], device)
        if store == "influx":
            for table in plant.influxdb1.query(query):
                for index, column in enumerate(table["columns"][1:], 1):
                    found.setdefault(column, []).extend(
                        (row[0], row[index]) for row in table["values"] if row[index] is not None
                    )
        else:
            start, end = plant.end_ms / 1000 - SECONDS, plant.end_ms / 1000
            for one in plant.victoria_metrics.query(
                query, start=f"{start:.3f}", end=f"{end:.3f}", step=panel["interval"]
            ):
                found[one["metric"]["point"]] = [
                    (round(seconds * 1000), float(value)) for seconds, value in one["values"]
                ]
    return {point: values for point, values in found.items() if values}


def expected(plant: Plant, store: str, panel: Json, device: str, profile: DeviceProfile) -> Timed:
    """The same by plain loops over what was collected: the last of each interval, or InfluxQL's mean."""
    step_ms = round(float(panel["interval"].removesuffix("s")) * 1000)
    start_ms = plant.end_ms - SECONDS * 1000
    points = [each["matcher"]["options"] for each in panel["fieldConfig"]["overrides"]]
    means = panel["type"] == "timeseries" and store == "influx"
    wanted: Timed = {}
    for point in points:
        shown = display_unit(profile.point(point).unit, "zh")
        intervals: dict[int, list[float]] = {}
        for time_ms, value in collected(plant, device, point, reasons=panel["title"] == LANE["zh"]):
            number = value
            if panel["type"] == "timeseries":
                number = value * shown.factor + shown.offset
            # InfluxQL's intervals begin at multiples since 1970; a window of PromQL ends with its time.
            since = time_ms if store == "influx" else -((start_ms - time_ms) // step_ms) * step_ms
            begin = time_ms - time_ms % step_ms if store == "influx" else start_ms + since
            if start_ms - step_ms < begin <= plant.end_ms:
                intervals.setdefault(begin, []).append(number)
        wanted[point] = [
            (begin, sum(of) / len(of) if means else of[-1]) for begin, of in sorted(intervals.items())
        ]
    return {point: values for point, values in wanted.items() if values}


def collected(plant: Plant, device: str, point: str, *, reasons: bool) -> Iterator[tuple[int, float]]:
    """Time and value, or time and code of the reason, of each sample of a point."""
    for poll in plant.polls:
        for reading in poll.readings if poll.origin.device == device else ():
            if point in reading.columns.points and poll.origin.profile not in PROFILES:
                index = reading.columns.points.index(point)
                value, reason = reading.values[index], reading.reasons.get(index)
                if reasons and reason is not None:
                    yield reading.time_ms, reason.code
                elif not reasons and isinstance(value, int | float):
                    yield reading.time_ms, float(value)


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("profile", MACHINES)
def test_every_value_of_every_chart_and_timeline_is_what_was_collected(
    plant: Plant, profile: str, store: str
) -> None:
    compared = 0
    for panel in MachineDashboard(KNOWN[profile], store, "zh").json()["panels"]:
        if panel["type"] != "stat":
            found = timed(plant, store, panel, MACHINES[profile])
            wanted = expected(plant, store, panel, MACHINES[profile], KNOWN[profile])
            assert found.keys() == wanted.keys(), panel["title"]
            for point, values in found.items():
                assert [time_ms for time_ms, _ in values] == [time_ms for time_ms, _ in wanted[point]], point
                assert [value for _, value in values] == pytest.approx(
                    [value for _, value in wanted[point]], rel=1e-6, abs=1e-9
                ), (panel["title"], point)
                compared += len(values)
    assert compared > 100
