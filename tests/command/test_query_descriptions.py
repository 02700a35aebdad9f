"""`qilu query` takes units, labels and texts of codes from what the edges reported, without a file."""

import csv
import io
import json
import time
from pathlib import Path
from typing import Any

import pytest

from qilu.contract.point_info import PointInfo, rows, texts_of_codes
from qilu.contract.reading import BlockSchema, DeviceKey, Origin, Poll, Reading
from qilu.stores.interfaces import DescribedPoint
from qilu.stores.sqlite.writer import SqliteStore
from qilu_cli.commands.query import QueryOptions, query
from qilu_cli.point_meanings import Meanings

NOW = time.time_ns() // 1_000_000
THEIRS = Origin("edge-1", "loom-1", "looms-of-somebody")
SHIPPED = Origin("edge-1", "compressor-1", "screw-air-compressor")


def reading(origin: Origin, ago_ms: int, **values: float) -> Poll:
    columns = BlockSchema(origin, "fast", tuple(values))
    return Poll(NOW - ago_ms, (Reading(columns, NOW - ago_ms, tuple(values.values())),))


def described(origin: Origin, ago_ms: int, **infos: PointInfo) -> Poll:
    readings = [Reading(columns, NOW - ago_ms, values) for columns, values in rows(origin, infos.items())]
    return Poll(NOW - ago_ms, tuple(readings))


@pytest.fixture
async def file(tmp_path: Path) -> Path:
    """Looms of a profile that is nowhere, and a compressor whose edge has another unit than its file."""
    path = tmp_path / "store.db"
    tension = PointInfo("looms-of-somebody", unit="cN", label_en="Warp tension", label_zh="经纱张力")
    mode = PointInfo(
        "looms-of-somebody", kind="state", codes_en="0=stopped; 1=weaving", codes_zh="0=停; 1=织"
    )
    async with SqliteStore(path) as store:
        refused = await store.write(
            [
                described(THEIRS, 5000, tension=tension, mode=mode),
                described(SHIPPED, 9000, discharge_pressure=PointInfo("screw-air-compressor", unit="bar")),
                described(SHIPPED, 5000, discharge_pressure=PointInfo("screw-air-compressor", unit="kPa")),
                reading(THEIRS, 3000, tension=21.5, mode=0),
                reading(THEIRS, 2000, tension=22.5, mode=1),
                reading(SHIPPED, 1000, discharge_pressure=700.0),
            ]
        )
        assert refused == {}
    return path


async def asked(capsys: pytest.CaptureFixture[str], file: Path, **options: Any) -> list[dict[str, str]]:
    await query(QueryOptions(str(file), form="csv", **options))
    return list(csv.DictReader(io.StringIO(capsys.readouterr().out)))


async def test_units_and_texts_come_from_the_store(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    latest = {row["point"]: row for row in await asked(capsys, file, latest=True, device="loom-1")}
    assert (latest["tension"]["unit"], latest["mode"]["text"], latest["mode"]["value"]) == (
        "cN", "weaving", "1",
    )  # fmt: skip
    points = await asked(capsys, file, points=True)
    assert {row["point"]: row["unit"] for row in points} == {
        "tension": "cN", "mode": "", "discharge_pressure": "kPa",
    }  # fmt: skip


async def test_a_code_of_a_described_point_is_not_averaged(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await query(
        QueryOptions(
            str(file), device="loom-1", point=("mode", "tension"), last="1h", every="1d", form="json"
        )
    )
    printed = capsys.readouterr()
    values = {row["point"]: row["value"] for row in json.loads(printed.out)}
    assert values["mode"] == 1
    assert values["tension"] == pytest.approx(22.0)
    assert printed.err == "", "nobody misses a profile"


async def test_the_newer_description_counts_and_a_folder_that_is_named_comes_first(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    of = {"latest": True, "device": "compressor-1"}
    assert [row["unit"] for row in await asked(capsys, file, **of)] == ["kPa"]
    (tmp_path / "screw-air-compressor.yaml").write_text(
        "profile: screw-air-compressor\n"
        "points: [{name: discharge_pressure, table: input, address: 0, type: uint16, unit: psi}]\n"
    )
    assert [row["unit"] for row in await asked(capsys, file, **of, profiles=tmp_path)] == ["psi"]


async def test_headings_for_excel_are_the_labels_of_the_store(
    file: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    await query(QueryOptions(str(file), device="loom-1", point=("tension",), last="1h", excel="zh"))
    assert "经纱张力 (cN)" in capfdbinary.readouterr().out.decode("utf-8-sig").splitlines()[0]


def test_texts_of_codes_may_have_what_divides_them() -> None:
    assert texts_of_codes("0=off; 1=slow; steady; -2=a=b") == {0: "off", 1: "slow; steady", -2: "a=b"}
    assert texts_of_codes("") == {}


def test_a_description_that_comes_later_counts_from_then_on() -> None:
    meanings = Meanings()
    assert meanings.unit("screw-air-compressor", "discharge_pressure") == "bar"
    info = PointInfo("screw-air-compressor", unit="kPa")
    meanings.learn([DescribedPoint(DeviceKey("edge-1", "compressor-1"), "discharge_pressure", NOW, info)])
    assert meanings.unit("screw-air-compressor", "discharge_pressure") == "kPa"
