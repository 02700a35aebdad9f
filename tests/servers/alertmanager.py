"""Alertmanager as a test's own server."""

import json
import shutil
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.servers.http import ask
from tests.servers.process import HOST, Server
from tests.servers.programs import UNPACKED, require

_TEMPLATES = "usr/share/prometheus/alertmanager"


class Alertmanager(Server):
    """Runs with the settings of `config`, alone: no other instance is looked for."""

    name = "prometheus-alertmanager"

    def __init__(self, directory: Path, config: Path) -> None:
        super().__init__(directory)
        self.config = config

    @property
    def url(self) -> str:
        """Where clients find it, without a slash at the end."""
        return f"http://{self.host}:{self.port}"

    def command(self) -> Sequence[str | Path]:
        return [
            self._program(),
            f"--config.file={self.config}",
            f"--storage.path={self.directory}",
            f"--web.listen-address={HOST}:{self.port}",
            "--cluster.listen-address=",
        ]

    def _program(self) -> Path:
        """Debian's program reads its own templates at a fixed place, where those of an unpacked package are
        not: a copy of it reads them at a place of the same length in the folder of this server."""
        program, root = require("prometheus-alertmanager"), UNPACKED / "root"
        if (Path("/") / _TEMPLATES).exists() or not (root / _TEMPLATES).exists():
            return program
        there, here = f"/{_TEMPLATES}".encode(), f"./{_TEMPLATES[1:]}".encode()
        assert len(there) == len(here)
        own = self.directory / "alertmanager"
        own.write_bytes((root / "usr" / "bin" / program.name).read_bytes().replace(there, here))
        own.chmod(0o700)
        shutil.copytree(root / _TEMPLATES, self.directory / here.decode(), dirs_exist_ok=True)
        return own

    def ready(self) -> bool:
        return ask(self.port, "GET", "/-/ready", timeout=1).status == 200

    def post(self, alerts: Sequence[Any]) -> None:
        """Alerts as vmalert and Prometheus post them."""
        request = urllib.request.Request(
            f"{self.url}/api/v2/alerts",
            json.dumps(alerts).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as reply:
            assert reply.status == 200
