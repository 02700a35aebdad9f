"""A data set of a plant without sockets: what a client would have read, and the truth beside it.

    dataset.json              plant, seed, step, interval and what is taken of it; of every point its label,
                              unit, type, kind, codes and normal range
    devices/DEVICE.csv.gz     tick, time_ms, then every point of the device but its serve counter
    truth/events.csv.gz       tick, time_ms, device, event, before, after: see `events.Event`
    truth/faults.csv.gz       tick, time_ms, device, fault, point, severity (0 to 1), true (what a struck
                              sensor should have shown); a row at each interval for each active fault

`time_ms` is the plant's own clock, written as if its zone were UTC. Missing values are empty, and so is a row
at which the device did not reply because its controller rebooted. The same settings, span and interval make
the same bytes. Rows are samples: how often they are taken changes nothing of what happens in the plant.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from qilu.contract.errors import ConfigError
from qilu.contract.profile import DataType, DeviceProfile
from qilu.contract.units import format_duration
from qilu.runtime.private_files import write_named
from qilu.runtime.rlimits import raise_open_file_limit
from simulator.compiled.run import compiled_run
from simulator.ground_truth.intervals import Intervals, Take
from simulator.ground_truth.tables import Form, TableFile, required_arrow, table_file
from simulator.plant.plant import Plant
from simulator.registers.decoder import RecordedRegisters, Recorder, columns
from simulator.registers.image import Image

CHUNK_BYTES = 32_000_000  # of registers that are held until they are written
CHUNK_ROWS = 7200
COMPILED_ROWS = 1080  # that are encoded at once
VERSION = 1


@dataclass(frozen=True)
class ExportPlan:
    """What is exported: `rows` of each device, `ticks` of the plant apart; made by `plan_export`."""

    rows: int
    ticks: int
    form: Form
    take: Take = "last"
    """Of the ticks between two rows, what the row has of a gauge."""


def plan_export(plant: Plant, span: float, every: float, form: Form, take: Take = "last") -> ExportPlan:
    """ConfigError: the interval is no multiple of the plant's step, or longer than the span; no pyarrow."""
    step = plant.settings.step
    ticks = round(every / step)
    if ticks < 1 or abs(ticks * step - every) > 1e-6 * every:
        shorter = f"--step {format_duration(every)}" if every < step else "another --step"
        remedy = f"give a multiple of {step:g} s, or {shorter}"
        raise ConfigError(f"rows every {every:g} s do not fit a step of {step:g} s", remedy=remedy)
    rows = int(span / every + 1e-9)
    if rows < 1:
        remedy = "give a longer span or a shorter interval"
        raise ConfigError(f"a span of {span:g} s has no row every {every:g} s", remedy=remedy)
    if form == "parquet":
        required_arrow()
    return ExportPlan(rows, ticks, form, take)


class _Clock(NamedTuple):
    """Which time a tick has."""

    start_ms: int
    step: float

    def times(self, ticks: NDArray[np.int64]) -> NDArray[np.int64]:
        """In ms, as `time_ms` of the rows."""
        times: NDArray[np.int64] = self.start_ms + np.rint(ticks * self.step * 1000.0).astype(np.int64)
        return times


class _Rows:
    """Rows of a table of the truth, gathered until they are written."""

    def __init__(self, file: TableFile, kinds: Mapping[str, str], clock: _Clock) -> None:
        """kinds: numpy's code of each column behind the tick and its time."""
        self._file = file
        self._kinds = {"tick": "i8", **kinds}
        self._clock = clock
        self._rows: list[tuple[Any, ...]] = []
        self.add = self._rows.append
        """One more row: the tick and the columns."""

    def flush(self) -> None:
        table = zip(*self._rows, strict=True) if self._rows else [[]] * len(self._kinds)
        columns = zip(self._kinds.items(), table, strict=True)
        tick, *rest = ((name, _column(kind, values)) for (name, kind), values in columns)
        self._file.write(dict([tick, ("time_ms", self._clock.times(tick[1])), *rest]))
        self._rows.clear()

    def close(self) -> None:
        self.flush()
        self._file.close()


def _column(kind: str, values: Any) -> np.ndarray[Any, Any]:
    if kind == "S":
        texts = np.array([text.encode() for text in values], dtype=np.bytes_)
        return texts if len(texts) else np.empty(0, dtype="S1")
    return np.array(values, dtype=kind)


EVENTS = {"device": "S", "event": "S", "before": "i8", "after": "i8"}
FAULTS = {"device": "S", "fault": "S", "point": "S", "severity": "f8", "true": "f8"}


def export(plant: Plant, folder: Path, what: ExportPlan) -> Iterator[int]:
    """Runs a plant that has just begun, as fast as it goes, and writes; yields how many rows are done.

    ConfigError: a file is there already or cannot be written. `dataset.json` is the last to be written.
    """
    raise_open_file_limit(len(plant.devices))
    with ExitStack() as stack:
        run = _Run(plant, folder, what, stack)
        for row in range(what.rows):
            run.take()
            if row + 1 < what.rows:
                run.advance()
            yield row + 1
        run.flush()
    write_named(folder / "dataset.json", _described(plant, what))


class Motion(Protocol):
    """Moves a plant and records its registers."""

    def advance(self, *, show: bool) -> None:
        """One tick. show: `take` follows."""

    def take(self) -> None:
        """Records the registers of all devices as they stand after the last tick."""

    def read(self) -> Iterator[tuple[Image, RecordedRegisters]]:
        """The registers of each model at all samples since the last call."""


