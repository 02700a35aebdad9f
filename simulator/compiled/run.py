"""Runs a plant through many ticks by its compiled step, and records what its registers would have shown.

Where numpy's functions and those of Python round differently, values differ from those of `Plant.advance` by
some parts in 10^12.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qilu.contract.profile import Table
from simulator.compiled.step import CompiledStep, Numbers, compile_step
from simulator.compiled.symbols import UntraceableError
from simulator.physics.machine import Values
from simulator.plant.assembly import ModelGroup
from simulator.plant.plant import Plant
from simulator.registers.decoder import RecordedRegisters
from simulator.registers.image import Image
from simulator.sensors.layer import Readings, SensorLayer

MIN_TICKS = 2_000  # of a run that is worth the second in which its step is compiled
MAX_DEVICES = 64  # of a plant whose step is compiled: the code grows with them, and arrays pay above
DRAWN = 256  # steps whose random numbers are drawn at once

Shown = dict[tuple[str, int], float]


def compiled_run(plant: Plant, ticks: int) -> CompiledRun | None:
    """None where the code of a model cannot be noted, the plant is large or the run is short.

    The plant must not be advanced in another way from now on.
    """
    if len(plant.devices) > MAX_DEVICES or ticks < MIN_TICKS:
        return None
    try:
        return CompiledRun(plant, compile_step(plant.works, plant.settings.step))
    except UntraceableError:
        return None


class CompiledRun:
    """`advance` is one tick, `take` records the registers after it, `read` gives what was recorded."""

    def __init__(self, plant: Plant, step: CompiledStep) -> None:
        self._plant = plant
        self._step = step
        self._draws: Iterator[list[float]] = iter(())
        self._codes: Numbers | None = None
        self._models = [
            _Model(row, fixed) for row, fixed in zip(plant.groups, step.layout.values, strict=True)
        ]
        self._makers = [
            int(place)
            for row, makes in zip(plant.groups, step.layout.makes_parts, strict=True)
            if makes
            for place in row.places
        ]
        first: list[Any] = []
        for model in self._models:
            first.extend(model.present())
        self._values: Numbers = first
        self._sensors = _Sensors(plant, self._models)
        self._readings: Sequence[Readings] = self._sensors.read(first)
        self._recorded: list[Sequence[Readings]] = []
        self._undistorted: Sequence[Shown] = [{} for _ in self._models]
        self._instead: Sequence[Shown] = self._undistorted
        self._samples: list[Numbers] = []

    def advance(self, *, show: bool) -> None:
        """One tick. show: `take` follows."""
        plant = self._plant
        moment = plant.start_tick()
        struck: Sequence[bool] = ()
        changed = None
        if self._codes is None or plant.faults.exist:
            struck = [plant.faults.has_sensor_faults(row.image) for row in plant.groups]
            changed = _flat(self._step.layout.severities)
        draws = next(self._draws, None)
        if draws is None:
            self._draws = iter(self._step.draws(DRAWN))
            draws = next(self._draws)
        follows = plant.sensors.need_values(plant.seconds)
        wanted = show or follows or any(struck)
        done = self._step.run.send(((*moment, plant.tick), changed, draws, wanted))
        assert done is not None
        codes, parts, values = done
        if values is not None:
            self._values = values
            if follows:
                self._sensors.follow(values)
            if show or any(struck):
                self._readings = self._sensors.read(values)
                self._instead = self._distorted(struck) if any(struck) else self._undistorted
        self._publish(codes, parts)
        plant.end_tick()

    def _distorted(self, struck: Sequence[bool]) -> Sequence[Shown]:
        """What faulty sensors show, in this tick."""
        plant, offset = self._plant, 0
        shown: list[Shown] = []
        for model, row, ill, read in zip(self._models, plant.groups, struck, self._readings, strict=True):
            own = self._values[offset : offset + model.size]
            offset += model.size
            instead: Shown = {}
            if ill:
                true = model.values([own])
                sound = {**true, **read}
                distorted = plant.faults.distort(row.image, true, sound, plant.seconds, plant.settings.step)
                instead = dict(distorted)
            shown.append(instead)
        return shown

    def _publish(self, codes: Numbers, parts: Numbers) -> None:
        plant = self._plant
        if codes != self._codes:
            self._codes = codes
            at = 0
            for row, names in zip(plant.groups, self._step.layout.codes, strict=True):
                n = len(row.places)
                values = {
                    name: np.array(codes[at + k * n : at + (k + 1) * n]) for k, name in enumerate(names)
                }
                at += len(names) * n
                plant.events.states(plant.tick, row.places, values)
        if any(parts):
            for place, count in zip(self._makers, parts, strict=True):
                if count:
                    plant.events.parts_of(plant.tick, place, int(count))

    def take(self) -> None:
        """Records the registers of all devices as they stand after the last tick."""
        sample = len(self._samples)
        self._samples.append(self._values)
        self._recorded.append(self._readings)
        for model, instead in zip(self._models, self._instead, strict=True):
            model.note(sample, instead)

    def read(self) -> Iterator[tuple[Image, RecordedRegisters]]:
        """The registers of each model at all samples since the last call."""
        at = 0
        for number, model in enumerate(self._models):
            own = [values[at : at + model.size] for values in self._samples]
            yield model.image, model.registers(own, [readings[number] for readings in self._recorded])
            at += model.size
        self._samples.clear()
        self._recorded.clear()


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

    def place(self, name: str, start: int) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Where the machines have a point among the flat values, of which its own begin at `start`."""
        array, none = self._fixed[name], np.zeros(self._n)
        if array is not None:
            return np.full(self._n, -1), np.broadcast_to(np.asarray(array, dtype=np.float64), (self._n,))
        first = start + self._changing.index(name) * self._n
        return np.arange(first, first + self._n), none

    def note(self, sample: int, instead: Shown) -> None:
        """What else the registers show at a sample: faulty sensors and stuck bits."""
        if instead:
            self._instead[sample] = instead
        if self.image.stuck:
            self._stuck[sample] = list(self.image.stuck)

    def values(self, samples: Sequence[Numbers]) -> Values:
        """The points of all samples, one behind the other."""
        count, n = len(samples), self._n
        columns = list(zip(*samples, strict=True))
        values: dict[str, NDArray[Any]] = {}
        at = 0
        for name, array in self._fixed.items():
            if array is not None:
                values[name] = np.tile(np.broadcast_to(array, (n,)), count)
            else:
                values[name] = np.array(columns[at : at + n]).T.reshape(count * n)
                at += n
        return values

    def registers(self, samples: Sequence[Numbers], readings: Sequence[Readings]) -> RecordedRegisters:
        """Bytes of shape (samples, machines, bytes of a machine) of each table. readings: of its sensors."""
        count, n = len(samples), self._n
        shown = dict(self.values(samples))
        for name in readings[0] if readings else ():
            shown[name] = np.concatenate([reading[name] for reading in readings])
        wide = self._image(count)
        instead = {
            (point, sample * n + row): value
            for sample, shown in self._instead.items()
            for (point, row), value in shown.items()
        }
        wide.refresh(shown, instead)
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


