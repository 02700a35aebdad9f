"""The examples of docs/ run, and what they find in exported data is what was put into it."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from simulator import app
from simulator.ground_truth.export import export, plan_export
from simulator.plant.plant import Plant
from tests.simulator.simulated import plant

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


def example(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def data_set(made: Plant, folder: Path, hours: float) -> Path:
    every = made.settings.step
    for _row in export(made, folder, plan_export(made, hours * 3600, every, "csv")):
        pass
    return folder


def test_bearing_wear_is_seen_hours_before_the_drive_trips_and_never_before_it_began(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    worn = app.load(EXAMPLES / "bearing-wear.yaml", step=10.0)
    folder, picture = data_set(worn, tmp_path / "set", 36), tmp_path / "wear.svg"
    wear = example("bearing_wear")
    monkeypatch.setattr(sys, "argv", ["bearing_wear.py", str(folder), str(picture)])
    wear.main()
    found, _watched = wear.watch(folder)
    assert found.begun == pytest.approx(26.0, abs=0.01)
    assert found.begun < found.seen < found.tripped - 3.0
    assert f"{found.tripped - found.seen:.1f} h before the failure" in capsys.readouterr().out
    assert ET.parse(picture).getroot().tag == "{http://www.w3.org/2000/svg}svg"
    shipped = (EXAMPLES / "bearing_wear.svg").read_text()  # equal but for the last bits of other processors
    assert len(shipped.splitlines()) == len(picture.read_text().splitlines())


def moulding(robot: float) -> Plant:
    """Two machines that fill a belt, and a robot that empties it, so many times slower than it could be."""
    machine = {"machine": "injection-moulding-machine", "parameters": {"hours_between_stops": 20}}
    return plant(
        {"device": "a", **machine},
        {"device": "b", **machine},
        {"device": "robot", "machine": "robot-cell", "parameters": {"cycle_factor": robot}},
        buffers=[{"after": ["a", "b"], "before": ["robot"], "capacity": 6, "filled": 2}],
        step=5.0,
        breaks=[{"start": "08:40", "end": "08:50"}],
    )


def test_the_bottleneck_and_the_effectiveness_follow_from_the_events(tmp_path: Path) -> None:
    oee: Any = example("oee")
    quick = oee.effects(data_set(moulding(1.0), tmp_path / "quick", 1.5))
    slow = oee.effects(data_set(moulding(2.0), tmp_path / "slow", 1.5))
    assert oee.bottleneck(quick) in ("a", "b")
    assert oee.bottleneck(slow) == "robot"
    assert slow["a"].waiting > 0.2
    assert slow["a"].availability < quick["a"].availability - 0.2
    assert slow["a"].energy_per_part > quick["a"].energy_per_part
    made = sum(quick[name].parts * quick[name].quality for name in "ab")
    assert abs(quick["robot"].parts - made) <= 2 + 6 + 1  # what lies on the belt and in the robot's hand
    for one in (*quick.values(), *slow.values()):
        assert 0 < one.oee <= 1


def test_the_commands_of_the_examples_are_those_that_exist() -> None:
    for name in ("bearing_wear", "oee"):
        text = (EXAMPLES / f"{name}.py").read_text()
        assert "qilu plant export " in text
        for word in text.split():
            if word.endswith(".yaml"):
                assert (EXAMPLES.parents[1] / word).exists(), word
