"""Sensors: noise of their kind, the same at a time whatever the interval, and never in the physics."""

import gzip
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qilu.config.profiles import profiles
from qilu.contract.errors import ConfigError
from simulator.app import load
from simulator.ground_truth.export import export, plan_export
from simulator.machines import MODELS
from simulator.plant.plant import Plant
from simulator.sensors.kinds import BY_POINT, BY_UNIT, KINDS, SensorKind, kind_of
from simulator.sensors.layer import SensedModel, Sensors
from tests.simulator.simulated import plant, profile

COMPRESSOR = {"device": "air", "machine": "screw-air-compressor"}
PUMP = {"device": "pump", "machine": "centrifugal-pump"}


def true(of: Plant, device: str) -> dict[str, float]:
    asked = of.devices[device]
    return {
        name: float(value[asked._row])
        for name, value in asked._image.machines.values().items()
        if value.dtype.kind != "S"
    }


def sensed(kind: SensorKind, values: list[float], *, dt: float = 1.0) -> list[float]:
    """What one sensor of a compressor's oil shows of these true values."""
    sensors = Sensors([SensedModel(profile("screw-air-compressor"), ["m"], [{"oil_temperature": kind}])], 1)
    shown = []
    for step, value in enumerate(values):
        of = [{"oil_temperature": np.array([value])}]
        sensors.follow(of, step * dt)
        shown.append(float(sensors.read(of, step * dt)[0]["oil_temperature"][0]))
    return shown


def rows_of(folder: Path, device: str) -> dict[int, str]:
    lines = gzip.decompress((folder / "devices" / f"{device}.csv.gz").read_bytes()).decode().splitlines()
    return {int(line.split(",")[1]): line.split(",", 1)[1] for line in lines[1:]}


def test_a_lag_shows_63_percent_of_a_step_after_its_time_constant_and_nothing_in_its_dead_time() -> None:
    shown = sensed(SensorKind(time_constant=10.0, dead_time=5.0), [20.0] + [120.0] * 60)
    assert shown[:6] == [20.0] * 6
    assert shown[15] == pytest.approx(20.0 + 100.0 * (1.0 - np.exp(-1.0)), abs=0.01)


def test_a_reading_stands_on_the_steps_of_its_sensor() -> None:
    assert sensed(SensorKind(resolution=0.25), [20.1, 20.2, 20.4]) == [20.0, 20.25, 20.5]


def test_noise_has_the_deviation_of_its_kind_and_no_memory() -> None:
    shown = np.array(sensed(SensorKind(noise=0.2), [50.0] * 4000))
    assert shown.std() == pytest.approx(0.2, rel=0.05)
    assert shown.mean() == pytest.approx(50.0, abs=0.02)
    assert abs(np.corrcoef(shown[:-1], shown[1:])[0, 1]) < 0.05


def test_drift_grows_by_its_deviation_in_a_year_and_another_sensor_drifts_otherwise() -> None:
    names = [f"m{number}" for number in range(400)]
    kinds = [{"oil_temperature": KINDS["none"]._replace(drift=0.5)}] * len(names)
    sensors = Sensors([SensedModel(profile("screw-air-compressor"), names, kinds)], 3)
    of = [{"oil_temperature": np.full(len(names), 50.0)}]
    first, last = (
        np.array(sensors.read(of, seconds)[0]["oil_temperature"]) for seconds in (0.0, 365.0 * 86_400.0)
    )
    assert (last - first).std() == pytest.approx(0.5, rel=0.1)


@pytest.mark.parametrize(
    ("device", "point", "least"),
    [("pump", "winding_temperature", 0.05), ("air", "discharge_temperature", 0.03),
     ("pump", "vibration", 0.005), ("air", "power", 0.02)],
)  # fmt: skip
def test_a_served_value_is_noisy_about_the_true_one(device: str, point: str, least: float) -> None:
    works = plant(COMPRESSOR, PUMP)
    asked = works.devices[device]
    from simulator.registers.decoder import Recorder, columns

    recorder = Recorder(asked._image, 600)
    truth = []
    for _ in range(600):
        works.advance()
        recorder.take()
        truth.append(true(works, device)[point])
    served = np.asarray(columns(asked._image, recorder.read(), asked._row)[point], dtype=np.float64)
    curvature = np.diff(served - np.array(truth), 2) / np.sqrt(6.0)
    assert curvature.std() > least
    assert np.abs(served - truth).mean() < 0.1 * np.abs(truth).mean()


