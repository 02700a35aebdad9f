"""A data set without sockets: what it holds is what a client would have read, and the truth beside it."""

import csv
import gzip
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas
import pytest

from qilu.contract.errors import ConfigError
from qilu.contract.profile import SERVE_COUNTER, Point
from qilu.contract.registers import compile_block
from simulator.ground_truth.export import export, plan_export
from simulator.ground_truth.tables import table_file
from simulator.machines import MODELS
from simulator.plant.plant import Plant
from simulator.registers.device import Device
from tests.simulator.simulated import plant, profile

PUMP = {"device": "pump", "machine": "centrifugal-pump"}
FAULTS = [
    {"device": "pump", "fault": "bearing_wear", "start": 0, "ramp": 100, "severity": 0.3},
    {"device": "pump", "fault": "drift", "point": "flow", "magnitude": 50, "start": 20, "duration": 30},
    {"device": "pump", "fault": "drop_out", "point": "head", "start": 10, "duration": 10},
    {"device": "pump", "fault": "stuck_bit", "point": "motor_current", "magnitude": 13, "start": 10},
]


def exported(made: Plant, folder: Path, *, span: float, every: float = 1.0, form: Any = "csv") -> list[int]:
    return list(export(made, folder, plan_export(made, span, every, form)))


def rows(file: Path) -> list[dict[str, str]]:
    with gzip.open(file, "rt", encoding="utf-8", newline="") as text:
        return list(csv.DictReader(text))


def read(device: Device, point: Point) -> object:
    """As the gateway would."""
    codec = compile_block((point,), point.table, point.address, point.size, device.profile.parameters)
    ask = device.read_bits if point.table.holds_bits else device.read_registers
    (value,), _bad = codec.decode(ask(point.table, point.address, point.size))
    return value


def same(text: str, value: object) -> bool:
    if isinstance(value, str):
        return text == value
    assert isinstance(value, bool | int | float)
    return bool(np.isclose(float(text or "nan"), float(value), rtol=1e-7, atol=1e-9, equal_nan=True))


@pytest.mark.parametrize("model", sorted(MODELS))
def test_a_row_is_what_the_codec_of_the_gateway_reads_at_that_tick(model: str, tmp_path: Path) -> None:
    made, twin = (plant({"device": "m", "machine": model, "replicas": 2}) for _ in range(2))
    assert exported(made, tmp_path, span=20, every=5) == [1, 2, 3, 4]
    for row in rows(tmp_path / "devices" / "m-2.csv.gz"):
        twin.advance(int(row["tick"]) - twin.tick)
        for point in profile(model).points:
            value = read(twin.devices["m-2"], point)
            if point.name != SERVE_COUNTER:
                assert same(row[point.name], value), (point.name, row[point.name], value)


def test_ill_sensors_are_in_the_rows_and_the_truth_is_beside_them(tmp_path: Path) -> None:
    ill = plant(PUMP, faults=FAULTS, sensors="ideal")
    sound = plant(PUMP, faults=FAULTS[:1], sensors="ideal")
    exported(ill, tmp_path / "ill", span=60)
    exported(sound, tmp_path / "sound", span=60)
    message, right = (rows(tmp_path / name / "devices" / "pump.csv.gz") for name in ("ill", "sound"))
    truth = rows(tmp_path / "ill" / "truth" / "faults.csv.gz")
    drifts = {int(row["tick"]): row for row in truth if row["fault"] == "drift"}
    assert sorted(drifts) == list(range(20, 50))
    for tick in range(60):
        assert (message[tick]["flow"] != right[tick]["flow"]) == (tick in drifts)
        if tick in drifts:
            assert float(drifts[tick]["true"]) == pytest.approx(float(right[tick]["flow"]), rel=1e-6)
            assert float(message[tick]["flow"]) == pytest.approx(float(right[tick]["flow"]) + 50, rel=1e-6)
    assert [row["head"] == "" for row in message] == [10 <= tick < 20 for tick in range(60)]
    assert all(int(float(row["motor_current"]) * 100 + 0.5) & 1 << 13 for row in message[10:])
    worn = [float(row["severity"]) for row in truth if row["fault"] == "bearing_wear"]
    assert worn == sorted(worn)
    assert len(worn) == 60
    events = [row["event"] for row in rows(tmp_path / "ill" / "truth" / "events.csv.gz")]
    assert events.count("fault drift flow") == 2
    assert events.count("state") >= 1


def test_the_same_settings_make_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        exported(plant(PUMP, seed=seed, faults=FAULTS), tmp_path / name, span=30)
    files = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*.*"))
    assert [path.as_posix() for path in files] == [
        "dataset.json",
        "devices/pump.csv.gz",
        "truth/events.csv.gz",
        "truth/faults.csv.gz",
    ]
    for file in files:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    device = files[1]
    assert (tmp_path / "a" / device).read_bytes() != (tmp_path / "c" / device).read_bytes()


def test_chunks_leave_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exported(plant(PUMP), tmp_path / "whole", span=50)
    monkeypatch.setattr("simulator.ground_truth.export.CHUNK_ROWS", 7)
    exported(plant(PUMP), tmp_path / "pieces", span=50)
    for file in ("devices/pump.csv.gz", "truth/events.csv.gz"):
        whole, pieces = (
            gzip.decompress((tmp_path / name / file).read_bytes()) for name in ("whole", "pieces")
        )
        assert whole == pieces


