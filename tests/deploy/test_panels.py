"""Every panel of the shipped dashboards, asked of real servers that hold ten minutes of the shipped plant."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from statistics import median

import pytest

from qilu.stores.influx.writer import InfluxStore
from qilu.stores.settings import InfluxSettings
from tests.deploy.panels import (
    Asked,
    AskedInfluxdb,
    AskedVictoriaMetrics,
    Json,
    Shown,
    dashboard,
    panels,
    variables,
)
from tests.deploy.served_plant import EDGE, SECONDS, SILENT, served
from tests.servers.influxdb1 import Influxdb1
from tests.servers.victoria_metrics import VictoriaMetrics

BATCH = 500
LANGUAGES = ("influxql", "promql")
LINES = {"machining", "packing", "curing", "spinning", "utilities", "electricity", "roof"}


class Loaded:
    """The servers with data, and what is shown of it."""

    def __init__(self, asked: dict[str, Asked], end_ms: int) -> None:
        self.asked = asked
        self.shown = Shown(end_ms - SECONDS * 1000, end_ms)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loaded]:
    folder = tmp_path_factory.mktemp("stores")
    end_ms = time.time_ns() // 10**9 * 1000
    with Influxdb1(folder) as influxdb1, VictoriaMetrics(folder) as victoria_metrics:
        asyncio.run(fill(influxdb1, victoria_metrics, end_ms))
        yield Loaded(
            {"influxql": AskedInfluxdb(influxdb1), "promql": AskedVictoriaMetrics(victoria_metrics)}, end_ms
        )


async def fill(influxdb1: Influxdb1, victoria_metrics: VictoriaMetrics, end_ms: int) -> None:
    """Through our own writer, as an ingester does it."""
    polls = list(served(end_ms))
    for settings in (
        InfluxSettings(type="influx", server="influxdb1", url=influxdb1.url, database=influxdb1.database),
        InfluxSettings(type="influx", server="victoriametrics", url=victoria_metrics.url),
    ):
        async with InfluxStore(settings) as store:
            for start in range(0, len(polls), BATCH):
                assert await store.write(polls[start : start + BATCH]) == {}


def panel_cases() -> list[object]:
    return [
        pytest.param(language, panel, id=f"{language}-{panel['id']}-{panel['title'].split(' / ')[1]}")
        for language in LANGUAGES
        for panel in panels(dashboard(language))
    ]


@pytest.mark.parametrize(("language", "panel"), panel_cases())
def test_every_query_of_a_panel_returns_data(loaded: Loaded, language: str, panel: Json) -> None:
    for target in panel["targets"]:
        found = loaded.asked[language].numbers(target, panel["interval"], loaded.shown)
        assert found, target


def numbers(loaded: Loaded, language: str, title: str, shown: Shown | None = None) -> dict[str, list[float]]:
    """What the panel of this English title shows, its targets together."""
    (panel,) = [one for one in panels(dashboard(language)) if one["title"].split(" / ")[1] == title]
    found: dict[str, list[float]] = {}
    for target in panel["targets"]:
        found |= loaded.asked[language].numbers(target, panel["interval"], shown or loaded.shown)
    return found


def machines(*devices: str) -> set[str]:
    """As legends name them."""
    return {f"{EDGE}/{device}" for device in devices}


@pytest.mark.parametrize("language", LANGUAGES)
def test_panels_show_what_the_machines_output(loaded: Loaded, language: str) -> None:
    pressures = numbers(loaded, language, "Discharge pressure")
    assert set(pressures) == machines("compressor-1", "compressor-2")
    assert all(4 < value < 11 for values in pressures.values() for value in values)
    assert set(numbers(loaded, language, "Spindle load")) == machines("cnc-1", "cnc-2", "cnc-3")
    states = numbers(loaded, language, "State of the machines")
    assert machines("cnc-1", "press-1", "robot-1", "spinning-4") <= set(states)
    assert {value for values in states.values() for value in values} <= set(range(6))
    taken = numbers(loaded, language, "Energy taken in the time shown")
    assert set(taken) == machines("meter-works", "meter-air")
    assert all(values[-1] > 0 for values in taken.values())


def test_devices_are_counted_in_the_time_shown(loaded: Loaded) -> None:
    """In PromQL, where the server does it; in InfluxQL the panel counts what is returned."""
    everything = {*numbers(loaded, "influxql", "Devices and gateways")}
    assert machines(EDGE, "cnc-1", "solar-1", "spinning-4") < everything
    counted = numbers(loaded, "promql", "Devices and gateways")
    assert counted == {"{{edge}}/{{device}}": [len(everything)]}


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_device_that_does_not_answer_grows_old_whatever_its_edge_says_of_it(
    loaded: Loaded, language: str
) -> None:
    heard = {device: max(when) for device, when in numbers(loaded, language, "Freshness").items()}
    assert set(heard) == {*numbers(loaded, "influxql", "Devices and gateways")}
    start_ms, end_ms = loaded.shown.start_ms, loaded.shown.end_ms
    silent_ms = start_ms + SILENT["chiller-1"].begin * 1000
    assert silent_ms - 15_000 <= heard.pop(f"{EDGE}/chiller-1") < silent_ms
    assert all(end_ms - 15_000 <= when <= end_ms for when in heard.values()), heard


@pytest.mark.parametrize("language", LANGUAGES)
def test_bad_values_appear_with_their_reason_where_there_is_no_value(loaded: Loaded, language: str) -> None:
    found = numbers(loaded, language, "Bad values and why")
    for device, silence in SILENT.items():
        codes = {name: set(values) for name, values in found.items() if name.startswith(f"{EDGE}/{device} ")}
        assert len(codes) > 20
        assert set().union(*codes.values()) == {silence.reason.code}
    assert not any(name.startswith(f"{EDGE}/cnc-1 ") for name in found)


def test_influxdb_also_tells_the_times_at_which_nothing_was_bad(loaded: Loaded) -> None:
    """Else a timeline would draw the last bad value until now."""
    ticks = numbers(loaded, "influxql", "Bad values and why")["tick"]
    assert len(ticks) >= SECONDS / 10


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_gateway_shows_its_health(loaded: Loaded, language: str) -> None:
    """Counters rise by 10 each second; the last interval may be cut short."""
    assert set(numbers(loaded, language, "Link to the broker")[EDGE]) == {1}
    (rates,) = numbers(loaded, language, "Points per second").values()
    assert median(rates) == pytest.approx(10, rel=0.1)
    (durable,) = numbers(loaded, language, "Records made durable").values()
    assert median(durable) == pytest.approx(10, rel=0.1)


@pytest.mark.parametrize("language", LANGUAGES)
def test_variables_offer_edges_lines_and_their_devices(loaded: Loaded, language: str) -> None:
    edge, line, device = variables(dashboard(language))
    asked, everything = loaded.asked[language], loaded.shown
    assert asked.choices(edge, everything) == {EDGE}
    assert asked.choices(line, everything) == LINES
    utilities = Shown(everything.start_ms, everything.end_ms, line="(utilities|roof)")
    assert {"compressor-1", "boiler-1", "solar-1"} < asked.choices(device, utilities)
    assert "cnc-1" not in asked.choices(device, utilities)
    assert EDGE in asked.choices(device, everything)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_choice_of_devices_narrows_every_panel_of_machines(loaded: Loaded, language: str) -> None:
    chosen = Shown(loaded.shown.start_ms, loaded.shown.end_ms, device="(cnc-2|meter-air)")
    assert set(numbers(loaded, language, "Spindle load", chosen)) == machines("cnc-2")
    assert set(numbers(loaded, language, "State of the machines", chosen)) == machines("cnc-2")
    assert set(numbers(loaded, language, "Energy taken in the time shown", chosen)) == machines("meter-air")
    assert numbers(loaded, language, "Discharge pressure", chosen) == {}