class _Sensors:
    """The sensors of a plant, fed with the flat values of its compiled step."""

    def __init__(self, plant: Plant, models: Sequence[_Model]) -> None:
        self._plant = plant
        starts = np.cumsum([0, *(model.size for model in models)])
        self._layers: list[tuple[list[int], SensorLayer, _Gather, _Gather]] = []
        for group, layer in plant.sensors.layers:
            columns = [
                models[number].place(name, int(starts[number]))
                for number, places in zip(group, layer.places, strict=True)
                for name in places
            ]
            gather = _Gather.of(columns)
            rows = layer.lags.rows
            late = _Gather(gather.places[rows], gather.constants[rows])
            self._layers.append((group, layer, gather, late))
        self._models = len(models)

    def follow(self, values: Numbers) -> None:
        """Lets the sensors with a lag see the values of this tick."""
        flat, seconds = np.array(values, dtype=np.float64), self._plant.seconds
        for _, layer, _, late in self._layers:
            if layer.lags.is_due(seconds):
                layer.lags.follow_array(late.picked(flat), seconds)

    def read(self, values: Numbers) -> Sequence[Readings]:
        """What the sensors of every model show."""
        flat = np.array(values, dtype=np.float64)
        readings: list[Readings] = [{}] * self._models
        for group, layer, gather, _ in self._layers:
            shown = layer.read_array(gather.picked(flat), self._plant.seconds)
            for number, places in zip(group, layer.places, strict=True):
                readings[number] = {name: shown[place] for name, place in places.items()}
        return readings


@dataclass(frozen=True)
class _Gather:
    """Where numbers stand among flat values; -1 for one that is always the same."""

    places: NDArray[np.intp]
    constants: NDArray[np.float64]

    @classmethod
    def of(cls, columns: Sequence[tuple[NDArray[np.intp], NDArray[np.float64]]]) -> _Gather:
        """Of columns of places and constants, one behind the other."""
        return cls(*(np.concatenate(parts) for parts in zip(*columns, strict=True)))

    def picked(self, flat: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.where(self.places < 0, self.constants, flat[self.places])


def _flat(arrays: Sequence[NDArray[Any]]) -> list[float]:
    return [float(value) for array in arrays for value in array.ravel()]
