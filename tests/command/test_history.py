"""A local history for commands: a folder is asked like any store, and `qilu check` knows its room."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from qilu_cli.main import app
from tests.cloud.audit.scene import Scene
from tests.stores.history.history_store import HistoryStore

GATEWAY = """\
edge: edge-1
spool: {directory: spool}
delivery: {free_on: broker}
history: HISTORY
sources:
  - {type: modbus, url: "tcp://127.0.0.1:1502", devices: [{device: pump-1, profile: centrifugal-pump}]}
"""


def qilu(*arguments: str | Path) -> tuple[int, str]:
    result = CliRunner().invoke(app, list(map(str, arguments)))
    return result.exit_code, result.output


def answer(*arguments: str | Path) -> list[dict[str, Any]]:
    """What a command prints as JSON, without the warnings behind it."""
    _, output = qilu(*arguments, "--format", "json")
    rows: list[dict[str, Any]] = json.JSONDecoder().raw_decode(output)[0]
    return rows


def test_a_folder_of_a_history_is_queried_and_audited_as_a_store(tmp_path: Path) -> None:
    folder = tmp_path / "history"
    scene = Scene(tmp_path)
    scene.now_ms = time.time_ns() // 60_000_000_000 * 60_000 - 600_000
    scene.start()
    scene.collect(595)

    async def write() -> None:
        async with HistoryStore(folder, now_ms=lambda: scene.now_ms) as store:
            store.take(scene.sent)
            store.roll_up()

    asyncio.run(write())
    devices = answer("query", "--store", folder, "--devices")
    assert [(row["device"], row["profile"]) for row in devices] == [
        ("edge-1", "gateway"),
        ("press-1", "press"),
    ]
    asked = ("query", "--store", folder, "--device", "press-1", "--point", "serve_counter", "--last", "1h")
    assert len(answer(*asked)) == 595
    assert len(answer(*asked, "--every", "1m")) == 10
    [finding] = answer("audit", "--store", folder, "--last", "1h")
    assert finding["good"] == finding["expected"] > 1000
    assert (finding["missing"], finding["surplus"], finding["verdict"]) == ([], 0, "complete")


@pytest.mark.parametrize(
    ("history", "lines"),
    [
        ("{}", ["history in ", "single readings: 7 d", "minutes: 90 d", "15 minutes: 400 d"]),
        ("{max_bytes: 40MB, raw: 300d}", ["fit of 300 d", "warning: history.max_bytes is reached before"]),
    ],
)
def test_check_prints_what_really_fits(tmp_path: Path, history: str, lines: list[str]) -> None:
    file = tmp_path / "gateway.yaml"
    file.write_text(GATEWAY.replace("HISTORY", history))
    code, output = qilu("check", file)
    assert code == 0, output
    flat = " ".join(output.split())
    assert all(line in flat for line in lines), output


def test_check_refuses_a_history_without_room(tmp_path: Path) -> None:
    file = tmp_path / "gateway.yaml"
    file.write_text(GATEWAY.replace("HISTORY", "{max_bytes: 1MB}"))
    code, output = qilu("check", file)
    assert code == 2, output


def test_a_folder_without_a_history_is_no_store(tmp_path: Path) -> None:
    code, output = qilu("query", "--store", tmp_path, "--devices")
    assert code == 2
    assert "local history" in output
