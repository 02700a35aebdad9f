"""Runs a plant through many ticks by its compiled step, and records what its registers would have shown.

Where numpy's functions and those of Python round differently, values differ from those of `Plant.advance` by
some parts in 10^12.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qilu.contract.profile import Table
from simulator.compiled.recorded_sensors import Places, RecordedSensors, late_points
from simulator.compiled.step import CompiledStep, Numbers, compile_step
from simulator.compiled.symbols import UntraceableError
from simulator.physics.machine import Values
from simulator.physics.noise import Array
from simulator.plant.assembly import ModelGroup
from simulator.plant.plant import Plant
from simulator.registers.decoder import RecordedRegisters
from simulator.registers.image import Image
from simulator.sensors.layer import Readings

MIN_TICKS = 2_000  # of a run that is worth the second in which its step is compiled
MAX_DEVICES = 64  # of a plant whose step is compiled: the code grows with them, and arrays pay above
DRAWN = 1024  # steps whose random numbers are drawn at once

Shown = dict[tuple[str, int], float]


def compiled_run(plant: Plant, ticks: int) -> CompiledRun | None:
    """None where the code of a model cannot be noted, the plant is large or the run is short.

    The plant must not be advanced in another way from now on.
    """
    if len(plant.devices) > MAX_DEVICES or ticks < MIN_TICKS:
        return None
    try:
        return CompiledRun(plant)
    except UntraceableError:
        return None


class CompiledRun:
    """`advance` is one tick, `take` records the registers after it, `read` gives what was recorded."""

    def __init__(self, plant: Plant) -> None:
        """UntraceableError: the code of a model cannot be noted."""
        self._plant = plant
        self._step: CompiledStep = compile_step(
            plant.works, plant.settings.step, _faults(plant), late_points(plant.sensors)
        )
        layout = self._step.layout
        self._draws: Iterator[list[float]] = iter(())
        self._codes: Numbers | None = None
        self._models = [_Model(row, fixed) for row, fixed in zip(plant.groups, layout.values, strict=True)]
        self._makers = [
            int(place)
            for row, makes in zip(plant.groups, layout.makes_parts, strict=True)
            if makes
            for place in row.places
        ]
        self._values: Numbers = [number for model in self._models for number in model.present()]
        starts = accumulate((model.size for model in self._models), initial=0)
        self._starts = list(starts)[:-1]
        places = [model.places(start) for model, start in zip(self._models, self._starts, strict=True)]
        self._sensors = RecordedSensors(plant.sensors, places)
        self._instead: Mapping[int, Shown] = {}
        self._samples: list[Numbers] = []

    def advance(self, *, show: bool) -> None:
        plant = self._plant
        moment = plant.start_tick()
        struck: Sequence[int] = ()
        changed = None
        if self._codes is None or plant.faults.exist:
            struck = [k for k, row in enumerate(plant.groups) if plant.faults.has_sensor_faults(row.image)]
            changed = self._step.severities()
        draws = next(self._draws, None)
        if draws is None:
            self._draws = iter(self._step.draws(DRAWN))
            draws = next(self._draws)
        done = self._step.run.send(((*moment, plant.tick), changed, draws, show or bool(struck)))
        assert done is not None
        codes, parts, late, values = done
        self._sensors.follow(late, plant.seconds)
        if values is not None:
            self._values = values
            self._instead = self._distorted(struck) if struck else {}
        self._publish(codes, parts)
        plant.end_tick()

    def _distorted(self, struck: Sequence[int]) -> Mapping[int, Shown]:
        """What the faulty sensors of some models show in this tick."""
        plant = self._plant
        flat = np.array([self._values], dtype=np.float64)
        sound = self._sensors.read(flat, plant.seconds)
        shown: dict[int, Shown] = {}
        for number in struck:
            true = self._models[number].values(flat[:, self._starts[number] :])
            image, readings = plant.groups[number].image, {**true, **sound[number]}
            shown[number] = dict(
                plant.faults.distort(image, true, readings, plant.seconds, plant.settings.step)
            )
        return shown

    def _publish(self, codes: Numbers, parts: Numbers) -> None:
        plant = self._plant
        if codes != self._codes:
            before, self._codes = self._codes, codes
            at = 0
            for row, names in zip(plant.groups, self._step.layout.codes, strict=True):
                n = len(row.places)
                end = at + len(names) * n
                if before is None or codes[at:end] != before[at:end]:
                    values = {
                        name: np.array(codes[at + k * n : at + (k + 1) * n]) for k, name in enumerate(names)
                    }
                    plant.events.states(plant.tick, row.places, values)
                at = end
        if any(parts):
            for place, count in zip(self._makers, parts, strict=True):
                if count:
                    plant.events.parts_of(plant.tick, place, int(count))

    def take(self) -> None:
        sample = len(self._samples)
        self._samples.append(self._values)
        self._sensors.take(self._plant.seconds)
        if self._plant.faults.exist:
            for number, model in enumerate(self._models):
                model.note(sample, self._instead.get(number, {}))

    def read(self) -> Iterator[tuple[Image, RecordedRegisters]]:
        flat = np.array(self._samples, dtype=np.float64)
        readings = self._sensors.read_recorded(flat)
        for model, start, shown in zip(self._models, self._starts, readings, strict=True):
            yield model.image, model.registers(flat[:, start : start + model.size], shown)
        self._samples.clear()


class _Model:
    """The machines of one model: their registers at many samples, written at once."""

    def __init__(self, row: ModelGroup, fixed: Mapping[str, Any]) -> None:
        self.image = row.image
        self._row = row
        self._n = len(row.places)
        self._fixed = fixed
        self._changing = [name for name, array in fixed.items() if array is None]
        self.size = len(self._changing) * self._n
        self._instead: dict[int, Shown] = {}
        self._stuck: dict[int, list[tuple[Table, int, int]]] = {}
        self._wide: dict[int, Image] = {}

    def present(self) -> list[Any]:
        """Its values now, before the first compiled step."""
        values = self._row.machines.values()
        flat: list[Any] = []
        for name in self._changing:
            flat.extend(np.broadcast_to(np.asarray(values[name]), (self._n,)).tolist())
        return flat

    def places(self, start: int) -> dict[str, Places]:
        """Where the machines have each point among the flat values, of which its own begin at `start`."""
        places: dict[str, Places] = {}
        for name, array in self._fixed.items():
            if array is None:
                places[name] = Places(np.arange(start, start + self._n), np.zeros(self._n))
                start += self._n
            elif array.dtype.kind in "fiub":
                constants = np.broadcast_to(array.astype(np.float64), (self._n,))
                places[name] = Places(np.full(self._n, -1), constants)
        return places

    def note(self, sample: int, instead: Shown) -> None:
        """What else the registers show at a sample: faulty sensors and stuck bits."""
        if instead:
            self._instead[sample] = instead
        if self.image.stuck:
            self._stuck[sample] = list(self.image.stuck)

    def values(self, flat: Array) -> Values:
        """The points of all samples, one behind the other. flat: the changing ones, a row for each sample."""
        values: dict[str, NDArray[Any]] = {}
        at = 0
        for name, array in self._fixed.items():
            if array is not None:
                values[name] = np.tile(np.broadcast_to(array, (self._n,)), len(flat))
            else:
                values[name] = flat[:, at : at + self._n].reshape(-1)
                at += self._n
        return values

    def registers(self, flat: Array, readings: Readings) -> RecordedRegisters:
        """Bytes of shape (samples, machines, bytes of a machine) of each table. readings: of its sensors."""
        count, n = len(flat), self._n
        wide = self._image(count)
        instead = {
            (point, sample * n + row): value
            for sample, shown in self._instead.items()
            for (point, row), value in shown.items()
        }
        wide.refresh({**self.values(flat), **readings}, instead)
        recorded = {
            table: np.frombuffer(bytes(buffer), dtype=np.uint8).reshape(count, n, -1).copy()
            for table, buffer in wide.buffers.items()
            if buffer
        }
        for sample, stuck in self._stuck.items():
            for table, place, mask in stuck:
                recorded[table][sample].reshape(-1)[place] |= mask
        self._instead.clear()
        self._stuck.clear()
        return recorded

    def _image(self, count: int) -> Image:
        """An image with a row for each machine at each of so many samples."""
        if count not in self._wide:
            self._wide.clear()
            self._wide[count] = self.image.repeated(count)
        return self._wide[count]


def _faults(plant: Plant) -> set[tuple[int, str, int]]:
    """The faults of machines that there are or will be."""
    models = {id(row.image): number for number, row in enumerate(plant.groups)}
    return {(models[id(own.image)], own.fault.fault, own.row) for own in plant.faults}
