"""Asks a real server what panels and variables of a dashboard ask, with the macros put in as Grafana does."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Protocol

from tests.deploy.deployed import DEPLOY
from tests.servers.http import ask
from tests.servers.influxdb1 import Influxdb1
from tests.servers.victoria_metrics import VictoriaMetrics

Json = dict[str, Any]

DASHBOARDS = DEPLOY / "grafana" / "dashboards"
SCRAPE = 10
"""Seconds: `timeInterval` of the provisioned data sources."""


def dashboard(language: str) -> Json:
    """The plant dashboard that is shipped for a language."""
    found: Json = json.loads((DASHBOARDS / language / "plant.json").read_text())
    return found


def panels(of: Json) -> list[Json]:
    """Those that ask something."""
    return [panel for panel in of["panels"] if panel["type"] != "row"]


def variables(of: Json) -> list[Json]:
    """Those that ask a server for what can be chosen."""
    return [variable for variable in of["templating"]["list"] if variable["type"] == "query"]


@dataclass(frozen=True, slots=True)
class Shown:
    """What a person has chosen on the dashboard: the time and the variables."""

    start_ms: int
    end_ms: int
    line: str = ".*"
    device: str = ".*"
    edge: str = ".*"

    def put_into(self, query: str, interval: str) -> str:
        """The query as Grafana sends it."""
        seconds = int(interval.removesuffix("s"))
        known = {
            "$timeFilter": f"time >= {self.start_ms}ms and time <= {self.end_ms}ms",
            "$__rate_interval": f"{max(seconds + SCRAPE, 4 * SCRAPE)}s",
            "$__interval": interval,
            "$__range": f"{(self.end_ms - self.start_ms) // 1000}s",
            "$line": self.line,
            "$device": self.device,
            "$edge": self.edge,
        }
        for macro, text in known.items():
            query = query.replace(macro, text)
        assert not re.search(r"\$(?![/)])", query), query  # a regular expression ends with one
        return query


class Asked(Protocol):
    """A server that dashboards are asked of."""

    def numbers(self, target: Json, interval: str, shown: Shown) -> dict[str, list[float]]:
        """Name of the series -> its values; series without any are left out.

        Of a table: edge/device -> the times of its rows (ms, UTC).
        """

    def choices(self, variable: Json, shown: Shown) -> set[str]:
        """What a variable offers."""


@dataclass(frozen=True, slots=True)
class AskedInfluxdb:
    server: Influxdb1

    def numbers(self, target: Json, interval: str, shown: Shown) -> dict[str, list[float]]:
        found: dict[str, list[float]] = {}
        for series in self.server.query(shown.put_into(target["query"], interval)):
            tags = series.get("tags", {})
            if target["resultFormat"] == "table":
                found.setdefault(f"{tags['edge']}/{tags['device']}", []).extend(
                    row[0] for row in series["values"]
                )
                continue
            for index, column in enumerate(series["columns"][1:], 1):
                name = target["alias"].replace("$col", column)
                for tag, value in tags.items():
                    name = name.replace(f"$tag_{tag}", value)
                assert "$" not in name, name
                values = [row[index] for row in series["values"] if row[index] is not None]
                assert not any(isinstance(value, str) for value in values), f"{name}: Grafana draws no texts"
                found.setdefault(name, []).extend(values)
        return {name: values for name, values in found.items() if values}

    def choices(self, variable: Json, shown: Shown) -> set[str]:
        found = self.server.query(shown.put_into(variable["query"], "10s"))
        return {row[1] for series in found for row in series["values"]}


@dataclass(frozen=True, slots=True)
class AskedVictoriaMetrics:
    server: VictoriaMetrics

    def numbers(self, target: Json, interval: str, shown: Shown) -> dict[str, list[float]]:
        query, end = shown.put_into(target["expr"], interval), f"{shown.end_ms / 1000:.3f}"
        if target["instant"]:
            series = self.server.query(query, "/api/v1/query", time=end)
        else:
            start = f"{shown.start_ms / 1000:.3f}"
            series = self.server.query(query, start=start, end=end, step=interval)
        found: dict[str, list[float]] = {}
        for one in series:
            name = target["legendFormat"]
            for label, value in one["metric"].items():
                name = name.replace(f"{{{{{label}}}}}", value)
            samples = one.get("values") or [one["value"]]
            assert name not in found or target["format"] == "table", f"{name} twice"
            found[name] = [float(value) for _, value in samples]
        return found

    def choices(self, variable: Json, shown: Shown) -> set[str]:
        inside = variable["query"]["query"].removeprefix("label_values(").removesuffix(")")
        match, _, label = inside.rpartition(", ")
        wanted = {"match[]": shown.put_into(match, "10s"), "start": str(shown.start_ms // 1000)}
        reply = ask(self.server.port, "GET", f"/api/v1/label/{label}/values", wanted)
        assert reply.status == 200, reply
        return set(json.loads(reply.body)["data"])
