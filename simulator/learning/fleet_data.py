"""Writes a fleet as data for learning: what clients read in one file, labels and truth in another.

    features.csv.gz     device, time_ms, the points that a client reads
    labels.csv.gz       device, time_ms, split (train or test), severity, faulty (0 or 1), remaining_life_s
                        (empty where the unit does not fail in the span), true_POINT for each measured point
    dataset.json        preset, seed, features, columns that are none, faults of the units
    README.md           the data card

A unit is recorded until the alarm of its fault stops it for the first time. The two files have the same rows.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qilu.config.profiles import profiles
from qilu.contract.profile import DataType, DeviceProfile
from qilu.runtime.private_files import write_named
from simulator.ground_truth.tables import table_file
from simulator.learning.data_card import card
from simulator.learning.fleet_faults import Unit, drawn_units
from simulator.learning.presets import FleetPreset
from simulator.physics.noise import Array
from simulator.plant.events import Event
from simulator.plant.plant import Plant
from simulator.plant.settings import PlantSettings
from simulator.registers.decoder import Recorder, columns

KEYS = ("device", "time_ms")


def fleet_plant(preset: FleetPreset, units: Sequence[Unit], seed: int) -> Plant:
    """The plant in which the units run, each with its own spread of parameters."""
    machines = [
        {"device": unit.device, "machine": preset.machine, "port": 5020, "unit_id": number + 1}
        for number, unit in enumerate(units)
    ]
    faults = [unit.fault for unit in units if unit.fault is not None]
    settings = {"plant": "fleet", "seed": seed, "step": preset.step, "machines": machines, "faults": faults}
    return Plant(PlantSettings.model_validate(settings), profiles({preset.machine}))


def write_fleet(preset: FleetPreset, name: str, seed: int, folder: Path) -> Iterator[float]:
    """Runs the fleet and writes its files; yields the share that is done.

    ConfigError: a file is there already or cannot be written.
    """
    units = drawn_units(preset, seed)
    plant = fleet_plant(preset, units, seed)
    run = _FleetRun(preset, plant)
    ticks, rows = round(preset.every / preset.step), int(preset.span / preset.every)
    features, labels = (table_file(folder, name, "csv") for name in ("features", "labels"))
    try:
        for row in range(rows):
            run.take(row)
            plant.advance(ticks)
            yield (row + 1) / rows
        for number, unit in enumerate(units):
            served, labelled = run.tables(number, unit)
            features.write(served)
            labels.write(labelled)
    finally:
        features.close()
        labels.close()
    plain = _described(preset, name, seed, units, run.points)
    write_named(folder / "dataset.json", json.dumps(plain, indent=1) + "\n")
    write_named(folder / "README.md", card(plain))


class _FleetRun:
    """What is recorded of a fleet while it runs."""

    def __init__(self, preset: FleetPreset, plant: Plant) -> None:
        [self._image] = plant.images
        self._plant, self._preset = plant, preset
        rows = int(preset.span / preset.every)
        self._recorder = Recorder(self._image, rows)
        self._times = np.zeros(rows, dtype=np.int64)
        self._severity = np.zeros((rows, len(plant.devices)))
        self.points = _measured(self._image.profile)
        self._true = {name: np.zeros((rows, len(plant.devices))) for name in self.points}
        self._served: Mapping[Any, Any] | None = None
        self._end: dict[str, int] = {}  # tick at which the life of a unit ended
        plant.listen(self._on_event)

    def take(self, row: int) -> None:
        """One row of every unit, as it stands now."""
        start_ms = int(self._plant.settings.start.replace(tzinfo=UTC).timestamp() * 1000)
        self._times[row] = start_ms + round(self._plant.seconds * 1000)
        self._severity[row] = self._image.machines.severity[self._preset.fault]
        self._recorder.take()
        [(_, _, values)] = self._plant.true_values()
        for name, recorded in self._true.items():
            recorded[row] = values[name]

    def tables(self, number: int, unit: Unit) -> tuple[dict[str, NDArray[Any]], dict[str, NDArray[Any]]]:
        if self._served is None:
            self._served = self._recorder.read()
        ticks = round(self._preset.every / self._preset.step)
        end = self._end.get(unit.device)
        rows = len(self._times) if end is None else min(-(-end // ticks), len(self._times))
        times = self._times[:rows]
        keys = {"device": np.full(rows, unit.device.encode()), "time_ms": times}
        life: Array = np.full(rows, np.nan)
        if end is not None:
            life[:] = end * self._preset.step - np.arange(rows) * self._preset.every
        severity = self._severity[:rows, number]
        served = columns(self._image, self._served, number)
        labels = {
            "split": np.full(rows, unit.split.encode()),
            "severity": np.round(severity, 5),
            "faulty": (severity >= self._preset.present).astype(np.int64),
            "remaining_life_s": life,
        }
        true = {f"true_{name}": np.round(of[:rows, number], 4) for name, of in self._true.items()}
        return (keys | {name: column[:rows] for name, column in served.items()}, keys | labels | true)

    def _on_event(self, event: Event) -> None:
        if event.event == "alarm" and event.after == self._preset.alarm:
            self._end.setdefault(event.device, event.tick)


def _measured(profile: DeviceProfile) -> list[str]:
    """The points that a sensor measures."""
    return [
        point.name
        for point in profile.points
        if point.kind == "gauge" and not point.writable and point.type not in (DataType.BOOL, DataType.STRING)
    ]


def _described(
    preset: FleetPreset, name: str, seed: int, units: Sequence[Unit], features: Sequence[str]
) -> dict[str, Any]:
    return {
        "preset": name,
        "seed": seed,
        **asdict(preset),
        "features": [point for point in features if point not in preset.left_out],
        "keys": list(KEYS),
        "not_features": [*KEYS, *preset.left_out],
        "units": [unit._asdict() for unit in units],
    }
