"""One log line every ten minutes, so that a quiet log can be told from a dead gateway."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping

_log = logging.getLogger(__name__)

INTERVAL_S = 600.0


async def beat(read: Callable[[], Mapping[str, float]], interval_s: float = INTERVAL_S) -> None:
    """Log one line per interval until cancelled; `read` gives the points of `gateway.health`."""
    before: Mapping[str, float] = {}
    while True:
        await asyncio.sleep(interval_s)
        now = read()
        _log.info(sentence(before, now, interval_s))
        before = now


def sentence(before: Mapping[str, float], now: Mapping[str, float], interval_s: float) -> str:
    """What went through since `before` (empty: since the start), and all that is not as it should be."""

    def more(point: str) -> float:
        return now[point] - before.get(point, 0.0)

    problems = [
        text
        for applies, text in (
            (now["offline_devices"], f"{now['offline_devices']:.0f} devices do not answer"),
            (not now["link"], "the broker is not connected"),
            (more("bad_points"), f"{more('bad_points'):.0f} values are not good"),
            (more("missed_turns"), f"{more('missed_turns'):.0f} polls were skipped"),
            (more("dropped_records"), f"{more('dropped_records'):.0f} records were dropped"),
            (
                more("blocked_records"),
                f"{more('blocked_records'):.0f} records had to wait for room in the spool",
            ),
            (more("rejected_records"), f"{more('rejected_records'):.0f} records were rejected"),
            (now["deferred_records"], f"{now['deferred_records']:.0f} records are deferred"),
            (now["held_records"], f"{now['held_records']:.0f} records of another edge are held"),
            (now["oldest_s"] > interval_s, f"the oldest record waits since {now['oldest_s']:.0f} s"),
        )
        if applies
    ]
    state = "needs attention: " + ", ".join(problems) if problems else "healthy"
    return (
        f"{state}; in the last {interval_s / 60:.0f} min {more('polls'):.0f} polls"
        f" of {now['devices']:.0f} devices, {more('points'):.0f} values, {more('durable_records'):.0f}"
        f" records durable; {now['spool_records']:.0f} records in the spool"
    )
