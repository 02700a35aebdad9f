"""Machines from a file: a device profile and signals, without physics."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from qilu.config.profiles import known_profiles
from qilu.contract.errors import ConfigError
from qilu.contract.profile import Table
from simulator import app
from simulator.machines import MODELS
from simulator.plant.plant import Plant
from simulator.signals.noise import device_keys, normal, point_keys, uniform
from simulator.signals.settings import SIGNALS

METER = "eastron-sdm630"
PROFILE = """\
profile: tank
groups: {fast: 1s}
points:
  - {name: level, table: holding, address: 0, type: float32}
  - {name: outflow, table: holding, address: 2, type: float32}
  - {name: volume, table: holding, address: 4, type: uint32, kind: counter}
  - {name: set_point, table: holding, address: 6, type: float32, access: read_write}
  - {name: valve, table: coil, address: 0, type: bool, access: read_write}
  - {name: name, table: holding, address: 8, type: string, length: 8}
"""


def write_plant(folder: Path, machine: str = "tank", **settings: Any) -> Path:
    (folder / "profiles").mkdir(exist_ok=True)
    (folder / "profiles" / "tank.yaml").write_text(PROFILE)
    entry = {"device": "tank-1", "machine": machine, "port": 5020, **settings}
    file = folder / "plant.yaml"
    file.write_text(yaml.safe_dump({"step": 1.0, "machines": [entry]}))
    return file


def load(folder: Path, signals: Mapping[str, Any], **settings: Any) -> Plant:
    return app.load(write_plant(folder, signals=dict(signals), **settings))


def values(plant: Plant) -> Mapping[str, Any]:
    [image] = plant.images
    return {name: array[0] for name, array in image.machines.values().items()}


@pytest.mark.parametrize(
    ("signal", "expected"),
    [
        (3, [3.0] * 6),
        ({"signal": "ramp", "start": 0, "stop": 4, "duration": "4s"}, [0, 1, 2, 3, 4, 4]),
        ({"signal": "saw", "low": 0, "high": 3, "period": "3s"}, [0, 1, 2, 0, 1, 2]),
        ({"signal": "square", "low": 1, "high": 5, "period": "4s", "duty": 0.25}, [5, 1, 1, 1, 5, 1]),
        ({"signal": "counter", "rate": 2, "start": 10}, [12, 14, 16, 18, 20, 22]),
        ("t * 2 + 1", [1, 3, 5, 7, 9, 11]),
        (
            {
                "signal": "schedule",
                "steps": [{"value": 7, "duration": "2s"}, {"value": 8, "duration": "1s"}],
            },
            [7, 7, 8, 7, 7, 8],
        ),
        ({"signal": "sine", "mean": 5, "amplitude": 2, "period": "4s"}, [5, 7, 5, 3, 5, 7]),
    ],
)
def test_a_signal_has_these_values(tmp_path: Path, signal: Any, expected: list[float]) -> None:
    plant = load(tmp_path, {"level": signal})
    seen = []
    for _ in expected:
        seen.append(float(values(plant)["level"]))
        plant.advance()
    assert seen == pytest.approx(expected)


def test_a_point_follows_another_with_a_lag(tmp_path: Path) -> None:
    step = {"signal": "square", "low": 0, "high": 10, "period": "1000s"}
    plant = load(
        tmp_path, {"level": step, "outflow": {"signal": "follow", "point": "10 - level", "lag": "5s"}}
    )
    assert values(plant)["outflow"] == 0.0
    plant.advance(499)
    assert values(plant)["outflow"] == 0.0
    plant.advance(6)
    assert values(plant)["outflow"] == pytest.approx(10 * (1 - math.exp(-6 / 5)))


def test_a_counter_counts_what_a_formula_of_other_points_gives(tmp_path: Path) -> None:
    signals = {"outflow": "level / 2", "level": 8, "volume": {"signal": "counter", "rate": "outflow"}}
    plant = load(tmp_path, signals)
    plant.advance(9)
    assert values(plant)["volume"] == 40.0


def test_a_walk_stays_between_its_bounds_and_differs_from_device_to_device(tmp_path: Path) -> None:
    plant = load(tmp_path, {"level": {"signal": "walk", "low": 2, "high": 3, "rate": 0.4}}, replicas=3)
    seen = []
    for _ in range(2000):
        plant.advance()
        seen.append(plant.images[0].machines.values()["level"])
    walked = np.array(seen)
    assert walked.min() >= 2.0
    assert walked.max() <= 3.0
    assert walked.std(axis=0).min() > 0.2
    assert abs(np.corrcoef(walked.T)[0, 1]) < 0.2


def test_noise_is_that_of_the_sensor_and_not_of_what_follows(tmp_path: Path) -> None:
    plant = load(tmp_path, {"level": {"signal": "constant", "value": 5, "noise": 0.5}, "outflow": "level"})
    levels = []
    for _ in range(1000):
        plant.advance()
        assert values(plant)["outflow"] == 5.0
        levels.append(float(values(plant)["level"]))
    assert np.mean(levels) == pytest.approx(5.0, abs=0.1)
    assert np.std(levels) == pytest.approx(0.5, abs=0.05)


def test_a_client_writes_a_set_point_and_a_formula_follows_it(tmp_path: Path) -> None:
    plant = load(
        tmp_path, {"level": "set_point * 2 if valve else 0", "set_point": {"signal": "setpoint", "value": 3}}
    )
    device = plant.devices["tank-1"]
    assert values(plant)["level"] == 0.0
    device.write_bits(0, [True])
    device.write_registers(6, np.array([4.0], dtype=">f4").tobytes())
    plant.advance()
    assert values(plant)["level"] == 8.0


def test_what_a_formula_cannot_compute_is_no_value_in_the_registers(tmp_path: Path) -> None:
    plant = load(tmp_path, {"level": "1 / (t - t)"})
    plant.advance()
    assert math.isnan(values(plant)["level"])
    [image] = plant.images
    assert math.isnan(np.frombuffer(image.buffers[Table.HOLDING], dtype=">f4")[0])


def test_a_text_is_a_text_and_a_formula_elsewhere(tmp_path: Path) -> None:
    plant = load(tmp_path, {"name": "Tank 7 - A"})
    assert values(plant)["name"] == b"Tank 7 - A"


@pytest.mark.parametrize(
    ("signals", "problem"),
    [
        ({"levl": 3}, "machines.0.signals.levl: tank has no point levl; did you mean level?"),
        ({"level": "levl + 1", "outflow": 1}, "signals.level: there is no point levl"),
        ({"level": "outflow + 1", "outflow": "level"}, "needs"),
        ({"level": "2 *"}, "signals.level: '2 *' is not a formula"),
        ({"level": "open('x')"}, "there is no function open"),
        ({"level": {"signal": "setpoint"}}, "no client can write this point"),
        ({"name": 3}, "does not fit the type string"),
        ({"level": {"signal": "text", "value": "x"}}, "does not fit the type float32"),
        (
            {"level": {"signal": "walk", "low": 3, "high": 2, "rate": 1}},
            "2 is not above low, 3; give a larger one",
        ),
        ({"level": {"low": 3}}, "has no signal; write signal: and one of"),
        ({"level": [1]}, "a list is no signal"),
    ],
)
def test_a_wrong_signal_is_refused_with_place_and_remedy(
    tmp_path: Path, signals: Mapping[str, Any], problem: str
) -> None:
    with pytest.raises(ConfigError) as error:
        load(tmp_path, signals)
    assert problem in str(error.value)
    assert "plant.yaml:" in str(error.value)


def test_physics_and_signals_do_not_go_together(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="are moved by its physics"):
        load(tmp_path, {"load_pressure": 3}, machine="screw-air-compressor")


@pytest.mark.parametrize("profile", sorted(set(known_profiles()) - set(MODELS)))
def test_every_shipped_profile_is_a_living_machine_without_a_word_more(tmp_path: Path, profile: str) -> None:
    plant = app.load(write_plant(tmp_path, profile))
    first = {name: array.copy() for name, array in plant.images[0].machines.values().items()}
    plant.advance(60)
    now = plant.images[0].machines.values()
    moved = [name for name, array in now.items() if array.dtype.kind == "f" and array[0] != first[name][0]]
    assert moved
    [served] = plant.images
    for point in served.profile.points:
        value = now.get(point.name)
        if value is not None and value.dtype.kind == "f" and not point.table.holds_bits:
            limits = point.limits
            assert limits.min is None or value[0] >= limits.min, point.name
            assert limits.max is None or value[0] <= limits.max, point.name


def test_a_device_is_the_same_whatever_stands_beside_it(tmp_path: Path) -> None:
    def meter(*devices: str) -> Any:
        machines = [
            {"device": device, "machine": METER, "port": 5020 + index} for index, device in enumerate(devices)
        ]
        file = tmp_path / "plant.yaml"
        file.write_text(yaml.safe_dump({"step": 1.0, "machines": machines}))
        plant = app.load(file)
        plant.advance(30)
        return plant.devices["b"].read_registers(plant.devices["b"].profile.points[0].table, 0, 20)

    assert meter("b") == meter("a", "b", "c")


@given(st.integers(0, 2**63), st.integers(0, 10**9))
def test_random_numbers_are_uniform_and_normal_for_any_draw(seed: int, draw: int) -> None:
    keys = point_keys(device_keys(seed, [f"machine-{number}" for number in range(2000)]), "level")
    even = uniform(keys, draw)
    assert even.min() >= 0.0
    assert even.max() < 1.0
    assert np.histogram(even, bins=4, range=(0, 1))[0].min() > 350
    bell = normal(keys, draw)
    assert abs(bell.mean()) < 0.15
    assert 0.85 < bell.std() < 1.15


def test_the_page_names_every_signal() -> None:
    page = (Path(__file__).parents[2] / "docs" / "machines-from-a-file.md").read_text()
    assert [name for name in SIGNALS if f"`{name}`" not in page] == []


def test_a_profile_alone_is_a_plant(tmp_path: Path) -> None:
    plant = app.plant_of_profile(METER, port=5020, replicas=3)
    assert list(plant.devices) == [f"{METER}-{number}" for number in (1, 2, 3)]
    write_plant(tmp_path)
    own = app.plant_of_profile(str(tmp_path / "profiles" / "tank.yaml"), port=5020)
    assert list(own.devices) == ["tank"]
    with pytest.raises(ConfigError, match=f"did you mean {METER}"):
        app.plant_of_profile("eastron-sdm63", port=5020)
