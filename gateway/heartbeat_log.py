"""One log line every ten minutes, so that a quiet log differs from that of a dead gateway."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping

_log = logging.getLogger(__name__)

INTERVAL_S = 600.0

_PRESENT = {
    "offline_devices": "devices do not answer",
    "deferred_records": "records are deferred",
    "held_records": "records of another edge are held",
}
"""Points whose value is a problem while it is not 0, and what it counts."""
_RISING = {
    "bad_points": "values are not good",
    "skipped_polls": "polls were skipped",
    "dropped_records": "records were dropped",
    "blocked_records": "records had to wait for room in the spool",
    "rejected_records": "records were rejected",
}
"""Points whose rise is one."""


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

    counts = {point: now[point] for point in _PRESENT} | {point: more(point) for point in _RISING}
    problems = [
        f"{counts[point]:.0f} {text}" for point, text in (_PRESENT | _RISING).items() if counts[point]
    ]
    if not now["broker_connected"]:
        problems.insert(0, "the broker is not connected")
    if now["oldest_record_age_s"] > interval_s:
        problems.append(f"the oldest record waits since {now['oldest_record_age_s']:.0f} s")
    state = "needs attention: " + ", ".join(problems) if problems else "healthy"
    return (
        f"{state}; in the last {interval_s / 60:.0f} min {more('polls'):.0f} polls"
        f" of {now['devices']:.0f} devices, {more('points'):.0f} values, {more('durable_records'):.0f}"
        f" records durable; {now['spool_records']:.0f} records in the spool"
    )
