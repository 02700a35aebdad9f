"""The causes that the sentence names, worst first, each with a stable code."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from gateway.diagnosis.view import Level


class CauseCode(StrEnum):
    """What is wrong. The order is the order of importance: values are lost, not delivered, not collected,
    doubtful. The status of the edge has the `number`."""

    DISK_FULL = "disk_full"
    SPOOL_BLOCKED = "spool_blocked"
    RECORDS_DROPPED = "records_dropped"
    NETWORK_DOWN = "network_down"
    ACCESS_REFUSED = "access_refused"
    BROKER_DISCONNECTED = "broker_disconnected"
    SPOOL_NEARLY_FULL = "spool_nearly_full"
    ALL_DEVICES_OFFLINE = "all_devices_offline"
    NO_INGESTER = "no_ingester"
    STORE_NOT_ACKNOWLEDGING = "store_not_acknowledging"
    ENDPOINT_OFFLINE = "endpoint_offline"
    DEVICES_OFFLINE = "devices_offline"
    DEVICE_OFFLINE = "device_offline"
    CLOCK_IN_DOUBT = "clock_in_doubt"
    RECORDS_DEFERRED = "records_deferred"
    RECORDS_QUARANTINED = "records_quarantined"
    RECORDS_HELD = "records_held"
    POLLS_SKIPPED = "polls_skipped"
    VALUES_OUT_OF_LIMITS = "values_out_of_limits"
    ADDRESSES_REFUSED = "addresses_refused"
    STARTING = "starting"
    NORMAL = "normal"

    @property
    def number(self) -> int:
        """A number for stores, which keep it for years: 0 is normal."""
        return _TABLE[self][0]

    @property
    def level(self) -> Level:
        return _TABLE[self][1]


# Written out, not enumerated: a new cause gets the next free number wherever it stands in the order.
_TABLE = {
    CauseCode.DISK_FULL: (1, Level.FAULT),
    CauseCode.SPOOL_BLOCKED: (2, Level.FAULT),
    CauseCode.RECORDS_DROPPED: (3, Level.FAULT),
    CauseCode.NETWORK_DOWN: (4, Level.FAULT),
    CauseCode.ACCESS_REFUSED: (5, Level.FAULT),
    CauseCode.BROKER_DISCONNECTED: (6, Level.FAULT),
    CauseCode.SPOOL_NEARLY_FULL: (7, Level.WARNING),
    CauseCode.ALL_DEVICES_OFFLINE: (8, Level.FAULT),
    CauseCode.NO_INGESTER: (9, Level.FAULT),
    CauseCode.STORE_NOT_ACKNOWLEDGING: (10, Level.FAULT),
    CauseCode.ENDPOINT_OFFLINE: (11, Level.FAULT),
    CauseCode.DEVICES_OFFLINE: (12, Level.FAULT),
    CauseCode.DEVICE_OFFLINE: (13, Level.FAULT),
    CauseCode.CLOCK_IN_DOUBT: (14, Level.WARNING),
    CauseCode.RECORDS_DEFERRED: (15, Level.WARNING),
    CauseCode.RECORDS_QUARANTINED: (16, Level.WARNING),
    CauseCode.RECORDS_HELD: (17, Level.WARNING),
    CauseCode.POLLS_SKIPPED: (18, Level.WARNING),
    CauseCode.VALUES_OUT_OF_LIMITS: (19, Level.WARNING),
    CauseCode.ADDRESSES_REFUSED: (20, Level.WARNING),
    CauseCode.STARTING: (21, Level.UNKNOWN),
    CauseCode.NORMAL: (0, Level.NORMAL),
}


@dataclass(frozen=True, slots=True)
class Cause:
    """One thing that is wrong: what, since when, what it costs, what to do; in Chinese and in English.

    `since_ms`: UTC, 0 where it is not known. `subject`: the device or endpoint that it is about, if any.
    """

    code: CauseCode
    zh: str
    en: str
    since_ms: int = 0
    subject: str = ""

    @property
    def level(self) -> Level:
        return self.code.level
