"""Rows of a data set are samples: how often they are taken changes nothing, and what they sum up is exact."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest

from simulator.compiled.run import compiled_run
from simulator.ground_truth import export as exporting
from simulator.ground_truth.export import export, plan_export
from simulator.ground_truth.intervals import Intervals, Take
from simulator.physics.machine import nominal_surroundings
from simulator.plant.plant import Plant
from tests.simulator.simulated import plant, stepped

SPANS = {
    "arrays": 60.0,  # simulated seconds
    "compiled": float(os.environ.get("QILU_EXPORT_SPAN", "300")),  # 86400 is the whole day
}
METER = {"device": "meter", "machine": "eastron-sdm630"}
STOPS = {"hours_between_stops": 0.01}
PUMP = {"device": "pump", "machine": "centrifugal-pump"}


def works(step: float, *others: dict[str, Any]) -> Plant:
    return plant(
        {"device": "air", "machine": "screw-air-compressor", "feeds": ["moulding", "packing"]},
        {"device": "moulding", "machine": "injection-moulding-machine"},
        {
            "device": "packing",
            "machine": "conveyor-packaging-line",
            "parameters": {"hours_between_stops": 0.02},
        },
        *others,
        step=step,
        faults=[
            {"device": "moulding", "fault": "spike", "point": "fill_pressure", "magnitude": 9, "start": 9}
        ],
    )


def exported(made: Plant, folder: Path, *, span: float, every: float, take: Take = "last") -> Path:
    for _ in export(made, folder, plan_export(made, span, every, "csv", take)):
        pass
    return folder


def read(folder: Path, table: str) -> pandas.DataFrame:
    return pandas.read_csv(folder / f"{table}.csv.gz", index_col="tick")


@pytest.mark.parametrize("moved_by", SPANS)
def test_samples_at_common_times_counters_and_events_do_not_depend_on_the_interval(
    moved_by: str, tmp_path: Path
) -> None:
    others = [METER] if moved_by == "arrays" else []  # its signals are not compiled
    span = SPANS[moved_by]
    folders = {
        every: exported(works(0.1, *others), tmp_path / f"{every}", span=span, every=every)
        for every in (0.1, 1.0, 10.0)
    }
    assert (compiled_run(works(0.1, *others), 10**6) is None) == (moved_by == "arrays")
    for file in sorted((folders[0.1] / "devices").iterdir()):
        device = file.name.removesuffix(".csv.gz")
        fine = read(folders[0.1], f"devices/{device}")
        for every in (1.0, 10.0):
            coarse = read(folders[every], f"devices/{device}")
            assert len(coarse) == span / every
            pandas.testing.assert_frame_equal(
                coarse, fine.loc[coarse.index], check_exact=True, check_dtype=False
            )
    finest = read(folders[0.1], "truth/events")
    assert len(finest) > 5
    for every in (1.0, 10.0):
        last = round((span - every) / 0.1)  # an export ends with its last row
        pandas.testing.assert_frame_equal(read(folders[every], "truth/events"), finest[finest.index <= last])


@pytest.mark.parametrize("take", ["mean", "min", "max"])
@pytest.mark.parametrize("chunk", [4, 7, 1000])
def test_a_row_sums_up_the_gauges_of_its_interval_and_has_the_last_of_all_else(
    take: Take, chunk: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "CHUNK_ROWS", chunk)
    faults = [
        {"device": "pump", "fault": "drop_out", "point": "flow", "start": 13, "duration": 17},
        {"device": "pump", "fault": "reboot", "start": 41, "duration": 15},
    ]
    fine = read(exported(plant(PUMP, faults=faults), tmp_path / "fine", span=80, every=1), "devices/pump")
    rows = exported(plant(PUMP, faults=faults), tmp_path / "rows", span=80, every=5, take=take)
    got = read(rows, "devices/pump")
    assert list(got.index) == list(range(0, 80, 5))
    for tick in got.index:
        window = fine.loc[max(tick - 4, 0) : tick]
        for point in ("flow", "vibration", "winding_temperature"):
            wanted = getattr(window[point], take)()
            assert np.isclose(got[point][tick], wanted, rtol=1e-6, atol=1e-6, equal_nan=True)
        for point in ("state", "energy", "starts"):
            assert np.isclose(got[point][tick], fine[point][tick], equal_nan=True)
    assert got["flow"].isna().sum() == 3 + 2


def test_an_interval_may_be_longer_than_any_chunk() -> None:
    intervals = Intervals("mean", ["flow"])
    none = np.array([], dtype=np.intp)
    assert not len(intervals.rows({"flow": np.array([1.0, 2.0])}, none)["flow"])
    assert not len(intervals.rows({"flow": np.array([np.nan, 6.0])}, none)["flow"])
    rows = intervals.rows({"flow": np.array([3.0, 10.0, 20.0])}, np.array([0]))
    assert list(rows["flow"]) == [3.0]
    assert list(intervals.rows({"flow": np.array([30.0])}, np.array([0]))["flow"]) == [20.0]


@pytest.mark.parametrize("dt", [0.1, 0.5, 1.0, 2.0, 5.0])
def test_the_fill_pressure_of_a_shot_does_not_depend_on_the_step(dt: float) -> None:
    machine: Any = stepped(
        "injection-moulding-machine", steps=round(600 / dt), dt=dt, hours_between_stops=1e9
    )
    assert 950 < machine.values()["fill_pressure"][0] < 1150


@pytest.mark.parametrize("dt", [1.0, 5.0, 10.0])
def test_the_rejects_of_a_packing_line_do_not_depend_on_the_step(dt: float) -> None:
    machine: Any = stepped("conveyor-packaging-line", dt=dt, hours_between_stops=1e9)
    before = {name: float(machine.values()[name][0]) for name in ("pack_count", "reject_count")}
    machine.mean._tau, machine.mean.value = 1e15, np.array([3.1])  # a pack in six is too heavy
    for _ in range(round(4000 / dt)):
        machine.step(dt, nominal_surroundings(1))
    packs, rejects = (float(machine.values()[name][0]) - before[name] for name in before)
    assert packs > 3500
    assert rejects / packs == pytest.approx(0.159, abs=0.02)
