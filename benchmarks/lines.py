"""What lines that lose frames cost, by count: the share of good values, and what was learnt that is not so.

    python -m benchmarks.lines [--turns 1500]

A source polls three units of four blocks once a second, with a time-out of 1 s, in memory and on virtual
time: the same numbers on every machine. A frame is lost at random, be it the request or the reply.
"""

from __future__ import annotations

import argparse
import logging

from tests.gateway.sources.peer import FOUR_BLOCKS, World, losing
from tests.support.virtual_time import run

WORLDS = {"Modbus TCP": World("memory"), "serial line": World("memory", "rtu", serial=True)}
LOSSES = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2)
UNITS = (1, 2, 3)


def measured(world: World, share: float, retries: int, poll_count: int) -> tuple[float, int]:
    """The share of good values, and how often something was learnt from silence."""
    polls, source = run(
        world.polls(losing(share), poll_count * len(UNITS), units=UNITS, meter=FOUR_BLOCKS, retries=retries)
    )
    bad = sum(len(reading.reasons) for poll in polls for reading in poll.readings)
    learned_count = sum(event.kind == "limits_learned" for event in source.stats.events)
    return 1 - bad / sum(poll.size for poll in polls), learned_count


def main() -> None:
    parser = argparse.ArgumentParser(description="What lines that lose frames cost.")
    parser.add_argument("--turns", type=int, default=1500, help="of each unit")
    poll_count = parser.parse_args().turns
    logging.disable(logging.CRITICAL)
    for name, world in WORLDS.items():
        print(f"{name}: good values, and lessons that are wrong")
        print(f"{'frames lost':>12}{'retries: 0':>18}{'retries: 1':>18}{'retries: 2':>18}")
        for share in LOSSES:
            cells = [measured(world, share, retries, poll_count) for retries in range(3)]
            row = "".join(f"{100 * good:>12.1f} %{learned_count:>4}" for good, learned_count in cells)
            print(f"{100 * share:>10.0f} %{row}", flush=True)


if __name__ == "__main__":
    main()
