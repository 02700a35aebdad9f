"""A day of some machines of the demo plant, collected by two edges, with everything that a query has to heed.

Both edges have machines of the same names. Devices were silent, a sensor was stale, a counter was reset, and
one point was given another label during the day.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from gateway.sources.modbus.planning.plan import Block
from qilu.config.profiles import profiles
from qilu.config.settings_file import load
from qilu.contract.accounting import COLLECTION, COUNTS, COUNTS_POINTS, count_column
from qilu.contract.point_info import PointInfo, described, rows
from qilu.contract.reading import BlockSchema, Origin, Poll, Quality, Reading, Reason
from simulator.plant.plant import Plant
from simulator.plant.settings import PlantSettings
from tests.deploy.deployed import CONFIGS
from tests.deploy.served_plant import read_device, reading_of

MACHINES = ("cnc-1", "cnc-2", "cnc-3", "compressor-1", "compressor-2", "meter-air")
EDGES = {"edge-1": 42, "edge-2": 7}
"""Edge -> seed of its plant."""
BEGIN_MS = round(datetime(2025, 6, 1, 16, tzinfo=UTC).timestamp() * 1000)
"""Midnight in Shanghai: the begin of the day of all questions."""
HOUR_MS, DAY_MS = 3_600_000, 86_400_000
END_MS = BEGIN_MS + DAY_MS
PERIOD_MS = 120_000
BEFORE = 30
"""Polls before the day."""
POLLED_AFTER_MS = 5_120
"""A poll takes place some time after its minute began."""
RESET_MS = BEGIN_MS + 11 * HOUR_MS
"""When a new meter took the place of `meter-air` of edge-1: it counts from 0."""
OLD_LABEL = "Pressure of the old sensor"


@dataclass(frozen=True, slots=True)
class Trouble:
    """What was wrong with a device, or with one of its points, from one minute of the day to another."""

    edge: str
    device: str
    reason: Reason
    begin: int
    end: int
    point: str | None = None

    def covers(self, time_ms: int) -> bool:
        return self.begin * 60_000 <= time_ms - BEGIN_MS < self.end * 60_000


TROUBLES = [
    Trouble("edge-1", "compressor-2", Reason.TIMEOUT, 130, 170),
    Trouble("edge-1", "compressor-2", Reason.UNREACHABLE, 170, 190),
    Trouble("edge-1", "compressor-2", Reason.TIMEOUT, 700, 703),
    Trouble("edge-1", "compressor-1", Reason.STALE, 560, 580, "discharge_pressure"),
    Trouble("edge-1", "compressor-1", Reason.SENTINEL, 800, 835, "discharge_temperature"),
    *(
        Trouble(edge, device, Reason.DEVICE_BUSY, 300, 302 + 3 * number + (edge == "edge-2"))
        for edge in EDGES
        for number, device in enumerate(("cnc-1", "cnc-2", "cnc-3", "meter-air"))
    ),
    Trouble("edge-2", "compressor-1", Reason.TIMEOUT, 1000, 1200),
]


def polls() -> Iterator[Poll]:
    """All that both edges reported: descriptions, values and accounts, rising in time for each edge."""
    for edge, seed in EDGES.items():
        yield from _edge(edge, seed)


def _edge(edge: str, seed: int) -> Iterator[Poll]:
    plant, reads = _plant(edge, seed)
    start_ms = BEGIN_MS - BEFORE * PERIOD_MS
    for device, blocks in reads.items():
        yield from _descriptions(plant, edge, device, blocks[0].columns.origin, start_ms)
    before_reset: float | None = None
    for number in range(BEFORE + DAY_MS // PERIOD_MS):
        due_ms = start_ms + number * PERIOD_MS
        time_ms = due_ms + POLLED_AFTER_MS
        for device, blocks in reads.items():
            readings = [reading_of(plant.devices[device], block, time_ms) for block in blocks]
            if edge == "edge-1" and device == "meter-air":
                before_reset = before_reset if time_ms >= RESET_MS else _value(readings, "energy_import")
                if time_ms >= RESET_MS and before_reset is not None:
                    readings = [_less(reading, "energy_import", before_reset) for reading in readings]
            readings = [_troubled(edge, device, reading) for reading in readings]
            yield Poll(due_ms, tuple(readings))
            yield _account(readings, time_ms)
        plant.advance(1)


def _plant(edge: str, seed: int) -> tuple[Plant, Mapping[str, Sequence[Block]]]:
    settings = load(CONFIGS / "plant.yaml", PlantSettings)
    machines = tuple(machine for machine in settings.machines if machine.device in MACHINES)
    settings = settings.model_copy(
        update={"machines": machines, "buffers": (), "seed": seed, "step": PERIOD_MS / 1000}
    )
    plant = Plant(settings, profiles({machine.machine for machine in machines}))
    reads = {}
    for placed in settings.placed():
        _, groups = read_device(plant.devices[placed.device], placed.settings.line, edge)
        reads[placed.device] = [block for group in groups for block in group]
    return plant, reads


def _descriptions(plant: Plant, edge: str, device: str, origin: Origin, start_ms: int) -> Iterator[Poll]:
    """As at a start of the gateway; one label was another one then, and was corrected at 08:00."""
    settings = load(CONFIGS / "plant.yaml", PlantSettings)
    (label,) = [machine.label for machine in settings.machines if machine.device == device]
    profile = plant.devices[device].profile
    periods = dict.fromkeys((point.group for point in profile.points), PERIOD_MS / 1000)
    infos = list(described(profile, label, "", periods))
    yield _described(origin, [_old(name, info) for name, info in infos], start_ms)
    yield _described(origin, infos, BEGIN_MS + 8 * HOUR_MS)


def _old(name: str, info: PointInfo) -> tuple[str, PointInfo]:
    if name != "discharge_pressure":
        return name, info
    fields = {field: getattr(info, field) for field in info.__struct_fields__}
    return name, PointInfo(**(fields | {"label_en": OLD_LABEL}))


def _described(origin: Origin, infos: Sequence[tuple[str, PointInfo]], time_ms: int) -> Poll:
    readings = [Reading(columns, time_ms, values) for columns, values in rows(origin, infos)]
    return Poll(time_ms, tuple(readings))


def _value(readings: Sequence[Reading], point: str) -> float | None:
    for reading in readings:
        if point in reading.columns.points:
            value = reading.values[reading.columns.points.index(point)]
            return value if isinstance(value, int | float) else None
    return None


def _less(reading: Reading, point: str, less: float) -> Reading:
    if point not in reading.columns.points:
        return reading
    values = list(reading.values)
    index = reading.columns.points.index(point)
    value = values[index]
    assert isinstance(value, int | float)
    values[index] = round(value - less, 2)
    return reading._replace(values=tuple(values))


def _troubled(edge: str, device: str, reading: Reading) -> Reading:
    for trouble in TROUBLES:
        if (trouble.edge, trouble.device) != (edge, device) or not trouble.covers(reading.time_ms):
            continue
        points = reading.columns.points
        indices = [index for index, point in enumerate(points) if trouble.point in (None, point)]
        bad = trouble.reason.quality is Quality.BAD
        values = [None if index in indices and bad else value for index, value in enumerate(reading.values)]
        if not bad:
            values = [15.5 if index in indices else value for index, value in enumerate(values)]
        return reading._replace(values=tuple(values), reasons=dict.fromkeys(indices, trouble.reason))
    return reading


def _account(readings: Sequence[Reading], time_ms: int) -> Poll:
    counts = dict.fromkeys(COUNTS_POINTS, 0)
    counts["span_ms"] = PERIOD_MS
    for reading in readings:
        for index in range(len(reading.values)):
            reason = reading.reasons.get(index)
            counts["expected"] += 1
            counts["good" if reason is None else count_column(reason)] += 1
    origin = replace(readings[0].columns.origin, profile=COLLECTION)
    columns = BlockSchema(origin, COUNTS, COUNTS_POINTS)
    return Poll(time_ms, (Reading(columns, time_ms, tuple(counts.values())),))
