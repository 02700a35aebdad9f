"""A canary: secrets that are read, or stand in an address, are in no log, no error and no process list."""

from __future__ import annotations

import io
import logging
from pathlib import Path

import pytest
from aiohttp import web

from qilu.config.settings_file import read_secret
from qilu.contract.errors import ConfigError, UnreachableError
from qilu.runtime.logs import Form, logging_to
from qilu.runtime.process import report
from qilu.runtime.redaction import HIDDEN, redacted
from qilu.stores.influx.writer import InfluxStore
from qilu.stores.settings import InfluxSettings
from tests.servers import free_port
from tests.servers.mosquitto import Mosquitto
from tests.stores.influx import NOW, poll
from tests.stores.test_influx_answers import in_front
from tests.system.programs import Qilu, qilu

CANARY = "canary-5f3c0a1be2d4567f"
EDGE = """
edge: edge-1
spool: {{directory: {spool}}}
mqtt: {{host: {host}, port: {port}, username: edge-1, password_file: password, keepalive: 2s}}
delivery: {{trusted_stores: [{{name: s, key_file: key}}]}}
sources: [{{type: modbus, url: "{url}", devices: [{{device: d, profile: steam-boiler}}]}}]
"""
INGESTER = """
ingester: i
ack_key_file: key
mqtt: {{host: "{host}", port: {port}, username: i, password_file: password}}
store: {store}
"""


def remembered(tmp_path: Path, secret: str = CANARY) -> None:
    file = tmp_path / "secret"
    file.write_text(f"{secret}\n")
    assert read_secret(file, None, key="k") == secret


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"token {CANARY} is refused", f"token {HIDDEN} is refused"),
        ("http://bob:S3CRET@h/?x=1", f"http://{HIDDEN}@h/?x=1"),
        ("'bob:S3CRET@h:1883' is a URL", f"'{HIDDEN}@h:1883' is a URL"),
        ("mqtts://S3CRET@h", f"mqtts://{HIDDEN}@h"),
        ("http://h/write?api_token=S3CRET&p=2", f"http://h/write?api_token={HIDDEN}&p=2"),
        ("http://h/q?db=plant&pwd=x", "http://h/q?db=plant&pwd=x"),
        ("12:30:01 mail bob@example.org", "12:30:01 mail bob@example.org"),
        ("tcp://192.168.0.10:502", "tcp://192.168.0.10:502"),
    ],
)
def test_a_text_loses_its_secrets_and_nothing_else(tmp_path: Path, text: str, shown: str) -> None:
    remembered(tmp_path)
    assert redacted(text) == shown


def test_each_line_of_a_secret_is_hidden_and_a_short_one_is_a_word(tmp_path: Path) -> None:
    remembered(tmp_path, f"{CANARY}-old\n{CANARY}-new")
    assert CANARY not in redacted(f"{CANARY}-new {CANARY}-old")
    remembered(tmp_path, "qilu")
    assert redacted("qilu gateway") == "qilu gateway"


def test_a_long_text_is_looked_through_in_one_pass() -> None:
    text = "a:" * 500_000 + " @"
    assert redacted(text) == text


@pytest.mark.parametrize("form", ["text", "json"])
def test_logs_and_errors_do_not_repeat_it(
    tmp_path: Path, form: Form, capsys: pytest.CaptureFixture[str]
) -> None:
    remembered(tmp_path)
    output = io.StringIO()
    with logging_to(output, level="debug", form=form):
        log = logging.getLogger("test")
        log.warning("refused: %s", CANARY, extra={"header": f"Bearer {CANARY}"})
        try:
            raise ValueError(CANARY)
        except ValueError:
            log.exception("a bug")
    report(UnreachableError(f"store: {CANARY}"))
    printed = output.getvalue() + capsys.readouterr().err
    assert printed.count(HIDDEN) >= 4
    assert CANARY not in printed


async def test_what_a_store_says_about_its_token_is_passed_on_without_it(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text(CANARY)

    def refuse(request: web.Request) -> web.Response:
        words = f"no access with {request.headers['Authorization']}"
        return web.json_response({"code": "unauthorized", "message": words}, status=401)

    async with in_front(refuse) as url:
        settings = InfluxSettings(type="influx", server="victoriametrics", url=url, token_file=token)
        async with InfluxStore(settings) as store:
            with pytest.raises((UnreachableError, ConfigError)) as refused:
                await store.write([poll(NOW, 1.0)])
    assert HIDDEN in str(refused.value)
    assert CANARY not in str(refused.value)


def test_check_repeats_no_secret_of_an_address(tmp_path: Path) -> None:
    address = {"host": "h", "port": 1, "spool": "s", "url": "tcp://h"}
    sqlite, influx = "{type: sqlite, file: a.db}", "{{type: influx, server: victoriametrics, url: '{}'}}"
    texts = [
        EDGE.format(**{**address, "host": f"'mqtts://u:{CANARY}@h'"}),
        EDGE.format(**{**address, "url": f"tcp://u:{CANARY}@h"}),
        EDGE.format(**{**address, "url": f"http://u:{CANARY}@h"}),
        INGESTER.format(host=f"u:{CANARY}@h", port=1, store=sqlite),
        INGESTER.format(host="h", port=1, store=influx.format(f"ftp://u:{CANARY}@h")),
        INGESTER.format(host="h", port=1, store=influx.format(f"http://h/?token={CANARY}")),
        INGESTER.format(host="h", port=1, store=sqlite) + f"token: {CANARY}\n",
        INGESTER.format(host=f"h, password: {CANARY}, x: ", port=1, store=sqlite).replace('"', ""),
    ]
    files = [tmp_path / f"{number}.yaml" for number in range(len(texts))]
    for file, text in zip(files, texts, strict=True):
        file.write_text(text)
    done = qilu("check", *files)
    assert done.returncode == 2
    for file in files:
        assert f"{file}:" in done.stderr
    assert CANARY not in done.stdout + done.stderr


def test_processes_at_debug_level_show_it_nowhere(tmp_path: Path) -> None:
    """Neither where the broker refuses the password nor where it takes it."""
    (tmp_path / "password").write_text(CANARY)
    (tmp_path / "key").write_text(f"{CANARY}-key")
    users = {"edge-1": CANARY, "i": "another"}
    with Mosquitto(tmp_path, users=users) as broker:
        address = {"host": "127.0.0.1", "port": broker.port}
        (tmp_path / "edge.yaml").write_text(
            EDGE.format(**address, spool=tmp_path / "spool", url=f"tcp://127.0.0.1:{free_port()}")
        )
        store = f"{{type: sqlite, name: s, file: {tmp_path / 'store.db'}}}"
        (tmp_path / "ingester.yaml").write_text(INGESTER.format(**address, store=store))
        debug = "--log-level", "debug"
        with (
            Qilu(tmp_path, "gateway", tmp_path / "edge.yaml", *debug, ready="connected,") as gateway,
            Qilu(tmp_path, "ingest", tmp_path / "ingester.yaml", *debug, ready="does not let in") as ingester,
        ):
            lists = [Path(f"/proc/{one.pid}/{kind}").read_bytes() for one in (gateway, ingester)
                     for kind in ("cmdline", "environ")]  # fmt: skip
            printed = gateway.output() + ingester.output()
    assert CANARY not in printed
    assert not any(CANARY.encode() in text for text in lists)
    kept = [file for file in tmp_path.rglob("*") if file.is_file() and file.name not in ("password", "key")]
    assert [file for file in kept if CANARY.encode() in file.read_bytes()] == []
