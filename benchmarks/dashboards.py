"""How long the queries of dashboards take, next to a bare query of one series over the same time.

    python -m benchmarks.dashboards [--store victoriametrics|influxdb1] [--part machines|fleet]
        [--data FOLDER] [--copies 30] [--edges 200] [--devices 20] [--hours 24] [--rounds 10] [--keep FOLDER]

`machines`: a day of the demo plant at 10 s, loaded `--copies` times by the code of `qilu import`; the
dashboards of machines, lines and energy over all of this time. `--data` names a finished export; without it
one is made. `fleet`: status and accounts of `--edges` gateways with `--devices` devices, each minute for
`--hours`; the dashboards fleet, completeness and health. Every query of every panel is asked `--rounds`
times, each time followed by the bare query. `--keep` leaves the filled store in a folder for the next run.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from benchmarks.fleet_reports import reports
from cloud.data_sets.data_set import Place
from cloud.data_sets.loader import Copies, load
from cloud.data_sets.plant_export_reader import PlantExport
from cloud.grafana.board import Selection
from cloud.grafana.dashboard_set import SET
from cloud.grafana.machine import MachineDashboard
from cloud.grafana.queries import VARIABLES, Json
from qilu.config.profiles import known_profiles, profiles
from qilu.contract.reading import Poll
from qilu.contract.store_names import measurement_name, metric_name
from qilu.stores.factory import open_store
from qilu.stores.interfaces import Store
from qilu.stores.settings import InfluxSettings
from qilu_cli.commands.export import ExportOptions, export_to
from tests.servers import Influxdb1, VictoriaMetrics
from tests.servers.http import ask

MACHINES, FLEET, BARE = "machines", "fleet", "bare"
OF_MACHINES = ("line", "energy")
WIDTH = 1_000
"""Points of a chart: Grafana asks for no more than its panel has pixels."""
MOST = 5.0
"""Times the bare query."""
SERVERS: Mapping[str, type[VictoriaMetrics | Influxdb1]] = {
    "victoriametrics": VictoriaMetrics,
    "influxdb1": Influxdb1,
}


@dataclass(frozen=True, slots=True)
class Span:
    """The time that a dashboard shows."""

    start_ms: int
    end_ms: int

    @property
    def seconds(self) -> int:
        return (self.end_ms - self.start_ms) // 1000

    def interval_s(self, least: str) -> int:
        """The interval of a panel as Grafana makes it: as wide as a pixel, and the panel's own at least."""
        return max(int(least.removesuffix("s")), -(-self.seconds // WIDTH))


@dataclass(frozen=True, slots=True)
class Question:
    """One query of one panel, with the macros put in."""

    dashboard: str
    panel: str
    path: str
    form: dict[str, str]


class Asked:
    """A filled server, and what its dashboards ask."""

    def __init__(self, server: VictoriaMetrics | Influxdb1, span: Span) -> None:
        self._server = server
        self._span = span

    def bare(self, profile: str, point: str, edge: str, device: str, interval_s: int) -> Question:
        """One series over the same time, with the same number of points."""
        if isinstance(self._server, VictoriaMetrics):
            of = f'{metric_name(profile, point)}{{edge="{edge}", device="{device}"}}'
            return self._promql(BARE, "", f"last_over_time({of}[{interval_s}s])", False, interval_s)
        query = (
            f'SELECT mean("{point}") FROM "{measurement_name(profile)}" WHERE "edge" = \'{edge}\''
            f" AND \"device\" = '{device}' AND $timeFilter GROUP BY time({interval_s}s) fill(null)"
        )
        return self._influxql(BARE, "", query, interval_s)

    def of_dashboard(self, name: str, panels: Sequence[Json], **chosen: str) -> Iterator[Question]:
        for panel in panels:
            for target in panel.get("targets", ()):
                interval_s = self._span.interval_s(panel.get("interval", "10s"))
                if "expr" in target:
                    query = self._filled(target["expr"], interval_s, chosen)
                    yield self._promql(name, panel["title"], query, target["instant"], interval_s)
                elif "query" in target:
                    query = self._filled(target["query"], interval_s, chosen)
                    yield self._influxql(name, panel["title"], query, interval_s)

    def ask(self, question: Question) -> tuple[float, int]:
        """Milliseconds, and how many series came; fails where the server refuses."""
        begin = time.perf_counter()
        reply = ask(self._server.port, "POST", question.path, question.form, timeout=120)
        took = (time.perf_counter() - begin) * 1000
        assert reply.status == 200, (question, reply)
        assert b'"error"' not in reply.body[:1000], (question, reply.body[:1000])
        assert question.dashboard != BARE or b'"values"' in reply.body, "the bare query has no answer"
        return took, reply.body.count(b'"metric":') + reply.body.count(b'"columns":')

    def _promql(self, name: str, panel: str, query: str, instant: bool, interval_s: int) -> Question:
        start, end = self._span.start_ms / 1000, self._span.end_ms / 1000
        if instant:
            return Question(name, panel, "/api/v1/query", {"query": query, "time": f"{end:.3f}"})
        times = {"start": f"{start:.3f}", "end": f"{end:.3f}", "step": f"{interval_s}s"}
        return Question(name, panel, "/api/v1/query_range", {"query": query, **times})

    def _influxql(self, name: str, panel: str, query: str, interval_s: int) -> Question:
        assert isinstance(self._server, Influxdb1)
        form = {"db": self._server.database, "q": self._filled(query, interval_s, {}), "epoch": "ms"}
        return Question(name, panel, "/query", form)

    def _filled(self, query: str, interval_s: int, chosen: dict[str, str]) -> str:
        start, end = self._span.start_ms, self._span.end_ms
        known = {
            "$timeFilter": f"time >= {start}ms and time <= {end}ms",
            "$__rate_interval": f"{4 * interval_s}s", "$__interval": f"{interval_s}s",
            "$__range": f"{self._span.seconds}s",
            "time(150s, now())": f"time(150s, {(end + 1) % 150_000}ms)", "now()": f"{end + 1}ms",
            **{f"${name}": chosen.get(name, ".*") for name in VARIABLES},
        }  # fmt: skip
        for macro, text in known.items():
            query = query.replace(macro, text)
        return query


def settings_of(server: VictoriaMetrics | Influxdb1) -> InfluxSettings:
    if isinstance(server, VictoriaMetrics):
        return InfluxSettings(type="influx", server="victoriametrics", url=server.url, timeout=60)
    return InfluxSettings(
        type="influx", server="influxdb1", url=server.url, database=server.database, timeout=60
    )


async def fill(store: Store, polls: Iterator[Poll]) -> int:
    """Values that were written."""
    values = 0
    async with store:
        batch: list[Poll] = []
        for poll in polls:
            batch.append(poll)
            if len(batch) == 1_000:
                assert await store.write(batch) == {}
                values += sum(each.size for each in batch)
                batch = []
        assert not batch or await store.write(batch) == {}
    return values + sum(each.size for each in batch)


async def fill_machines(store: Store, data: PlantExport, copies: Copies) -> int:
    async with store:
        result = await load(data, store, copies, random=Random(1), show=lambda _: None)
    assert not result.refused, result.refusals
    return result.values


def machine_questions(asked: Asked, store: str) -> Iterator[Question]:
    known = profiles(known_profiles())
    for profile, device in DEVICES.items():
        panels = MachineDashboard(known[profile], store, "zh").json()["panels"]
        yield from asked.of_dashboard(profile, panels, device=device)
    chosen = Selection(store, "zh", list(known.values()))
    for name in OF_MACHINES:
        yield from asked.of_dashboard(name, SET[name](chosen).json()["panels"])


def fleet_questions(asked: Asked, store: str) -> Iterator[Question]:
    chosen = Selection(store, "zh", list(profiles(known_profiles()).values()))
    for name in SET:
        if name not in OF_MACHINES:
            yield from asked.of_dashboard(name, SET[name](chosen).json()["panels"])


DEVICES = {
    "screw-air-compressor": "compressor-2", "chiller": "chiller-1", "tyre-curing-press": "press-1",
    "three-phase-energy-meter": "meter-works", "cnc-machining-centre": "cnc-1",
    "ring-spinning-frame": "spinning-2", "steam-boiler": "boiler-1",
}  # fmt: skip
"""A machine of each of these profiles."""


@dataclass(frozen=True, slots=True)
class Row:
    """How long one question took beside the bare one, in ms."""

    question: Question
    p95: float
    median: float
    bare: float
    """95 % of the bare ones took no longer."""
    series: int
    """How many the answer has."""

    @property
    def times(self) -> float:
        return self.p95 / self.bare


def measured(asked: Asked, questions: Sequence[Question], bare: Question, rounds: int) -> bool:
    """Print the table; whether every query keeps its bound."""
    asked.ask(bare)
    rows = []
    for question in questions:
        _, series = asked.ask(question)  # the first one reads from disk
        times, bares = [], []
        for _ in range(rounds):
            times.append(asked.ask(question)[0])
            bares.append(asked.ask(bare)[0])
        rows.append(Row(question, p95(times), statistics.median(times), p95(bares), series))
    rows.sort(key=lambda row: -row.times)
    numbers = f"{'p95 ms':>8} {'median':>8} {'bare p95':>8} {'times':>6} {'series':>6}"
    print(f"{'dashboard':28} {'panel':24} {numbers}")
    for row in rows[:25]:
        print(
            f"{row.question.dashboard:28} {row.question.panel[:24]:24} {row.p95:8.1f} {row.median:8.1f}"
            f" {row.bare:8.1f} {row.times:6.1f} {row.series:6}"
        )
    over = [row for row in rows if row.times > MOST]
    even_so = sum(row.times > MOST * max(row.series, 1) for row in over)
    print(
        f"{len(rows)} queries: {len(over)} over {MOST:g} times the bare one, {even_so} of them by series;"
        f" slowest p95 {max(row.p95 for row in rows):.0f} ms;"
        f" bare {statistics.median(row.bare for row in rows):.1f} ms"
    )
    for row in over[:5]:
        text = row.question.form.get("query") or row.question.form["q"]
        print(f"  {row.question.dashboard}/{row.question.panel}: {re.sub(' +', ' ', text)[:300]}")
    return not over


def p95(times: Sequence[float]) -> float:
    return statistics.quantiles(times, n=20, method="inclusive")[18] if len(times) > 1 else times[0]


def run(arguments: argparse.Namespace, folder: Path) -> bool:
    """Fill the store where it is not filled yet, and measure; whether every query keeps its bound."""
    data = None
    if arguments.part == MACHINES:
        source = arguments.data or folder / "day"
        if not (source / "dataset.json").exists():
            options = ExportOptions(source, "1d", "10s", "10s", "csv")
            asyncio.run(export_to(Path("configs/plant.yaml"), options))
        data = PlantExport(source, Place("edge-1", "demo-enterprise", "demo-plant"))
    place = (folder / f"{arguments.store}-{arguments.part}").resolve()
    place.mkdir(exist_ok=True)
    known = place / "filled.json"
    before = json.loads(known.read_text()) if known.exists() else None
    server = SERVERS[arguments.store](place, port=None if before is None else before["port"])
    store = "victoria" if arguments.store == "victoriametrics" else "influx"
    with server:
        if before is None:
            span = filled(server, data, arguments)
            known.write_text(json.dumps({"start": span.start_ms, "end": span.end_ms, "port": server.port}))
        else:
            span = Span(before["start"], before["end"])
        asked = Asked(server, span)
        interval_s = span.interval_s("60s" if data is None else "10s")
        if data is None:
            questions = list(fleet_questions(asked, store))
            bare = asked.bare("gateway", "points", "edge-1", "edge-1", interval_s)
        else:
            questions = list(machine_questions(asked, store))
            bare = asked.bare(
                "screw-air-compressor", "discharge_pressure", "edge-1", "compressor-1", interval_s
            )
        print(f"{arguments.store}, {arguments.part}: {span.seconds / 3600:g} h")
        return measured(asked, questions, bare, arguments.rounds)


def filled(
    server: VictoriaMetrics | Influxdb1, data: PlantExport | None, arguments: argparse.Namespace
) -> Span:
    """Fill the store up to now; the time that it covers."""
    end_ms = int(time.time()) * 1000
    begin = time.process_time()
    store = open_store(settings_of(server))
    if data is None:
        span = Span(end_ms - arguments.hours * 3_600_000, end_ms)
        polls = reports(arguments.edges, arguments.devices, span.start_ms, span.end_ms)
        values = asyncio.run(fill(store, polls))
    else:
        length_ms = data.extent.length_ms
        span = Span(end_ms - arguments.copies * length_ms, end_ms)
        copies = Copies(span.start_ms - data.extent.first_ms, arguments.copies)
        values = asyncio.run(fill_machines(store, data, copies))
    if isinstance(server, VictoriaMetrics):
        server.flush()
    spent = time.process_time() - begin
    print(f"filled: {values / 1e6:.1f} million values, {spent / values * 1e6:.2f} CPU-s per million here")
    return span


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--store", choices=SERVERS, default="victoriametrics")
    parser.add_argument("--part", choices=(MACHINES, FLEET), default=FLEET)
    parser.add_argument("--data", type=Path, help="the folder of an export; default: it is made")
    parser.add_argument("--copies", type=int, default=30)
    parser.add_argument("--edges", type=int, default=200)
    parser.add_argument("--devices", type=int, default=20)
    parser.add_argument("--hours", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--keep", type=Path, help="where the store stays; default: a temporary directory")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = arguments.keep or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        run(arguments, folder)


if __name__ == "__main__":
    main()
