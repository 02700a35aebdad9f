"""Overall equipment effectiveness, energy per part and the bottleneck of a line, from what truly happened.

    qilu plant export configs/school.yaml var/school --span 8h --every 5s
    python docs/examples/oee.py var/school

Nothing of it is told by the machines: all follows from events (states, alarms, parts made) and from counters
of energy and rejects. After Nakajima, Introduction to TPM, 1988:

    availability = running / planned          planned: all time but off and breaks
    performance  = parts x ideal cycle / running        ideal: the cycle that one in ten parts beats
    quality      = good parts / parts                   parts: good ones, which the events tell, and rejects
    OEE          = availability x performance x quality

The bottleneck of a line is the machine that waits least for others: neither starved nor blocked.
"""

from __future__ import annotations

import csv
import gzip
import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

OFF, IDLE, RUNNING = 0, 1, 3
STARVED, BLOCKED, BREAK = 1, 2, 3
REJECTS = ("reject_count", "scrap_count")


class Effect(NamedTuple):
    """Of one machine over the whole data set; shares from 0 to 1, energy in kWh."""

    availability: float
    performance: float
    quality: float
    waiting: float
    parts: int
    energy_per_part: float

    @property
    def oee(self) -> float:
        return self.availability * self.performance * self.quality


def table(file: Path) -> list[dict[str, str]]:
    with gzip.open(file, "rt", encoding="utf-8") as text:
        return list(csv.DictReader(text))


class Shift:
    """How long a machine was in each state with each alarm (ms), and when it made its parts."""

    def __init__(self, began: int) -> None:
        self.lasted: dict[tuple[int, int], int] = defaultdict(int)
        self.made: list[tuple[int, int]] = []
        self._now = {"state": OFF, "alarm": 0}
        self._since = began

    def happened(self, when: int, event: str, after: int) -> None:
        if event in self._now:
            self.until(when)
            self._now[event] = after
        elif event == "made":
            self.made.append((when, after))

    def until(self, when: int) -> None:
        self.lasted[self._now["state"], self._now["alarm"]] += when - self._since
        self._since = when

    def total(self, states: Iterable[int] | None = None, alarms: Iterable[int] | None = None) -> int:
        return sum(
            time
            for (state, alarm), time in self.lasted.items()
            if (states is None or state in states) and (alarms is None or alarm in alarms)
        )


def effect(shift: Shift, rows: list[dict[str, str]]) -> Effect:
    """rows: of the device, for its counters."""
    good = sum(count for _, count in shift.made)
    planned = shift.total() - shift.total([OFF]) - shift.total([IDLE], [BREAK])
    running = shift.total([RUNNING])
    cycles = np.diff([when for when, _ in shift.made])
    ideal = float(np.quantile(cycles, 0.1)) if len(cycles) else 0.0
    gained = {
        name: float(rows[-1][name]) - float(rows[0][name]) for name in (*REJECTS, "energy") if name in rows[0]
    }
    rejects = int(sum(gained.get(name, 0.0) for name in REJECTS))
    parts = good + rejects
    return Effect(
        availability=running / planned if planned else 0.0,
        performance=min((len(shift.made) + rejects) * ideal / running, 1.0) if running else 0.0,
        quality=good / parts if parts else 1.0,
        waiting=shift.total([IDLE], [STARVED, BLOCKED]) / planned if planned else 0.0,
        parts=parts,
        energy_per_part=gained.get("energy", 0.0) / parts if parts else float("nan"),
    )


def effects(folder: Path) -> Mapping[str, Effect]:
    """Of every machine that makes parts."""
    described = json.loads((folder / "dataset.json").read_text())
    shifts: dict[str, Shift] = {}
    events = table(folder / "truth" / "events.csv.gz")
    for row in events:
        shift = shifts.setdefault(row["device"], Shift(int(row["time_ms"])))
        shift.happened(int(row["time_ms"]), row["event"], int(row["after"]))
    found = {}
    for device in described["devices"]:
        if device in shifts and shifts[device].made:
            rows = table(folder / "devices" / f"{device}.csv.gz")
            shifts[device].until(int(rows[-1]["time_ms"]))
            found[device] = effect(shifts[device], rows)
    return found


def bottleneck(found: Mapping[str, Effect]) -> str:
    """Of machines that feed each other."""
    return min(found, key=lambda device: found[device].waiting)


def main() -> None:
    found = effects(Path(sys.argv[1]))
    print(
        f"{'machine':14}{'avail.':>8}{'perf.':>8}{'quality':>9}{'OEE':>8}{'waits':>8}{'parts':>8}{'kWh/part':>10}"
    )
    for device, one in found.items():
        shares = (
            f"{one.availability:8.1%}{one.performance:8.1%}{one.quality:9.1%}{one.oee:8.1%}{one.waiting:8.1%}"
        )
        print(f"{device:14}{shares}{one.parts:8}{one.energy_per_part:10.4f}")
    print(f"bottleneck: {bottleneck(found)}")


if __name__ == "__main__":
    main()
