"""What a data set costs: CPU time per simulated second and per point, with the compiled step and without.

python -m benchmarks.export [--plant configs/plant.yaml] [--span 7200] [--every 10]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from simulator.app import load
from simulator.compiled import run
from simulator.ground_truth.export import export, plan_export

MONTH = 30 * 86_400


def measured(plant: Path, span: float, every: float, least: int) -> tuple[float, int]:
    """CPU-seconds and points of an export. least: ticks from which on the step is compiled."""
    run.MIN_TICKS = least
    loaded = load(plant, minimum_step=1.0)
    what = plan_export(loaded, span, every, "csv")
    points = what.rows * sum(len(device.profile.points) - 1 for device in loaded.devices.values())
    with tempfile.TemporaryDirectory() as folder:
        started = time.process_time()
        for _ in export(loaded, Path(folder), what):
            pass
        return time.process_time() - started, points


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--plant", type=Path, default=Path("configs/plant.yaml"))
    parser.add_argument("--span", type=float, default=7_200.0)
    parser.add_argument("--every", type=float, default=10.0)
    options = parser.parse_args()
    print(f"{'step':<10}{'CPU-s':>8}{'ms per simulated s':>20}{'us per point':>14}{'30 days, CPU-min':>18}")
    for name, least in (("compiled", 0), ("arrays", 10**12)):
        cpu, points = measured(options.plant, options.span, options.every, least)
        per_second = cpu / options.span
        print(
            f"{name:<10}{cpu:>8.1f}{per_second * 1e3:>20.3f}{cpu / points * 1e6:>14.2f}"
            f"{per_second * MONTH / 60:>18.1f}"
        )


if __name__ == "__main__":
    main()
