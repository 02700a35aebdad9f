"""A baseline on a fleet with random faults: is a bearing worn, on units that the model has never seen?

    qilu plant export-fleet pump-bearing var/fleet
    python docs/examples/fleet_baseline.py var/fleet
    python docs/examples/fleet_baseline.py var/fleet --plant-leak

Logistic regression with numpy alone. The area under the ROC curve (AUC) is that of the test units, its 95 %
interval from resampling these units. With shuffled labels it has to be 0.5: else something else than wear is
learnt. A check names features that give the label away, or that count the time.
"""

from __future__ import annotations

import csv
import gzip
import json
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
RESAMPLES = 200
GIVES_AWAY = 0.995  # AUC of one feature alone
COUNTS_TIME = 0.98  # rank correlation with time within a unit, on the median of units
RUNNING = 3


class Fleet(NamedTuple):
    """The rows of running units: features, label, unit, time, and whether the row is one to test with."""

    names: list[str]
    features: Array
    faulty: NDArray[np.bool_]
    unit: NDArray[np.int64]
    time: Array
    test: NDArray[np.bool_]


def read(folder: Path, extra: tuple[str, ...] = ()) -> Fleet:
    """The data set, joined by device and time. extra: points that are no features by the data card."""
    names = [*json.loads((folder / "dataset.json").read_text())["features"], *extra]
    labels = {}
    with gzip.open(folder / "labels.csv.gz", "rt") as file:
        for row in csv.DictReader(file):
            labels[row["device"], row["time_ms"]] = (row["split"] == "test", row["faulty"] == "1")
    values, faulty, test, unit, time = [], [], [], [], []
    units: dict[str, int] = {}
    with gzip.open(folder / "features.csv.gz", "rt") as file:
        for row in csv.DictReader(file):
            if int(row["state"]) == RUNNING:
                is_test, is_faulty = labels[row["device"], row["time_ms"]]
                values.append([float(row[name] or "nan") for name in names])
                faulty.append(is_faulty)
                test.append(is_test)
                unit.append(units.setdefault(row["device"], len(units)))
                time.append(float(row["time_ms"]))
    features = np.nan_to_num(np.array(values))
    return Fleet(names, features, np.array(faulty), np.array(unit), np.array(time), np.array(test))


def with_leak(fleet: Fleet) -> Fleet:
    """The same with a column that a careless export might have: the mark of a maintenance system."""
    mark = fleet.faulty + 0.01 * np.random.default_rng(0).standard_normal(len(fleet.faulty))
    return fleet._replace(
        names=[*fleet.names, "maintenance_mark"], features=np.column_stack([fleet.features, mark])
    )


def learnt(features: Array, faulty: NDArray[np.bool_], steps: int = 30) -> Array:
    """Weights of a logistic regression by Newton's method; the last one is the constant."""
    rows = np.column_stack([features, np.ones(len(features))])
    weights = np.zeros(rows.shape[1])
    for _ in range(steps):
        chance = 1.0 / (1.0 + np.exp(-np.clip(rows @ weights, -30.0, 30.0)))
        gradient = rows.T @ (faulty - chance) - 1e-3 * len(rows) * weights
        curvature = (rows * (chance * (1.0 - chance))[:, None]).T @ rows
        curvature += 1e-3 * len(rows) * np.eye(len(weights))
        weights = weights + np.linalg.solve(curvature, gradient)
    return weights


def auc(score: Array, faulty: NDArray[np.bool_]) -> float:
    """Area under the ROC curve, by ranks; ties count half."""
    _, where, counts = np.unique(score, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2.0)[where]
    positive = int(faulty.sum())
    negative = len(faulty) - positive
    if not positive or not negative:
        return float("nan")
    return float((ranks[faulty].sum() - positive * (positive + 1) / 2) / (positive * negative))


def scored(fleet: Fleet, faulty: NDArray[np.bool_]) -> Array:
    """What a model that learnt from the units to learn from says of every row."""
    train = ~fleet.test
    mean, spread = fleet.features[train].mean(axis=0), fleet.features[train].std(axis=0)
    plain = (fleet.features - mean) / np.where(spread > 0.0, spread, 1.0)
    weights = learnt(plain[train], faulty[train])
    return plain @ weights[:-1] + weights[-1]


def interval(fleet: Fleet, score: Array, draws: int = RESAMPLES) -> tuple[float, float]:
    """95 % of the AUC when the units to test with are drawn anew."""
    random, units = np.random.default_rng(1), np.unique(fleet.unit[fleet.test])
    rows = {unit: np.flatnonzero(fleet.unit == unit) for unit in units}
    found = []
    for _ in range(draws):
        drawn = np.concatenate([rows[unit] for unit in random.choice(units, len(units))])
        found.append(auc(score[drawn], fleet.faulty[drawn]))
    low, high = np.nanquantile(found, [0.025, 0.975])
    return float(low), float(high)


def leaks(fleet: Fleet) -> list[str]:
    """What a model must not have: units on both sides, features that give labels away or count the time."""
    found = []
    both = set(fleet.unit[fleet.test]) & set(fleet.unit[~fleet.test])
    if both:
        found.append(f"{len(both)} units are on both sides of the split")
    for number, name in enumerate(fleet.names):
        column = fleet.features[:, number]
        alone = auc(column[fleet.test], fleet.faulty[fleet.test])
        if max(alone, 1.0 - alone) > GIVES_AWAY:
            found.append(f"{name} alone has an AUC of {max(alone, 1.0 - alone):.3f}")
        with_time = [
            abs(rank_correlation(column[fleet.unit == unit], fleet.time[fleet.unit == unit]))
            for unit in np.unique(fleet.unit)
        ]
        if np.median(with_time) > COUNTS_TIME:
            found.append(f"{name} counts the time of its unit")
    return found


def rank_correlation(one: Array, other: Array) -> float:
    """Spearman's, 0 where one of them is constant."""
    ranks = [np.argsort(np.argsort(values, kind="stable"), kind="stable") for values in (one, other)]
    return 0.0 if np.ptp(one) == 0.0 else float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def report(fleet: Fleet) -> dict[str, float | list[str]]:
    """All that is printed."""
    score = scored(fleet, fleet.faulty)
    low, high = interval(fleet, score)
    shuffled = np.random.default_rng(2).permutation(fleet.faulty)
    return {
        "auc": auc(score[fleet.test], fleet.faulty[fleet.test]),
        "low": low,
        "high": high,
        "shuffled": auc(scored(fleet, shuffled)[fleet.test], shuffled[fleet.test]),
        "leaks": leaks(fleet),
    }


def main(arguments: list[str]) -> None:
    """Print the report of a folder."""
    extra = tuple(arguments[2:]) if arguments[1:2] == ["--with"] else ()
    fleet = read(Path(arguments[0]), extra)
    found = report(with_leak(fleet) if "--plant-leak" in arguments else fleet)
    span = f"95 %: {found['low']:.3f} to {found['high']:.3f}"
    print(f"AUC on units that were never seen: {found['auc']:.3f} ({span})")
    print(f"AUC with shuffled labels: {found['shuffled']:.3f}")
    for leak in found["leaks"] or ["none"]:  # type: ignore[union-attr]
        print(f"leak: {leak}")


if __name__ == "__main__":
    main(sys.argv[1:])
