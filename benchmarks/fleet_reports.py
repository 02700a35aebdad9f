"""What many gateways report of themselves and of their devices: data of `benchmarks.dashboards`."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from random import Random

from gateway.accounting.edge_account import EdgeAccount, origin_of
from gateway.health import POINTS
from qilu.contract.accounting import (
    COLLECTION,
    COUNTS,
    COUNTS_POINTS,
    EDGE_COUNTS_POINTS,
    GATEWAY,
    SCHEDULE,
    SCHEDULE_POINTS,
)
from qilu.contract.reading import BlockSchema, Origin, Poll, Reading

EVERY_MS = 60_000
SITES = 10
DUE = 600.0
"""Values that were due from a device in a minute."""


def reports(edges: int, devices: int, start_ms: int, end_ms: int) -> Iterator[Poll]:
    """Status of each edge and accounts of each of its devices; one edge in twenty misses values."""
    random = Random(1)
    status, accounts, totals = [], [], []
    for number in range(1, edges + 1):
        edge, site = f"edge-{number}", f"site-{number % SITES}"
        own = Origin(edge, edge, GATEWAY, "works", site)
        status.append(BlockSchema(own, "status", tuple(POINTS)))
        totals.append(BlockSchema(origin_of(own), COUNTS, EDGE_COUNTS_POINTS))
        of_devices = (
            Origin(edge, f"device-{device}", COLLECTION, "works", site, "line") for device in range(devices)
        )
        accounts.append([BlockSchema(origin, COUNTS, COUNTS_POINTS) for origin in of_devices])
    planned = (DUE / 60, DUE, 1.0, 60.0, 60.0)
    for account in chain.from_iterable(accounts):
        schedule = BlockSchema(account.origin, SCHEDULE, SCHEDULE_POINTS)
        yield Poll(start_ms, (Reading(schedule, start_ms, planned),))
    for time_ms in range(start_ms + EVERY_MS, end_ms + 1, EVERY_MS):
        seconds = (time_ms - start_ms) / 1000
        for number, schema in enumerate(status):
            values = dict.fromkeys(POINTS, 0.0) | {
                "uptime_s": seconds, "points": DUE / 60 * devices * seconds, "durable_records": seconds,
                "devices": float(devices), "clock_known": 1.0, "broker_connected": 1.0,
                "spool_bytes": float(random.randrange(4096, 10**6)),
            }  # fmt: skip
            yield Poll(time_ms, (Reading(schema, time_ms, tuple(values.values())),))
            lost = float(random.randrange(1, 60)) if number % 20 == 0 else 0.0
            counts = dict.fromkeys(COUNTS_POINTS, 0.0) | {
                "span_ms": float(EVERY_MS), "expected": DUE, "good": DUE - lost, "no_reply": lost,
            }  # fmt: skip
            total = EdgeAccount()
            for account in accounts[number]:
                poll = Poll(time_ms, (Reading(account, time_ms, tuple(counts.values())),))
                total.add(poll)
                yield poll
            yield Poll(time_ms, (Reading(totals[number], time_ms, total.take()),))
