"""The data card of a fleet: what is in the files, what is a feature and what is none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qilu.contract.units import format_duration

_CARD = """# {preset}: {units} units of `{machine}` with `{fault}`

Made by `qilu plant export-fleet {preset} DIR --seed {seed}`; the same command makes the same bytes.

| file | content |
|---|---|
| features.csv.gz | a row of each unit every {every}: what a client reads from noisy sensors |
| labels.csv.gz | the same rows: split, severity (0 to 1), faulty (1 from severity {present} on), |
| | remaining_life_s, and the true values (true_POINT) |
| dataset.json | this page for programs, and the fault of each unit |

Join the two files by `device` and `time_ms`. A unit is recorded until alarm {alarm} stops it for the first
time, at most for {span}. `remaining_life_s` is empty for a unit that does not fail in this time.

- **Features**: {features}.
- **No features**: {not_features}.
  They name the unit, its age or the time of recording, or repeat the alarm that ends a life; a model that
  learns them says nothing of another unit.
- **Split**: by unit, {train} to learn and {test} to test. Rows of one unit are never in both.
- **Faults**: {sick} units have one, {healthy} are healthy. Start, ramp and severity are random.
- **Growth**: {growths}.
- **Spread**: each unit has parameters of its own, and sensors with a drift of their own.
"""


def card(described: Mapping[str, Any]) -> str:
    units = described["units"]
    sick = [unit for unit in units if unit["fault"]]
    test = [unit for unit in units if unit["split"] == "test"]
    return _CARD.format(
        preset=described["preset"],
        units=len(units),
        machine=described["machine"],
        fault=described["fault"],
        seed=described["seed"],
        every=format_duration(described["every"]),
        span=format_duration(described["span"]),
        present=described["present"],
        alarm=described["alarm"],
        features=", ".join(described["features"]),
        not_features=", ".join(described["not_features"]),
        train=len(units) - len(test),
        test=len(test),
        sick=len(sick),
        healthy=len(units) - len(sick),
        growths=", ".join(described["growths"]),
    )
