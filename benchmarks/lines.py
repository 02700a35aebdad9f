"""What lines that lose frames cost: the share of good values, and limits learned wrongly.

    python -m benchmarks.lines [--polls 250] [--seeds 3] [--seconds 300] [--retries 0 1 2] [--losses 1 5 20]
                               [--without 0016]

A source polls three units of four blocks once a second with a timeout of 1 s, in memory and on virtual time:
the same numbers on every machine. A frame is lost at random, be it the request or the reply. The first figure
is the share of good values in the polls that were made, the second one in the polls that were due: a timeout
takes as long as a period here, so that polls are skipped. `--without` switches the mechanism of a decision
record off.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable, Mapping
from time import monotonic
from typing import NamedTuple

from qilu.modbus_client.late_reply_guard import LateReplyGuard
from tests.gateway.sources.peer import FOUR_BLOCKS, World, losing
from tests.support.virtual_time import run

WORLDS = {
    "Modbus TCP": World("memory"),
    "RTU over TCP": World("memory", "rtu"),
    "serial line": World("memory", "rtu", serial=True),
}
UNITS = (1, 2, 3)


def _without_0016() -> None:
    """No loopback request is sent after a timeout."""
    LateReplyGuard.needs_loopback = lambda *_: False  # type: ignore[method-assign]


SWITCHES: Mapping[str, Callable[[], None]] = {"0016": _without_0016}


class Result(NamedTuple):
    polled: float
    """Good values, of those of the polls that were made."""
    due: float
    """Good values, of those of the polls that were due."""
    learned: int
    """Times that a lost frame was learned as a limit of the device."""


def measured(world: World, share: float, retries: int, poll_count: int, seeds: int) -> Result:
    """`share`: of the frames that are lost; `poll_count`: polls of each unit."""
    good = polled = due = learned = 0
    for seed in range(1, seeds + 1):
        polls, source = run(
            world.polls(
                losing(share, seed), poll_count * len(UNITS), units=UNITS, meter=FOUR_BLOCKS, retries=retries
            )
        )
        for poll in polls:
            polled += poll.size
            due += poll.size * (1 + poll.skipped)
            good += poll.size - sum(len(reading.reasons) for reading in poll.readings)
        learned += sum(event.kind == "limits_learned" for event in source.stats.events)
    return Result(good / polled, good / due, learned)


def main() -> None:
    parser = argparse.ArgumentParser(description="What lines that lose frames cost.")
    parser.add_argument("--polls", type=int, default=250, help="of each unit and each seed")
    parser.add_argument("--seeds", type=int, default=3, help="series of random losses for each figure")
    parser.add_argument("--seconds", type=float, default=300, help="no figure is begun after this time")
    parser.add_argument("--retries", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument(
        "--losses", type=float, nargs="+", default=[0, 1, 5, 10, 20], help="percent of frames"
    )
    parser.add_argument("--without", action="append", default=[], choices=SWITCHES, metavar="DECISION")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    for decision in options.without:
        SWITCHES[decision]()
    end = monotonic() + options.seconds
    for name, world in WORLDS.items():
        print(f"{name}: good values in percent, of polls made and of polls due; limits learned wrongly")
        print(f"{'frames lost':>12}" + "".join(f"{f'retries: {count}':>18}" for count in options.retries))
        for percent in options.losses:
            print(f"{percent:>10g} %", end="", flush=True)
            for retries in options.retries:
                if monotonic() > end:
                    print("\nstopped: the time is over (--seconds)")
                    return
                result = measured(world, percent / 100, retries, options.polls, options.seeds)
                print(
                    f"{100 * result.polled:>9.1f}{100 * result.due:>6.1f}{result.learned:>3}",
                    end="",
                    flush=True,
                )
            print()


if __name__ == "__main__":
    main()
