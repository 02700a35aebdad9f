"""VictoriaMetrics about itself on /metrics: when it started, and how much it accepted and did not keep."""

from __future__ import annotations

from typing import NamedTuple

from qilu.stores.influx.http import Http

_STARTED = b"process_start_time_seconds "
# Older versions have counters of their own for limits of series, newer ones a label `reason`.
_DROPPED = (
    b"vm_hourly_series_limit_rows_dropped_total",
    b"vm_daily_series_limit_rows_dropped_total",
    b"vm_rows_ignored_total",
)


class Metrics(NamedTuple):
    """One reading of the page."""

    started: str
    """When the process started, as it spells it."""
    dropped: int | None
    """Rows that it dropped or ignored since then; None where the page has no such counter."""


async def read_metrics(http: Http) -> Metrics:
    """The page as it is now; UnreachableError when it does not say when the process started."""
    reply = await http.ask("GET", "/metrics")
    metrics = parse_metrics(reply.body) if reply.ok else None
    if metrics is None:
        raise reply.unreachable("GET /metrics")
    return metrics


def parse_metrics(page: bytes) -> Metrics | None:
    """What stands on the page; None where it does not say when the process started."""
    started, dropped = "", None
    for line in page.splitlines():
        if line.startswith(_STARTED):
            started = line.rpartition(b" ")[2].decode(errors="replace")
        elif line.startswith(_DROPPED):
            try:
                dropped = (dropped or 0) + int(float(line.rpartition(b" ")[2]))
            except (ValueError, OverflowError):
                continue
    return Metrics(started, dropped) if started else None
