"""Pictures of every dashboard with real data into var/dashboards: `make dashboards-pictures`.

Both stores are filled with ten minutes of the demo plant and half an hour of reports of four edges.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path

from cloud.grafana.board import Selection
from cloud.grafana.dashboard_set import SET
from cloud.grafana.machine import MachineDashboard
from cloud.grafana.queries import Json
from cloud.ingester import Tally
from cloud.metrics import ingester_metrics
from cloud.observation import IngesterView
from qilu.config.profiles import known_profiles, profiles
from qilu.contract.accounting import PROFILES
from qilu.contract.display import Language
from qilu.web.exposition import exposition
from tests.cloud.grafana.drawing import COLUMN, ROW, Points, draw, table
from tests.cloud.grafana.fleet_data import SECONDS, Fleet, recent_end_ms, reports
from tests.cloud.grafana.test_machine_queries import MACHINES
from tests.deploy import served_plant
from tests.page.browser import PROJECT, chromium
from tests.servers import Influxdb1, VictoriaMetrics

STORES = ("victoria", "influx")
STYLE = """
body {font: 12px "Noto Sans CJK SC", sans-serif; margin: 8px; background: #f4f5f5; position: relative}
.panel {position: absolute; background: #fff; border: 1px solid #ddd; overflow: hidden}
.panel {box-sizing: border-box}
.panel h2 {font-size: 13px; margin: 6px 8px} .panel svg {display: block}
table {border-collapse: collapse; width: 100%}
td, th {border: 1px solid #ddd; padding: 2px 6px; text-align: left}
"""


def points(stores: Fleet, panel: Json, seconds: int, chosen: Mapping[str, str]) -> dict[str, Points]:
    """Name of a series -> its points in the last `seconds`, as the panel asks for them."""
    found: dict[str, list[tuple[float, float]]] = {}
    end, interval = stores.end_ms / 1000, panel["interval"]
    for target in panel["targets"]:
        if "query" in target:
            for one in stores.influxdb1.query(stores.filled(target["query"], interval, chosen)):
                for index, column in enumerate(one["columns"][1:], 1):
                    name = target["alias"].replace("$col", column)
                    for tag, value in one.get("tags", {}).items():
                        name = name.replace(f"$tag_{tag}", value)
                    found.setdefault(name, []).extend(
                        (row[0] / 1000, row[index]) for row in one["values"] if row[index] is not None
                    )
        elif "expr" in target:
            query = stores.filled(target["expr"], interval, chosen)
            times = {"time": f"{end:.3f}"}
            if not target["instant"]:
                times = {"start": f"{end - seconds:.3f}", "end": f"{end:.3f}", "step": interval}
            path = "/api/v1/query" if target["instant"] else "/api/v1/query_range"
            for one in stores.victoria_metrics.query(query, path, **times):
                name = target["legendFormat"]
                for label, value in one["metric"].items():
                    name = name.replace(f"{{{{{label}}}}}", value)
                values = one.get("values") or [one["value"]]
                found.setdefault(name, []).extend((float(when), float(value)) for when, value in values)
    return {name: values for name, values in found.items() if values}


def page(stores: Fleet, dashboard: Json, seconds: int, chosen: Mapping[str, str]) -> tuple[str, list[str]]:
    """The HTML of a dashboard, and the titles of panels without data."""
    parts, empty, height = [], [], 0
    end = stores.end_ms / 1000
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        height = max(height, (place["y"] + place["h"]) * ROW)
        if panel["type"] == "table":
            rows = stores.rows(panel, **chosen)
            inside = table(panel, rows, "machine" if "/" in next(iter(rows), "") else "edge")
            missing = not rows
        else:
            series = points(stores, panel, seconds, chosen)
            inside, missing = draw(panel, series, end - seconds, end), not series
        if missing:
            empty.append(panel["title"])
        left, top = place["x"] * COLUMN, place["y"] * ROW + 40
        style = f"left:{left}px;top:{top}px;width:{place['w'] * COLUMN - 6}px"
        style += f";height:{place['h'] * ROW - 6}px"
        parts.append(f'<div class="panel" style="{style}"><h2>{escape(panel["title"])}</h2>{inside}</div>')
    head = f"<meta charset=utf-8><style>{STYLE}</style>"
    body = f"<body style='width:{24 * COLUMN}px;height:{height + 60}px'>"
    title = f"<h1 style='font-size:16px'>{escape(dashboard['title'])}</h1>"
    return "".join((head, body, title, *parts, "</body>")), empty


def ingester_pages(end_ms: int) -> dict[int, bytes]:
    """Time -> metrics of an ingester that stores 4,000 values a second."""
    pages = {}
    for second in range(0, SECONDS + 1, 10):
        tally = Tally(
            points=4000 * second, batches=second, write_seconds=0.012 * second, deferred=second // 60
        )
        view = IngesterView("ingester-1", "main", {"broker:8883": 1}, "", "", second % 40, 0, 0, tally)
        pages[end_ms - (SECONDS - second) * 1000] = exposition(ingester_metrics(view, "1", 0))
    return pages


def dashboards(store: str, language: Language) -> Iterator[tuple[str, Json, int, dict[str, str]]]:
    """Name, file, seconds that are shown, and what is chosen of the variables."""
    known = profiles(known_profiles())
    chosen = Selection(store, language, list(known.values()))
    for name, make in SET.items():
        yield f"set-{name}", make(chosen).json(), SECONDS, {}
    for profile, device in MACHINES.items():
        dashboard = MachineDashboard(known[profile], store, language).json()
        yield profile, dashboard, served_plant.SECONDS, {"device": device, "edge": served_plant.EDGE}


async def take(stores: Fleet, folder: Path, arguments: argparse.Namespace) -> None:
    async with chromium() as browser:
        view = await browser.new_page(viewport={"width": 24 * COLUMN + 20, "height": 800})
        for store in arguments.stores:
            for language in arguments.languages:
                for name, dashboard, seconds, chosen in dashboards(store, language):
                    if arguments.only and name not in arguments.only:
                        continue
                    html, empty = await asyncio.to_thread(page, stores, dashboard, seconds, chosen)
                    await view.set_content(html)
                    file = folder / f"{name}-{store}-{language}.png"
                    await view.screenshot(path=file, full_page=True)
                    sys.stdout.write(f"{file.name}{': no data in ' if empty else ''}{', '.join(empty)}\n")


async def main() -> None:
    """Fill the stores and take the pictures; panels without data are printed beside the name."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--stores", nargs="*", default=list(STORES), choices=STORES)
    parser.add_argument("--languages", nargs="*", default=["zh", "en"])
    parser.add_argument("--out", type=Path, default=PROJECT / "var" / "dashboards")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    end_ms = recent_end_ms()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with Influxdb1(folder) as influxdb1, VictoriaMetrics(folder) as victoria_metrics:
            stores = Fleet(influxdb1, victoria_metrics, end_ms)
            machines = (poll for poll in served_plant.served(end_ms) if poll.origin.profile not in PROFILES)
            await stores.fill([*machines, *reports(end_ms)])
            stores.scrape(ingester_pages(end_ms))
            await take(stores, arguments.out, arguments)


if __name__ == "__main__":
    asyncio.run(main())