def test_what_the_points_mean_is_in_the_data_set(tmp_path: Path) -> None:
    exported(plant(PUMP), tmp_path, span=5)
    described = json.loads((tmp_path / "dataset.json").read_text())
    assert described["devices"] == {
        "pump": {"model": "centrifugal-pump", "line": "", "label": {"en": "", "zh": ""}}
    }
    flow = described["models"]["centrifugal-pump"]["flow"]
    assert (flow["unit"], flow["label"]["zh"]) == ("m3/h", "流量")
    assert (described["every"], described["rows"]) == (1.0, 5)


def test_a_data_set_that_was_not_finished_has_no_description(tmp_path: Path) -> None:
    made = plant(PUMP)
    run: Iterator[int] = export(made, tmp_path, plan_export(made, 100, 1, "csv"))
    for _ in range(20):
        next(run)
    run.close()  # type: ignore[attr-defined]
    assert not (tmp_path / "dataset.json").exists()
    assert rows(tmp_path / "devices" / "pump.csv.gz") == []


@pytest.mark.parametrize(
    ("span", "every", "message"),
    [(60, 2.5, "do not fit a step of 1 s"), (60, 0.5, "do not fit"), (5, 10, "has no row every 10 s")],
)
def test_an_impossible_interval_is_refused(span: float, every: float, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        plan_export(plant(PUMP), span, every, "csv")


def test_what_is_there_already_is_not_written_over(tmp_path: Path) -> None:
    exported(plant(PUMP), tmp_path, span=5)
    with pytest.raises(ConfigError, match="is there already"):
        exported(plant(PUMP), tmp_path, span=5)


def test_texts_and_numbers_are_written_as_every_reader_takes_them(tmp_path: Path) -> None:
    table = table_file(tmp_path, "t", "csv")
    table.write({
        "text": np.array([b'a,"b"', "齐鲁".encode()]),
        "double": np.array([0.1, np.nan]),
        "single": np.array([0.1, 1e20], dtype=np.float32),
        "whole": np.array([-3.0, 2.0**60]),
        "count": np.array([2**63, 0], dtype=np.uint64),
    })  # fmt: skip
    table.close()
    first, second = rows(table.path)
    assert first == {"text": 'a,"b"', "double": "0.1", "single": "0.1", "whole": "-3", "count": str(2**63)}
    assert second == {"text": "齐鲁", "double": "", "single": "1e+20", "whole": repr(2.0**60), "count": "0"}


def test_pandas_and_duckdb_read_the_data_set_as_it_is(tmp_path: Path) -> None:
    exported(plant(PUMP, faults=FAULTS), tmp_path, span=60)
    file = tmp_path / "devices" / "pump.csv.gz"
    frame = pandas.read_csv(file)
    assert len(frame) == 60
    assert frame["flow"].dtype == np.float64
    assert frame["head"].isna().sum() == 10
    asked = f"select count(*), count(*) filter (head is null) from '{file}'"
    assert duckdb.execute(asked).fetchall() == [(60, 10)]


def test_parquet_holds_the_same_as_csv(tmp_path: Path) -> None:
    for form in ("csv", "parquet"):
        exported(plant(PUMP, faults=FAULTS), tmp_path / form, span=60, form=form)
    for table in ("devices/pump", "truth/events", "truth/faults"):
        left = pandas.read_csv(tmp_path / "csv" / f"{table}.csv.gz", keep_default_na=False, na_values=[""])
        right = pandas.read_parquet(tmp_path / "parquet" / f"{table}.parquet")
        assert list(left) == list(right)
        for name in left:
            if left[name].dtype.kind in "if":
                assert np.allclose(left[name], right[name], equal_nan=True), name
            else:
                assert (left[name].fillna("") == right[name]).all(), name


def test_parquet_without_pyarrow_is_a_config_error_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)  # as if it were not installed
    with pytest.raises(ConfigError) as error:
        plan_export(plant(PUMP), 10, 1, "parquet")
    assert "pip install" in str(error.value)


def test_a_folder_that_cannot_be_written_is_a_config_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot write"):
        exported(plant(PUMP), tmp_path / "file", span=5)


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_the_row_of_a_controller_that_reboots_is_empty(form: Any, tmp_path: Path) -> None:
    reboot = {"device": "pump", "fault": "reboot", "start": 10, "duration": 5}
    exported(plant(PUMP, {**PUMP, "device": "other"}, faults=[reboot]), tmp_path, span=30, form=form)
    suffix = "csv.gz" if form == "csv" else "parquet"
    for device, silent in (("pump", range(10, 15)), ("other", range(0))):
        file = tmp_path / "devices" / f"{device}.{suffix}"
        table = pandas.read_csv(file) if form == "csv" else pandas.read_parquet(file)
        assert len(table) == 30
        points = table.drop(columns=["tick", "time_ms"])
        empty = points.isna().all(axis=1)
        assert list(table["tick"][empty]) == list(silent)
        assert not points[~empty].isna().any().any()
