"""What Grafana can do to VictoriaMetrics: ask, through the delivered vmauth, and nothing else."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest

from tests.deploy.deployed import DEPLOY
from tests.servers import VictoriaMetrics
from tests.servers.http import ask
from tests.servers.process import HOST, Server
from tests.servers.programs import require

PASSWORD = "reader-of-the-test"


class VmAuth(Server):
    """The delivered settings, with the address of the store of a test."""

    name = "vmauth"

    def __init__(self, directory: Path, store: VictoriaMetrics) -> None:
        super().__init__(directory, None)
        self.output = ""
        self.settings = directory / "vmauth.yaml"
        text = (DEPLOY / "victoriametrics" / "vmauth.yaml").read_text()
        self.settings.write_text(text.replace("http://victoriametrics:8428", store.url))

    def command(self) -> Sequence[str | Path]:
        listen = f"-httpListenAddr={HOST}:{self.port}"
        secret = f"READER_PASSWORD={PASSWORD}"
        return ["env", secret, require("vmauth"), f"-auth.config={self.settings}", listen]

    def ready(self) -> bool:
        try:
            return self.ask("GET", "/api/v1/query", {"query": "1"}) == 200
        except URLError:
            return False

    def ask(
        self, method: str, path: str, query: dict[str, str] | None = None, password: str = PASSWORD
    ) -> int:
        """The status; `output` has the body."""
        address = f"http://{HOST}:{self.port}{path}?{urlencode(query or {})}"
        request = Request(address, method=method)
        request.add_header("Authorization", "Basic " + b64encode(f"grafana:{password}".encode()).decode())
        try:
            with urlopen(request, timeout=5) as reply:
                self.output = reply.read().decode(errors="replace")
                return int(reply.status)
        except HTTPError as error:
            with error:
                return error.code


@pytest.fixture
def store(tmp_path: Path) -> Iterator[VictoriaMetrics]:
    with VictoriaMetrics(tmp_path) as running:
        yield running


@pytest.fixture
def reader(tmp_path: Path, store: VictoriaMetrics) -> Iterator[VmAuth]:
    folder = tmp_path / "vmauth"
    folder.mkdir()
    with VmAuth(folder, store) as running:
        yield running


def test_grafana_asks_and_neither_writes_nor_deletes(store: VictoriaMetrics, reader: VmAuth) -> None:
    store.write("temperature,device=press-1 value=1 1764000000000\n")
    asked = {"query": "temperature_value", "time": "1764000000"}
    store.flush()
    assert reader.ask("GET", "/api/v1/query", asked) == 200
    assert "press-1" in reader.output
    assert reader.ask("GET", "/api/v1/labels") == 200
    assert reader.ask("GET", "/api/v1/query", asked, password="wrong") >= 400
    for method, path in (
        ("POST", "/write"),
        ("POST", "/api/v1/import"),
        ("GET", "/api/v1/admin/tsdb/delete_series"),
        ("GET", "/snapshot/create"),
        ("GET", "/api/v1/export"),
        ("GET", "/api/v1/label/../../../snapshot/create"),
    ):
        assert reader.ask(method, path) >= 400, path
    assert reader.ask("GET", "/api/v1/query", asked) == 200
    assert "press-1" in reader.output


def test_what_can_erase_the_store_needs_a_key(tmp_path: Path) -> None:
    flags = [f"-{what}AuthKey=a-key" for what in ("delete", "snapshot", "forceMerge", "pprof", "flags")]
    with VictoriaMetrics(tmp_path, flags=flags) as store:
        match = {"match[]": "{__name__!=''}"}
        assert ask(store.port, "GET", "/api/v1/admin/tsdb/delete_series", match).status >= 400
        with_key = {**match, "authKey": "a-key"}
        assert ask(store.port, "GET", "/api/v1/admin/tsdb/delete_series", with_key).status == 204
