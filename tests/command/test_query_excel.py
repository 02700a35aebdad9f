"""`qilu query --excel` prints a file that Excel opens with a double click."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from qilu.contract.display.spreadsheet import MAX_LINES
from qilu.contract.errors import ConfigError
from qilu.contract.reading import BlockSchema, Origin, Poll, Reading, Reason
from qilu.stores.sqlite.writer import SqliteStore
from qilu_cli.commands.excel import check_lines
from qilu_cli.commands.query import QueryOptions, query

POINTS = ("discharge_pressure", "state")
SCHEMA = BlockSchema(Origin("edge", "compressor-1", "screw-air-compressor"), "fast", POINTS)


@pytest.fixture
async def store(tmp_path: Path) -> Path:
    file = tmp_path / "store.db"
    async with SqliteStore(file) as opened:
        readings = (
            Reading(SCHEMA, 1_780_000_000_000, (7.18, 3)),
            Reading(SCHEMA, 1_780_000_001_000, (None, 3), {0: Reason.TIMEOUT}),
        )
        await opened.write([Poll(1_780_000_000_000, readings)])
    return file


async def printed(options: QueryOptions, monkeypatch: pytest.MonkeyPatch) -> str:
    out = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(out, encoding="utf-8"))
    await query(options)
    sys.stdout.flush()
    return out.getvalue().decode("utf-8")


async def test_the_file_has_a_byte_order_mark_local_times_units_quality_and_reason(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = QueryOptions(
        str(store),
        device="compressor-1",
        point=["discharge_pressure"],
        start="2026-05-01",
        tz="Asia/Shanghai",
        excel="zh",
    )
    assert await printed(options, monkeypatch) == (
        "\ufeff时间,排气压力 (MPa),质量,原因\r\n"
        "2026-05-29 04:26:40.000,0.718,好,\r\n"
        "2026-05-29 04:26:41.000,,坏,超时\r\n"
    )


async def test_without_a_device_and_a_point_it_is_refused(store: Path) -> None:
    with pytest.raises(ConfigError, match="--excel: is for samples of one device"):
        await query(QueryOptions(str(store), latest=True, excel="en"))


def test_more_lines_than_a_sheet_has_are_refused_with_a_remedy() -> None:
    check_lines(MAX_LINES - 1)
    with pytest.raises(ConfigError, match="1048576 lines are more.*--every 1m"):
        check_lines(MAX_LINES)
