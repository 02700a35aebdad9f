"""What the physics costs: CPU time per simulated machine-second, for each model and for big plants.

python benchmarks/plant.py [--seconds 30] [--json]

One tick is one simulated second: all machines are stepped and their registers written. A plant "in
real time" must stay well under 1 CPU-second per simulated second.
"""

import argparse
import json
import time
import tracemalloc
from typing import Any

from qilu.config.profiles import profiles
from simulator.machines import MODELS
from simulator.plant.plant import Plant
from simulator.plant.settings import PlantSettings


def built(counts: dict[str, int]) -> Plant:
    """A plant of so many machines of each model, on as few ports as they need."""
    machines = [
        {"device": model, "machine": model, "port": 20_000 + 1000 * index, "replicas": count}
        for index, (model, count) in enumerate(counts.items())
    ]
    settings = PlantSettings.model_validate({"plant": "bench", "seed": 1, "step": 1, "machines": machines})
    return Plant(settings, profiles(counts))


def measured(plant: Plant, seconds: int) -> dict[str, Any]:
    """CPU of `seconds` ticks, after some to warm up."""
    plant.advance(5)
    start = time.process_time()
    for _ in range(seconds):
        plant.advance()
    cpu = time.process_time() - start
    devices = len(plant.devices)
    points = sum(len(device.profile.points) for device in plant.devices.values())
    return {
        "devices": devices,
        "points": points,
        "cpu_per_second": cpu / seconds,
        "us_per_machine_second": cpu / seconds / devices * 1e6,
        "ns_per_point": cpu / seconds / points * 1e9,
    }


def memory(plant: Plant, ticks: int) -> int:
    """Bytes that are held more after `ticks` ticks than before; once round all blocks of noise comes
    first.
    """
    tracemalloc.start()
    plant.advance(600)
    before, _ = tracemalloc.get_traced_memory()
    plant.advance(ticks)
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return after - before


def plants() -> dict[str, dict[str, int]]:
    """Single models and mixtures of all of them."""
    each = {f"{model} x 100": {model: 100} for model in sorted(MODELS)}
    thousand = dict.fromkeys(sorted(MODELS), 1000 // len(MODELS) + 1)
    per_set = sum(len(profile.points) for profile in profiles(MODELS).values())
    hundred_thousand = dict.fromkeys(sorted(MODELS), -(-100_000 // per_set))
    return {**each, "1,000 devices": thousand, "100,000 points": hundred_thousand}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    results = {name: measured(built(counts), options.seconds) for name, counts in plants().items()}
    if options.json:
        print(json.dumps(results, indent=2))
        return
    print(f"{'plant':<34}{'devices':>8}{'points':>9}{'core':>8}{'us/machine-s':>14}{'ns/point':>10}")
    for name, result in results.items():
        print(
            f"{name:<34}{result['devices']:>8}{result['points']:>9}{result['cpu_per_second']:>8.1%}"
            f"{result['us_per_machine_second']:>14.1f}{result['ns_per_point']:>10.0f}"
        )
    grown = memory(built({"screw-air-compressor": 20}), 600)
    print(f"\nmemory grown over 600 ticks of 20 compressors: {grown / 1000:.1f} kB")


if __name__ == "__main__":
    main()
