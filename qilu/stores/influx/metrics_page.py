"""VictoriaMetrics about itself on /metrics: when it started, and how much it accepted and did not keep."""

from __future__ import annotations

from collections.abc import Iterator
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
    """The page as it is now; UnreachableError when it does not have the start of the process."""
    reply = await http.ask("GET", "/metrics")
    metrics = parse_metrics(reply.body) if reply.ok else None
    if metrics is None:
        raise reply.unreachable("GET /metrics")
    return metrics


def parse_metrics(page: bytes) -> Metrics | None:
    """The content of the page; None where it does not have the start of the process."""
    page = b"\n" + page
    started, dropped = "", None
    for value in _values(page, _STARTED):
        started = value.decode(errors="replace")
    for name in _DROPPED:
        for value in _values(page, name):
            try:
                dropped = (dropped or 0) + int(float(value))
            except (ValueError, OverflowError):
                continue
    return Metrics(started, dropped) if started else None


def _values(page: bytes, name: bytes) -> Iterator[bytes]:
    """What stands last in each line that starts with `name`: the page has a thousand other lines."""
    at = page.find(b"\n" + name)
    while at >= 0:
        end = page.find(b"\n", at + 1)
        yield page[at : end if end >= 0 else None].rpartition(b" ")[2].rstrip()
        at = page.find(b"\n" + name, end) if end >= 0 else -1
