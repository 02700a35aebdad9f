"""Every command of docs/querying.md has an answer from each kind of store."""

from __future__ import annotations

import asyncio
import json
import shlex
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from qilu.contract.reading import BlockSchema, Origin, Poll, Reading
from qilu.stores.factory import open_store
from qilu.stores.settings import InfluxSettings, SqliteSettings
from qilu_cli.main import app
from tests.deploy.deployed import CONFIGS
from tests.project.readme import commands
from tests.servers import Influxdb1, VictoriaMetrics

PAGE = Path(__file__).parents[2] / "docs" / "querying.md"
EVERY_COMMAND = [command.line for command in commands(PAGE)]
COMMANDS = [line for line in EVERY_COMMAND if line.startswith("qilu query ")]
POINTS = ("discharge_pressure", "motor_current", "state")
IN_NOVEMBER_MS = 1_795_390_200_000
"""2026-11-23 07:30 in Shanghai."""


def polls() -> list[Poll]:
    origin = Origin("edge-1", "compressor-1", "screw-air-compressor")
    columns = BlockSchema(origin, "fast", POINTS)
    times = [IN_NOVEMBER_MS + 60_000, round(time.time() * 1000) - 60_000]
    return [Poll(time_ms, (Reading(columns, time_ms, (7.1, 30.5, 2)),)) for time_ms in times]


@pytest.fixture(params=["sqlite", "victoriametrics", "influxdb1"])
def folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where an analyst is: a store with readings, and settings that name it."""
    monkeypatch.chdir(tmp_path)
    demo = SqliteSettings(type="sqlite", file=tmp_path / "var" / "demo" / "store.db")
    demo.file.parent.mkdir(parents=True)
    settings: SqliteSettings | InfluxSettings = demo
    server: VictoriaMetrics | Influxdb1 | None = None
    with ExitStack() as stack:
        if request.param == "victoriametrics":
            server = stack.enter_context(VictoriaMetrics(tmp_path))
            settings = InfluxSettings(type="influx", server="victoriametrics", url=server.url)
        elif request.param == "influxdb1":
            server = stack.enter_context(Influxdb1(tmp_path))
            settings = InfluxSettings(type="influx", server="influxdb1", url=server.url, database="qilu")
        for target in {demo.type: demo, settings.type: settings}.values():
            asyncio.run(fill(target))
        if isinstance(server, VictoriaMetrics):
            server.flush()
        named = json.loads(settings.model_dump_json(exclude_unset=True))
        text = json.dumps({"mqtt": {"host": "127.0.0.1"}, "store": named})
        (tmp_path / "ingester.yaml").write_text(text)
        yield tmp_path


async def fill(settings: SqliteSettings | InfluxSettings) -> None:
    async with open_store(settings) as store:
        assert await store.write(polls()) == {}


def test_the_page_has_commands_for_each_question() -> None:
    options = {word for line in COMMANDS for word in shlex.split(line) if word.startswith("--")}
    assert options >= {"--devices", "--points", "--latest", "--point", "--every", "--from", "--to", "--tz"}


@pytest.mark.usefixtures("folder")
def test_every_command_of_the_page_has_an_answer() -> None:
    for line in COMMANDS:
        assert "compressor-1" in run(line).output, line


def run(line: str) -> Result:
    words = shlex.split(line, comments=True)
    assert words[0] == "qilu"
    done = CliRunner().invoke(app, words[1:])
    assert done.exit_code == 0, (line, done.output)
    return done


@pytest.mark.usefixtures("folder")
def test_every_import_of_the_page_fills_a_store() -> None:
    """With a minute of the plant in place of its day."""
    (to_file,) = [line for line in COMMANDS if line.endswith("--format csv")]
    Path("pressure.csv").write_text(run(to_file).output, encoding="utf-8")
    others = [line for line in EVERY_COMMAND if line not in COMMANDS]
    for line in others:
        plant = str(CONFIGS / "plant.yaml")
        run(line.replace("configs/plant.yaml", plant).replace("--span 1d", "--span 1m"))
    assert sum(line.startswith("qilu import") for line in others) >= 3
    assert "compressor-1" in run("qilu query --store var/shifted.db --devices").output
    assert "compressor-1" in run("qilu query --store var/other.db --devices").output
