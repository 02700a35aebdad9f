"""What an edge reports of its own collection, so that every missing value can be explained.

Built-in profiles carry it, as readings like any other:

    gateway      device = the edge itself    groups: status (gateway/health.py), events
    collection   device = each device        groups: counts, recount, schedule, events
    point-info   device = each device        what its points are: qilu/contract/point_info.py
    edge-info    device = the edge itself    texts about it: qilu/contract/edge_info.py
    edge-collection    device = the edge itself    group counts: the counts of all its devices together

What the cloud reports has profiles of its own: qilu/contract/cloud_reports.py.

- counts: what became of every value that was due from the reading's time on for `span_ms`. The next reading
  begins where this one ends. Only the last one before a power cut is missing.
- counts of `edge-collection`: sums for dashboards and rules; an audit asks the counts of the devices.
- recount: an account that the spool had to give up, or several of them that followed each other as one; it
  began `recount_start_ago_s` before the reading. The newest reading with a begin replaces the ones before.
- schedule: what should be polled from now on; at every start of the gateway, and once a day.
- events: something that happened, or a stretch of time: it began `start_ago_s` before the reading and took
  `duration_s`. The codes are numbers because not every store has a place for the text beside them.
"""

from __future__ import annotations

from enum import IntEnum

from qilu.contract.reading import Quality, Reason

GATEWAY = "gateway"
COLLECTION = "collection"
POINT_INFO = "point-info"
EDGE_INFO = "edge-info"
EDGE_COLLECTION = "edge-collection"
INGESTER, FLEET, AUDIT = "ingester", "fleet", "audit"
CLOUD_PROFILES = (INGESTER, FLEET, AUDIT)
"""Of the cloud: a record of an edge may not have them."""
OF_AN_EDGE = (GATEWAY, EDGE_INFO, EDGE_COLLECTION)
"""About an edge as a whole, which is their device."""
PROFILES = (*OF_AN_EDGE, COLLECTION, POINT_INFO, *CLOUD_PROFILES)
"""No device profile of a user may have these names."""

COUNTS = "counts"
COUNTS_POINTS = (
    "span_ms",  # of the time that is counted
    "expected",  # values that were due: points of a poll group x its turns
    "missed",  # of these, of turns that were skipped because the endpoint was still busy
    "blocked",  # of these, of turns that were skipped because the spool took no record
    "good",
    "uncertain",
    "no_reply",  # bad: the device was not reached or did not answer
    "refused",  # bad: it answered that it will not or cannot
    "invalid",  # bad: what it answered is no value
    "internal_error",  # bad: an error of the gateway itself
    "suppressed",  # of the good, uncertain and bad ones: left out by a processor
    "offline_s",  # seconds that the device was offline
    "texts",  # of the values that were sent, texts: not every store has a place for them
    "sent_records",  # in which the values were sent
    "largest_record_values",  # values of the largest of these records
    "known_s",  # seconds for which this edge had collected from the device before this account
)

EDGE_COUNTS_POINTS = (
    "expected", "missed", "blocked", "good", "uncertain", "no_reply", "refused", "invalid", "internal_error",
    "suppressed", "offline_s",
)  # fmt: skip
"""Of the profile `edge-collection`: sums of the counts that ended since the reading before."""

RECOUNT = "recount"
RECOUNT_POINTS = ("recount_start_ago_s", *(f"recount_{point}" for point in COUNTS_POINTS))
"""Names of their own: a store knows a value by device, point and time, and not by its group."""

SCHEDULE = "schedule"
SCHEDULE_POINTS = (
    "values_per_s",  # values per second
    "points",  # values of one turn of every poll group
    "groups",
    "shortest_period_s",  # seconds between two turns of the fastest poll group
    "account_interval_s",  # seconds for which one account runs; edges that do not send it: 60
)

EVENTS = "events"
EVENT_POINTS = (
    "event",
    "start_ago_s",
    "duration_s",
    "records",
    "values",  # of the device in these records
    "in_flight",  # of these records, those that had been sent and may be in the store
    "unread",  # of these records, those that could not be read, so that nobody knows their device
    "code",
    "text",
)


class EventKind(IntEnum):
    """The point `event`. Stores keep these numbers for years: never change one."""

    STARTED = 1
    """The gateway began to collect; it had not been since `start_ago_s` (0: not known)."""
    STOPPED = 2
    CLOCK_STEPPED = 3
    """The wall clock was set by `duration_s`, `start_ago_s` ago by the clock before; `code` is 1
    if no time in between was used before."""
    DROPPED = 4
    """The spool gave up `records` of this time; `code`: see `DropReason`. Repeated as it grows.

    As an event of a device: the records of this device, with exactly so many `values`.
    """
    REJECTED = 5
    """A store refused `records` of this device and time; they are in the edge's quarantine."""
    OFFLINE = 6
    """The device does not answer; `code` is the code of the reason."""
    ONLINE = 7
    """The device answers, again or for the first time."""
    LIMITS_LEARNED = 8
    """The device taught the gateway what it refuses."""
    REMOVED = 9
    """The edge does not collect from this device any more; the last account ended `start_ago_s` before."""
    REQUEUED = 10
    """Records came back from the quarantine of the edge: what was reported as rejected before may be
    stored."""
    DEFERRED = 11
    """A store could not take `records` of this device and time for now; `text` is the code."""
    CORRECTED = 12
    """The clock was corrected: nothing was polled of the device in this time, which lies between the last
    reading before that and the first one after it."""
    RELOADED = 13
    """The running gateway took other settings; `text` has who asked for them and what they changed."""


class DropReason(IntEnum):
    """Why a spool gave up records, or did not take them; named as in its journal."""

    max_bytes = 1
    max_age = 2
    min_free_disk = 3
    disk_full = 4
    damaged = 5
    missing = 6
    unreadable = 7
    blocked = 8
    """It took none, and the gateway ended before it took them again."""


_FAMILIES: dict[Reason, str] = {
    **dict.fromkeys((Reason.TIMEOUT, Reason.UNREACHABLE, Reason.GATEWAY_PATH, Reason.NOT_POLLED), "no_reply"),
    **dict.fromkeys(
        (Reason.ILLEGAL_ADDRESS, Reason.ILLEGAL_FUNCTION, Reason.DEVICE_FAILURE, Reason.DEVICE_BUSY),
        "refused",
    ),
    **dict.fromkeys(
        (
            Reason.PROTOCOL_ERROR,
            Reason.SENTINEL,
            Reason.OUT_OF_LIMITS,
            Reason.NOT_A_NUMBER,
            Reason.UNDECODABLE,
        ),
        "invalid",
    ),
    Reason.INTERNAL_ERROR: "internal_error",
    **{reason: "uncertain" for reason in Reason if reason.quality is Quality.UNCERTAIN},
}


def count_column(reason: Reason) -> str:
    """The point of `counts` that values with this reason are counted in."""
    return _FAMILIES.get(reason, "invalid")
