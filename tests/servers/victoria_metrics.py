"""VictoriaMetrics, single node, as a test's own server."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tests.servers.http import ask
from tests.servers.process import HOST, Server
from tests.servers.programs import require

# Without the first it keeps every duplicate; without the third a query does not see the last 30 s.
FLAGS = ("-dedup.minScrapeInterval=1ms", "-retentionPeriod=100y", "-search.latencyOffset=0s")


class VictoriaMetrics(Server):
    """Empty at first start; data outlive stop(). kill() loses the last seconds of what was written."""

    name = "victoria-metrics"

    def __init__(self, directory: Path, *, flags: Iterable[str] = FLAGS, port: int | None = None) -> None:
        super().__init__(directory, port)
        self.flags = tuple(flags)

    @property
    def url(self) -> str:
        """Where clients find it, without a slash at the end."""
        return f"http://{self.host}:{self.port}"

    def command(self) -> Sequence[str | Path]:
        return [
            require("victoria-metrics"),
            f"-storageDataPath={self.directory / 'data'}",
            f"-httpListenAddr={HOST}:{self.port}",
            "-search.disableCache=true",  # a test writes the past and reads at once
            "-memory.allowedBytes=256MB",
            *self.flags,
        ]

    def ready(self) -> bool:
        return ask(self.port, "GET", "/health", timeout=1).status == 200

    def write(self, lines: str) -> None:
        """Store points given in line protocol, time stamps in milliseconds."""
        reply = ask(self.port, "POST", "/write", {"precision": "ms"}, lines.encode())
        assert reply.status == 204, reply

    def flush(self) -> None:
        """Make everything that was written visible to queries; it puts nothing on disk."""
        assert ask(self.port, "GET", "/internal/force_flush").status == 200

    def export(self, match: str, **parameters: str) -> list[dict[str, Any]]:
        """The stored samples of the series that match: one {"metric", "values", "timestamps"} for each."""
        self.flush()
        wanted = {"match[]": match, "reduce_mem_usage": "0", **parameters}
        reply = ask(self.port, "GET", "/api/v1/export", wanted)
        assert reply.status == 200, reply
        return [json.loads(line) for line in reply.body.splitlines()]

    def query(
        self, promql: str, path: str = "/api/v1/query_range", **parameters: str
    ) -> list[dict[str, Any]]:
        """The result of a PromQL query, as Grafana would ask for it."""
        self.flush()
        reply = ask(self.port, "GET", path, {"query": promql, **parameters})
        assert reply.status == 200, reply
        result: list[dict[str, Any]] = json.loads(reply.body)["data"]["result"]
        return result
