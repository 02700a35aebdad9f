"""Bearing wear is visible hours before the failure: shown with numpy on a data set that `qilu` exports.

    qilu plant export docs/examples/bearing-wear.yaml var/bearing-wear --span 36h --every 10s --step 10s
    python docs/examples/bearing_wear.py var/bearing-wear bearing_wear.svg

A pump vibrates more when it turns faster or works far from its best flow, so that a fixed limit either cries
wolf every noon or sees the wear late. The first day teaches what is normal at each speed and flow (least
squares); from then on the excess over that is watched. The truth in the set tells how good the watch was.
"""

from __future__ import annotations

import csv
import gzip
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

RUNNING = 3
LEARN = 24.0  # hours at the beginning that are taken for normal
SMOOTH = 60  # rows in a running mean
SIGMAS = 8.0  # of the normal excess that are too much


class Found(NamedTuple):
    """Hours since the beginning: what truly happened, and when the watch saw it."""

    begun: float
    seen: float
    tripped: float


class Watched(NamedTuple):
    """What the plot shows, row by row."""

    hours: Array
    vibration: Array
    normal: Array
    excess: Array
    limit: float


def read(folder: Path, device: str, *points: str) -> list[Array]:
    """The hours since the beginning, then each point as a column."""
    with gzip.open(folder / "devices" / f"{device}.csv.gz", "rt") as file:
        rows = list(csv.DictReader(file))
    began = int(rows[0]["time_ms"])
    hours = np.array([(int(row["time_ms"]) - began) / 3.6e6 for row in rows])
    return [hours, *(np.array([float(row[point] or "nan") for row in rows]) for point in points)]


def truth(folder: Path, device: str) -> tuple[float, float]:
    """When the wear began, and when the drive tripped."""
    with gzip.open(folder / "truth" / "events.csv.gz", "rt") as file:
        rows = [row for row in csv.DictReader(file) if row["device"] == device]
    began = int(rows[0]["time_ms"])
    when = {(row["event"], row["after"]): (int(row["time_ms"]) - began) / 3.6e6 for row in reversed(rows)}
    return when["fault bearing_wear", "1"], when["alarm", "13"]


def smooth(values: Array) -> Array:
    """The mean of the last SMOOTH rows."""
    sums = np.cumsum(np.concatenate([np.zeros(SMOOTH), values]))
    return (sums[SMOOTH:] - sums[:-SMOOTH]) / np.minimum(np.arange(1, len(values) + 1), SMOOTH)


def watch(folder: Path, device: str = "pump-1") -> tuple[Found, Watched]:
    """Learns, watches and compares with the truth."""
    hours, state, speed, flow, vibration = read(folder, device, "state", "speed", "flow", "vibration")
    running, learning = state == RUNNING, hours < LEARN
    u, q = speed / speed[learning].mean(), flow / flow[learning].mean()
    features = np.stack([np.ones_like(u), u, q, u * u, u * q, q * q], axis=1)
    taught = learning & running
    coefficients = np.linalg.lstsq(features[taught], vibration[taught], rcond=None)[0]
    normal = features @ coefficients
    excess = smooth(np.where(running, vibration - normal, 0.0))
    limit = SIGMAS * float(excess[taught][SMOOTH:].std())
    begun, tripped = truth(folder, device)
    seen = float(hours[(excess > limit) & (np.arange(len(hours)) > SMOOTH)][0])
    return Found(begun, seen, tripped), Watched(hours, vibration, normal, excess, limit)


def line(x: Array, y: Array, colour: str) -> str:
    places = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
    return f'<polyline fill="none" stroke="{colour}" stroke-width="1.2" points="{places}"/>'


def plot(found: Found, watched: Watched, wide: float = 760.0, high: float = 320.0) -> str:
    """An SVG: what was measured, what would be normal, and the three moments."""
    left, top, right, bottom = 46.0, 22.0, wide - 12.0, high - 34.0
    every = max(len(watched.hours) // 700, 1)
    hours, last, most = watched.hours[::every], watched.hours[-1], 10.0

    def across(hour: Array | float) -> Array:
        return left + np.asarray(hour) / last * (right - left)

    def up(vibration: Array | float) -> Array:
        return bottom - np.clip(vibration, 0, most) / most * (bottom - top)

    space = 'xmlns="http://www.w3.org/2000/svg" font-family="sans-serif" font-size="11"'
    drawn = [
        f'<svg {space} viewBox="0 0 {wide:g} {high:g}">',
        f'<rect width="{wide:g}" height="{high:g}" fill="white"/>',
    ]
    for value in range(0, 11, 2):
        drawn.append(f'<path d="M{left:g} {up(value):.1f}H{right:g}" stroke="#ddd"/>')
        drawn.append(f'<text x="{left - 6:g}" y="{up(value) + 4:.1f}" text-anchor="end">{value}</text>')
    drawn += [
        f'<text x="{across(hour):.1f}" y="{bottom + 15:g}" text-anchor="middle">{hour} h</text>'
        for hour in range(0, int(last) + 1, 6)
    ]
    drawn.append(f'<text x="{left:g}" y="13">vibration of the pump, mm/s</text>')
    drawn.append(line(across(hours), up(watched.vibration[::every]), "#4878a8"))
    drawn.append(line(across(hours), up(watched.normal[::every]), "#e08830"))
    shown = {"wear begins": found.begun, "seen": found.seen, "drive trips": found.tripped}
    for number, (text, hour) in enumerate(shown.items()):
        x, y = float(across(hour)), top + 12 + 14 * number
        drawn.append(f'<path d="M{x:.1f} {top:g}V{bottom:g}" stroke="#b03030" stroke-dasharray="4 3"/>')
        drawn.append(f'<text x="{x - 4:.1f}" y="{y:g}" text-anchor="end" fill="#b03030">{text}</text>')
    drawn.append(
        f'<text x="{left + 8:g}" y="{bottom - 8:g}" fill="#e08830">normal at this speed and flow</text>'
    )
    drawn.append(f'<text x="{left + 190:g}" y="{bottom - 8:g}" fill="#4878a8">measured</text></svg>')
    return "\n".join(drawn) + "\n"


def main() -> None:
    folder, *picture = sys.argv[1:]
    found, watched = watch(Path(folder))
    print(
        f"the bearing begins to wear after {found.begun:.1f} h, the drive trips after {found.tripped:.1f} h"
    )
    print(f"the excess is over its limit of {watched.limit:.2f} mm/s after {found.seen:.1f} h:")
    print(f"{found.tripped - found.seen:.1f} h before the failure")
    if picture:
        Path(picture[0]).write_text(plot(found, watched), encoding="utf-8")


if __name__ == "__main__":
    main()
