"""vmalert as a test's own server: it evaluates rules on a VictoriaMetrics and keeps their state there."""

from collections.abc import Sequence
from pathlib import Path

from tests.servers.http import ask
from tests.servers.process import HOST, Server
from tests.servers.programs import require


class VmAlert(Server):
    """Evaluates a rule file on the store at `store`; alerts go to the Alertmanager at `notifier`."""

    name = "vmalert"

    def __init__(self, directory: Path, rules: Path, store: str, notifier: str) -> None:
        super().__init__(directory)
        self.rules, self.store, self.notifier = rules, store, notifier

    def command(self) -> Sequence[str | Path]:
        return [
            require("vmalert"),
            f"-rule={self.rules}",
            f"-datasource.url={self.store}",
            f"-remoteWrite.url={self.store}",
            "-remoteWrite.flushInterval=200ms",
            f"-notifier.url={self.notifier}",
            f"-httpListenAddr={HOST}:{self.port}",
        ]

    def ready(self) -> bool:
        return ask(self.port, "GET", "/health", timeout=1).status == 200
