"""VictoriaMetrics about itself on /metrics: when it started, and how much it accepted and did not keep."""

from __future__ import annotations

import re
from typing import NamedTuple

from qilu.stores.influx.http import Http

# Older versions count the rows beyond a limit of series by names of their own, newer ones by `reason`.
_LINE = re.compile(
    rb"^(?:(process_start_time_seconds)|"
    rb"vm_(?:\w+_series_limit_rows_dropped|rows_ignored)_total(?:\{[^}\n]*\})?) (\S+)$",
    re.MULTILINE,
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
    found = parse_metrics(reply.body) if reply.ok else None
    if found is None:
        raise reply.unreachable("GET /metrics")
    return found


def parse_metrics(page: bytes) -> Metrics | None:
    """What stands on the page; None where it does not say when the process started."""
    started, dropped = "", None
    for match in _LINE.finditer(page):
        if match[1]:
            started = match[2].decode(errors="replace")
            continue
        try:
            dropped = (dropped or 0) + int(float(match[2]))
        except (ValueError, OverflowError):
            continue
    return Metrics(started, dropped) if started else None
