"""`qilu plant export-fleet`: a fleet with random faults as data for learning."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

from qilu.config.error_texts import suggestion
from qilu.contract.errors import ConfigError
from simulator.learning.fleet_data import write_fleet
from simulator.learning.presets import PRESETS


async def export_fleet(preset: str, folder: Path, seed: int) -> None:
    """Write the data set; ConfigError when there is no such preset, or the folder exists."""
    if preset not in PRESETS:
        remedy = suggestion(preset, sorted(PRESETS))
        raise ConfigError(f"no preset {preset!r}", key="PRESET", remedy=remedy)
    started, shown = time.monotonic(), 0
    for done in write_fleet(PRESETS[preset], preset, seed, folder):
        if int(10 * done) > shown:
            shown = int(10 * done)
            left = (time.monotonic() - started) * (1.0 - done) / done
            print(f"{10 * shown} %, {left:.0f} s left", file=sys.stderr, flush=True)
            await asyncio.sleep(0)
    size = sum(file.stat().st_size for file in folder.iterdir()) / 1e6
    print(f"{PRESETS[preset].units} units, {size:.0f} MB in {time.monotonic() - started:.0f} s: {folder}")