class ArrayRun:
    """Moves a plant by `Plant.advance`."""

    def __init__(self, plant: Plant, samples: int) -> None:
        """samples: at most so many between two calls of `read`."""
        self._plant = plant
        self._recorders = [Recorder(image, samples) for image in plant.images]

    def advance(self, *, show: bool) -> None:
        self._plant.advance(show=show)

    def take(self) -> None:
        for recorder in self._recorders:
            recorder.take()

    def read(self) -> Iterator[tuple[Image, RecordedRegisters]]:
        for recorder in self._recorders:
            yield recorder.image, recorder.read()


class _Run:
    """The files of one export and what waits to be written into them."""

    def __init__(self, plant: Plant, folder: Path, what: ExportPlan, stack: ExitStack) -> None:
        self._plant = plant
        size = sum(len(buffer) for image in plant.images for buffer in image.buffers.values())
        ticks = what.rows if what.take == "last" else what.rows * what.ticks
        self._what = what
        self._chunk = max(min(CHUNK_BYTES // max(size, 1), CHUNK_ROWS, ticks), 1)
        compiled = compiled_run(plant, what.rows * what.ticks)
        if compiled is not None:
            self._chunk = min(self._chunk, COMPILED_ROWS)
        self._motion: Motion = compiled or ArrayRun(plant, self._chunk)
        self._ticks: list[int] = []
        self._ends: list[int] = []  # those of them at which a row ends
        self._intervals = {
            name: Intervals(what.take, gauges)
            for image in plant.images
            for gauges in [_gauges(image.profile)]
            for name in image.devices
        }
        self._without_reply: dict[str, list[int]] = {}  # rows
        start_ms = int(plant.settings.start.replace(tzinfo=UTC).timestamp() * 1000)
        self._clock = _Clock(start_ms, plant.settings.step)
        self._files: dict[str, TableFile] = {}
        for device in plant.devices:
            self._files[device] = table_file(folder / "devices", device, what.form)
            stack.callback(self._files[device].close)
        self._events = _Rows(table_file(folder / "truth", "events", what.form), EVENTS, self._clock)
        self._faults = _Rows(table_file(folder / "truth", "faults", what.form), FAULTS, self._clock)
        stack.callback(self._events.close)
        stack.callback(self._faults.close)
        stack.callback(plant.events.listen, None)
        plant.listen(self._events.add)

    def advance(self) -> None:
        """Lets the plant come to its next row."""
        every = self._what.take != "last"
        for left in reversed(range(self._what.ticks)):
            self._motion.advance(show=every or left == 0)
            if left and every:
                self._record()
                self._flush_when_full()

    def take(self) -> None:
        """One row of every device, as its registers stand now."""
        self._record()
        self._ends.append(len(self._ticks) - 1)
        now = self._plant.seconds
        for course in self._plant.faults:
            if course.active:
                fault, true = course.fault, np.nan if course.true is None else course.true
                severity = course.severity(now)
                row = (fault.device, fault.fault, fault.point or "", severity, true)
                self._faults.add((self._plant.tick, *row))
        self._flush_when_full()

    def _record(self) -> None:
        for name in self._plant.faults.rebooting():
            self._without_reply.setdefault(name, []).append(len(self._ticks))
        self._ticks.append(self._plant.tick)
        self._motion.take()

    def _flush_when_full(self) -> None:
        if len(self._ticks) == self._chunk:
            self.flush()

    def flush(self) -> None:
        if not self._ticks:
            return
        ends = np.array(self._ends, dtype=np.intp)
        ticks = np.array(self._ticks, dtype=np.int64)[ends]
        times = self._clock.times(ticks)
        for image, rows in self._motion.read():
            for row, device in enumerate(image.devices):
                points: Mapping[str, NDArray[Any]] = columns(image, rows, row)
                if device in self._without_reply:
                    points = _without_rows(points, self._without_reply[device])
                points = self._intervals[device].rows(points, ends)
                if len(ends):
                    self._files[device].write({"tick": ticks, "time_ms": times, **points})
        self._ticks.clear()
        self._ends.clear()
        self._without_reply.clear()
        self._events.flush()
        self._faults.flush()


def _without_rows(points: Mapping[str, NDArray[Any]], missing: Sequence[int]) -> dict[str, NDArray[Any]]:
    """The same columns, with no value in some rows."""
    masked = {name: np.ma.MaskedArray(column) for name, column in points.items()}
    for column in masked.values():
        column[list(missing)] = np.ma.masked
    return dict(masked)


def _gauges(profile: DeviceProfile) -> list[str]:
    """The points of which a mean makes sense."""
    plain = (DataType.BOOL, DataType.STRING)
    return [point.name for point in profile.points if point.kind == "gauge" and point.type not in plain]


def _described(plant: Plant, what: ExportPlan) -> str:
    settings = plant.settings
    kept = {"label", "unit", "type", "kind", "enum", "limits", "normal"}
    described = {
        "version": VERSION,
        "plant": settings.plant,
        "seed": settings.seed,
        "step": settings.step,
        "every": what.ticks * settings.step,
        "rows": what.rows,
        "take": what.take,
        "start": settings.start.isoformat(),
        "form": what.form,
        "devices": {
            placed.device: {
                "model": placed.settings.profile,
                "line": placed.settings.line,
                "label": placed.label.model_dump(),
            }
            for placed in settings.placed()
        },
        "models": {
            name: {point.name: point.model_dump(mode="json", include=kept) for point in profile.points}
            for name, profile in plant.profiles.items()
        },
    }
    return json.dumps(described, indent=1, ensure_ascii=False) + "\n"