@pytest.mark.parametrize("every", [1.0, 10.0])
def test_samples_of_a_noisy_plant_are_the_same_at_common_times_whatever_the_interval(
    every: float, tmp_path: Path
) -> None:
    for interval in (0.1, every):
        works = plant(COMPRESSOR, PUMP, step=0.1)
        folder = tmp_path / str(interval)
        list(export(works, folder, plan_export(works, 60.0, interval, "csv")))
    for device in ("air", "pump"):
        fine, coarse = (rows_of(tmp_path / str(interval), device) for interval in (0.1, every))
        assert len(coarse) == round(60.0 / every)
        assert all(fine[time] == row for time, row in coarse.items())


def test_sensors_change_nothing_of_what_happens_in_the_plant() -> None:
    real, ideal = (plant(COMPRESSOR, PUMP, sensors=sensors) for sensors in ("real", "ideal"))
    for works in (real, ideal):
        works.advance(300)
    for device in ("air", "pump"):
        assert true(real, device) == true(ideal, device)


def test_an_ideal_sensor_shows_the_truth_and_the_settings_of_a_machine_come_before_those_of_the_plant() -> (
    None
):
    works = plant(
        {**PUMP, "sensors": "ideal"},
        {**PUMP, "device": "noisy", "sensors": {"vibration": {"noise": 5.0}, "flow": "ideal"}},
    )
    shown: dict[str, list[float]] = defaultdict(list)
    for _ in range(50):
        works.advance()
        for device in ("pump", "noisy"):
            raw = works.devices[device].read_registers(profile("centrifugal-pump").point("flow").table, 0, 8)
            flow, vibration = np.frombuffer(raw[:4], "<f4")[0], np.frombuffer(raw[12:16], "<f4")[0]
            shown[f"{device} flow"].append(float(flow) - true(works, device)["flow"])
            shown[f"{device} vibration"].append(float(vibration) - true(works, device)["vibration"])
    assert np.abs(shown["pump flow"]).max() < 1e-4
    assert np.abs(shown["pump vibration"]).max() < 1e-4
    assert np.abs(shown["noisy flow"]).max() < 1e-4
    assert np.std(shown["noisy vibration"]) > 1.0


def test_the_noise_of_a_machine_does_not_depend_on_its_neighbours() -> None:
    alone, beside = plant(PUMP), plant(COMPRESSOR, PUMP, {**PUMP, "device": "other"})
    for works in (alone, beside):
        works.advance(20)
    table = profile("centrifugal-pump").point("flow").table
    assert alone.devices["pump"].read_registers(table, 0, 20) == beside.devices["pump"].read_registers(
        table, 0, 20
    )


def test_every_kind_of_sensor_is_used_and_names_its_source() -> None:
    used = {*BY_UNIT.values(), *BY_POINT.values(), "electrical meter"}
    assert used == set(KINDS)
    assert all(kind.source for kind in KINDS.values())
    points = {point.name for of in profiles(set(MODELS)).values() for point in of.points}
    assert not set(BY_POINT) - points


def test_a_counter_a_set_point_and_a_state_have_no_sensor() -> None:
    for of in profiles(set(MODELS)).values():
        for point in of.points:
            if point.kind != "gauge" or point.writable:
                assert kind_of(of, point) == "none"


def test_a_point_without_a_sensor_is_refused_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "plant.yaml"
    file.write_text(
        "machines:\n  - {device: p, machine: centrifugal-pump, port: 5020, sensors: {flaw: {noise: 1}}}\n"
    )
    with pytest.raises(ConfigError, match="no sensor for a point flaw") as refused:
        load(file, lowest_port=1)
    assert "flow" in str(refused.value)


def test_a_machine_from_a_file_has_the_sensors_that_its_settings_name() -> None:
    meter: dict[str, Any] = {"device": "meter", "machine": "eastron-sdm630"}
    plain = plant(meter)
    assert not plain.sensors.layers
    named = plant({**meter, "sensors": {"power": {"noise": 3.0}}})
    assert [len(layer._noise) for _, layer in named.sensors.layers] == [1]


def test_the_page_lists_every_kind_of_sensor_with_its_numbers() -> None:
    page = (Path(__file__).parents[2] / "docs" / "simulator.md").read_text(encoding="utf-8")
    for name, kind in KINDS.items():
        if name != "none":
            [row] = [line for line in page.splitlines() if line.startswith(f"| {name} | ")]
            numbers = (kind.noise, 100 * kind.relative_noise, kind.resolution, kind.time_constant,
                       kind.dead_time, kind.drift, 100 * kind.relative_drift)  # fmt: skip
            assert all(f"{number:g}" in row for number in numbers if number)
            assert row.endswith(f"| {kind.source} |")
