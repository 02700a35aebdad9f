"""A fleet with random faults as data for learning, and the baseline of docs/examples on it."""

import csv
import gzip
import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from qilu.contract.errors import ConfigError
from qilu_cli.commands.export_fleet import export_fleet
from simulator.learning.fleet_data import write_fleet
from simulator.learning.fleet_faults import drawn_units
from simulator.learning.presets import DAY, PRESETS
from tests.simulator.simulated import plant
from tests.simulator.test_examples import example

SMALL = replace(PRESETS["pump-bearing"], units=10, span=DAY, every=300.0, ramp=(0.2 * DAY, 0.4 * DAY))
PUMP = {"device": "p", "machine": "centrifugal-pump"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("fleet")
    assert list(write_fleet(SMALL, "pump-bearing", 5, made))[-1] == 1.0
    return made


def table(folder: Path, name: str) -> list[dict[str, str]]:
    with gzip.open(folder / f"{name}.csv.gz", "rt") as file:
        return list(csv.DictReader(file))


@cache
def baseline() -> ModuleType:
    return example("fleet_baseline")


@pytest.mark.slow
def test_its_files_are_for_their_owner_alone(folder: Path) -> None:
    assert {file.stat().st_mode & 0o777 for file in folder.iterdir()} == {0o600}


@pytest.mark.slow
def test_features_and_labels_are_two_files_with_the_same_rows(folder: Path) -> None:
    features, labels = table(folder, "features"), table(folder, "labels")
    assert [(row["device"], row["time_ms"]) for row in features] == [
        (row["device"], row["time_ms"]) for row in labels
    ]
    assert not {"severity", "faulty", "split", "remaining_life_s"} & features[0].keys()
    described = json.loads((folder / "dataset.json").read_text())
    assert {"device", "time_ms", "run_hours", "energy", "starts"} <= set(described["not_features"])
    assert not set(described["features"]) & set(described["not_features"])
    assert set(described["features"]) <= features[0].keys()
    card = (folder / "README.md").read_text()
    assert all(name in card for name in (*described["not_features"], "remaining_life_s"))


@pytest.mark.slow
def test_features_are_noisy_and_the_true_values_stand_beside_the_labels(folder: Path) -> None:
    features, labels = table(folder, "features"), table(folder, "labels")
    error = np.array([float(row["vibration"]) for row in features]) - np.array(
        [float(row["true_vibration"]) for row in labels]
    )
    assert 0.005 < error.std() < 0.5


@pytest.mark.slow
def test_the_remaining_life_ends_at_the_alarm_and_no_unit_is_on_both_sides(folder: Path) -> None:
    labels = table(folder, "labels")
    sides: dict[str, set[str]] = {}
    lives: dict[str, list[float]] = {}
    for row in labels:
        sides.setdefault(row["device"], set()).add(row["split"])
        if row["remaining_life_s"]:
            lives.setdefault(row["device"], []).append(float(row["remaining_life_s"]))
    assert all(len(of_unit) == 1 for of_unit in sides.values())
    assert {side for of_unit in sides.values() for side in of_unit} == {"train", "test"}
    assert lives
    for of_unit in lives.values():
        assert np.diff(of_unit) == pytest.approx(-300.0)
        assert 0.0 < of_unit[-1] <= 300.0


@pytest.mark.slow
def test_the_baseline_finds_wear_on_unseen_units_nothing_in_shuffled_labels_and_no_leak(folder: Path) -> None:
    found = baseline().report(baseline().read(folder))
    assert found["auc"] > 0.75
    assert found["low"] <= found["auc"] <= found["high"]
    assert found["shuffled"] == pytest.approx(0.5, abs=0.05)
    assert found["leaks"] == []


@pytest.mark.slow
def test_a_planted_leak_is_reported(folder: Path) -> None:
    leaky = baseline().with_leak(baseline().read(folder))
    assert [text.split()[0] for text in baseline().leaks(leaky)] == ["maintenance_mark"]
    old = baseline().read(folder, extra=("run_hours",))
    assert any("run_hours counts the time" in text for text in baseline().leaks(old))
    mixed = baseline().read(folder)
    mixed.test[mixed.unit == mixed.unit[0]] = (
        np.arange(np.count_nonzero(mixed.unit == mixed.unit[0])) % 2 == 0
    )
    assert any("both sides" in text for text in baseline().leaks(mixed))


def test_the_units_of_a_fleet_follow_from_its_seed_and_have_every_growth() -> None:
    preset = PRESETS["pump-bearing"]
    units = drawn_units(preset, 1)
    assert units == drawn_units(preset, 1)
    assert units != drawn_units(preset, 2)
    faults: list[dict[str, Any]] = [unit.fault for unit in units if unit.fault is not None]
    assert len(units) - len(faults) == 4
    assert {fault["growth_shape"] for fault in faults} == set(preset.growths)
    assert sum(unit.split == "test" for unit in units) == 6
    assert any(unit.fault is None and unit.split == "test" for unit in units)


@pytest.mark.parametrize(
    ("growth", "half"), [("linear", 0.5), ("quadratic", 0.25), ("exponential", 0.119), ("intermittent", None)]
)
def test_a_fault_grows_in_its_shape(growth: str, half: float | None) -> None:
    fault = {"device": "p", "fault": "bearing_wear", "start": 0, "ramp": 1000, "growth_shape": growth}
    [instance] = plant(PUMP, faults=[fault], step=10).faults
    assert instance.severity(1000.0) == 1.0
    if half is not None:
        assert instance.severity(500.0) == pytest.approx(half, abs=0.001)
        return
    levels = np.array([instance.severity(second) for second in range(0, 1000, 60)])
    assert (levels[:8] == 0.0).any()
    assert (levels > 0.0).sum() > 5


async def test_an_unknown_preset_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no preset 'pump-baring'"):
        await export_fleet("pump-baring", tmp_path, 0)
