"""Two and a half hours of reports of edges and an ingester, in which each has an hour with its own fault."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from gateway.health import POINTS
from qilu.contract.accounting import COLLECTION, COUNTS, COUNTS_POINTS, GATEWAY, SCHEDULE_POINTS
from qilu.contract.cloud_reports import (
    AUDIT_POINTS,
    INGESTER_POINTS,
    audit_columns,
    fleet_columns,
    ingester_columns,
)
from qilu.contract.reading import BlockSchema, Origin, Poll, Reading

MINUTES = 150
BEGIN, END = 30, 90
"""Minutes of the fault; before and after it all is well."""
EVERY_S = 30
INGESTER_ID = "ingester-1"
GRAFANA = "https://grafana.example"

Values = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Fault:
    """What an edge reports while something is wrong with it; None: nothing at all."""

    rule: str
    status: Callable[[int], Values | None] = lambda _: {}
    account: Callable[[int], Values | None] = lambda _: {}
    audit: Values = field(default_factory=dict)
    expected: bool = False


def late(second: int) -> dict[str, float]:
    return {"oldest_record_age_s": 700.0 + second}


def is_faulty(second: int) -> bool:
    return BEGIN * 60 <= second < END * 60


FAULTS = {
    "edge-silent": Fault("QiluEdgeSilent", lambda _: None, lambda _: None),
    "edge-offline-device": Fault("QiluDeviceOffline", account=lambda _: {"offline_s": 60.0}),
    "edge-incomplete": Fault("QiluCompletenessLow", account=lambda _: {"good": 40.0, "no_reply": 20.0}),
    "edge-dropping": Fault(
        "QiluRecordsDropped",
        lambda second: late(second) | {"dropped_records": float(second), "spool_hours_left": 0.0},
    ),
    "edge-full": Fault("QiluSpoolNearlyFull", lambda second: late(second) | {"spool_hours_left": 7.5}),
    "edge-rejected": Fault("QiluRecordsRejected", lambda second: {"rejected_records": second}),
    "edge-deferred": Fault("QiluRecordsDeferred", lambda second: late(second) | {"deferred_records": 7}),
    "edge-late": Fault("QiluRecordsWait", late),
    "edge-clock": Fault("QiluClockUncertain", lambda _: {"clock_known": 0}),
    "edge-audited": Fault("QiluAuditUnexplained", audit={"unexplained_values": 12}),
    "edge-never": Fault("QiluEdgeNeverReported", expected=True),
    "edge-well": Fault("", expected=True),
}
WELL = {"clock_known": 1.0, "broker_connected": 1.0, "spool_hours_left": 700.0}


def reports(edge: str, fault: Fault, start_ms: int) -> Iterator[Poll]:
    """The status, the accounts and the audits of one edge; a counter that rose stays where it is."""
    status = dict.fromkeys(POINTS, 0.0) | WELL
    schedule = dict.fromkeys(SCHEDULE_POINTS, 1.0)
    silent = edge == "edge-never"
    for second in range(0, MINUTES * 60, EVERY_S):
        time_ms = start_ms + second * 1000
        faulty = is_faulty(second)
        if fault.expected and (faulty or not silent):
            yield Poll(time_ms, (Reading(fleet_columns(edge), time_ms, (1,)),))
        if silent:
            continue
        if not second:
            yield _poll(Origin(edge, "press-1", COLLECTION), "schedule", schedule, time_ms)
        changes = fault.status(second) if faulty else {}
        if changes is not None:
            status |= {point: changes[point] for point in changes if point in RISING}
            values = status | {"uptime_s": second} | dict(changes)
            yield _poll(Origin(edge, edge, GATEWAY), "status", values, time_ms)
        account = fault.account(second) if faulty else {}
        if account is not None and second % 60 == 0:
            counts = dict.fromkeys(COUNTS_POINTS, 0.0) | {"span_ms": 60_000.0, "expected": 60.0, "good": 60.0}
            yield _poll(Origin(edge, "press-1", COLLECTION), COUNTS, counts | dict(account), time_ms)
        if second % 1800 == 0:
            found = dict.fromkeys(AUDIT_POINTS, 0.0) | dict(fault.audit if faulty else {})
            yield Poll(time_ms, (Reading(audit_columns(edge), time_ms, tuple(found.values())),))


RISING = ("dropped_records", "rejected_records")


def ingester_reports(start_ms: int, name: str = INGESTER_ID, *, faulty: bool = True) -> Iterator[Poll]:
    """An ingester that lags and loses values in the time of the faults."""
    lost = 0.0
    for second in range(0, MINUTES * 60, EVERY_S):
        time_ms = start_ms + second * 1000
        lost = float(second) if faulty and is_faulty(second) else lost
        lag_s = 90.0 if faulty and is_faulty(second) else 0.0
        values = dict.fromkeys(INGESTER_POINTS, 0.0) | {
            "uptime_s": second, "lag_s": lag_s, "lost_values": lost
        }  # fmt: skip
        yield Poll(time_ms, (Reading(ingester_columns(name), time_ms, tuple(values.values())),))


def _poll(origin: Origin, group: str, values: Values, time_ms: int) -> Poll:
    return Poll(
        time_ms, (Reading(BlockSchema(origin, group, tuple(values)), time_ms, tuple(values.values())),)
    )


OF_THE_INGESTER = {
    ("QiluIngesterLags", INGESTER_ID), ("QiluStoreDropsValues", INGESTER_ID)
}  # fmt: skip
LATE = {"edge-incomplete": 65, "edge-never": 65}
"""Minutes after the fault: an hour's mean, and an hour for which an edge stays expected."""
