"""InfluxDB 1.x as a test's own server."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.servers.http import Reply, ask
from tests.servers.process import HOST, Server, free_port
from tests.servers.programs import require

_CONFIG = """
reporting-disabled = true
bind-address = "{host}:{backup_port}"

[meta]
  dir = "{directory}/meta"

[data]
  dir = "{directory}/data"
  wal-dir = "{directory}/wal"
  query-log-enabled = false

[http]
  bind-address = "{host}:{port}"
  log-enabled = false

[monitor]
  store-enabled = false
"""


class Influxdb1(Server):
    """Has one database from its first start on; data outlive stop() and kill()."""

    name = "influxd"

    def __init__(self, directory: Path, *, database: str = "qilu", port: int | None = None) -> None:
        super().__init__(directory, port)
        self.database = database
        self._backup_port = free_port()

    @property
    def url(self) -> str:
        """Where clients find it, without a slash at the end."""
        return f"http://{self.host}:{self.port}"

    def command(self) -> Sequence[str | Path]:
        config = self.directory / "influxdb.conf"
        config.write_text(
            _CONFIG.format(
                host=HOST, port=self.port, backup_port=self._backup_port, directory=self.directory.as_posix()
            )
        )
        return [require("influxd"), "run", "-config", config]

    def ready(self) -> bool:
        return ask(self.port, "GET", "/ping", timeout=1).status == 204

    def start(self) -> None:
        super().start()
        reply = ask(self.port, "POST", "/query", {"q": f'CREATE DATABASE "{self.database}"'})
        assert reply.status == 200, reply

    def write(self, lines: str) -> Reply:
        """Store points given in line protocol, time stamps in milliseconds; the server's answer."""
        return ask(self.port, "POST", "/write", {"db": self.database, "precision": "ms"}, lines.encode())

    def query(self, influxql: str) -> list[dict[str, Any]]:
        """The series of the result, each {"name", "tags", "columns", "values"}; times in milliseconds."""
        reply = ask(self.port, "GET", "/query", {"db": self.database, "q": influxql, "epoch": "ms"})
        assert reply.status == 200, reply
        result = json.loads(reply.body)["results"][0]
        assert "error" not in result, result
        series: list[dict[str, Any]] = result.get("series", [])
        return series
