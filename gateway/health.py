"""Reports the gateway's own health as readings of the built-in profile `gateway`, like any machine."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass

from gateway.clock import Clock
from gateway.delivery.delivery import Delivery
from gateway.delivery.outbox import Outbox
from gateway.interfaces import Spool
from gateway.pipeline import Tally
from gateway.sinks.mqtt import MqttSink
from gateway.sources.modbus.stats import SourceStats
from qilu.contract.errors import DataError, UnreachableError
from qilu.contract.ranges import IntervalSet
from qilu.contract.reading import BlockSchema, EpochTag, Origin, Poll, Reading, TimeTrust
from qilu.contract.record_codec import decode_record

PROFILE = "gateway"
GROUP = "status"

POINTS: Mapping[str, str] = {
    "uptime_s": "s since this process began to collect",
    "polls": "polls since the start",
    "points": "values since the start, good or not",
    "bad_points": "of these, values that are not good",
    "suppressed_points": "of these, values that a processor left out on purpose",
    "skipped_polls": "polls of a schedule that were skipped because the one before took too long",
    "timeouts": "requests without a reply in time",
    "reconnects": "connections to equipment that had to be made anew",
    "devices": "devices that this gateway collects from",
    "offline_devices": "devices that do not answer now",
    "spool_records": "records kept because they are not durable yet",
    "quarantined_records": "records set aside and kept, because the store rejected them, see `qilu spool`",
    "quarantine_dropped_records": "of those, records given up at a bound of the spool, since the start",
    "held_records": "records of another edge, not sent until it is adopted, see `qilu spool`",
    "backlog_records": "of these, records that are neither on their way nor stored",
    "oldest_record_age_s": "s since the oldest kept record was polled; 0: none is kept, or it is unknown",
    "spool_bytes": "bytes on disk",
    "spool_hours_left": "h until a bound of the spool at the present rate, if nothing is delivered",
    "disk_free_bytes": "bytes free on the file system of the spool; 0: it cannot be read",
    "dropped_records": "records given up at a bound of the spool, since the start",
    "blocked_records": "records that had to wait for room in the spool, since the start",
    "durable_records": "records that the store has for good, since the start",
    "deferred_records": "records kept here because a store deferred them, of the backlog",
    "rejected_records": "records that were set aside, since the start",
    "resent_records": "records sent more than once, since the start",
    "in_flight_records": "records on their way now",
    "clock_known": "1 while the clock is believed; else records wait, and are uncertain after clock_hold",
    "clock_offset_s": "s that the system's clock is ahead of the time that readings get",
    "broker_connected": "1 while the broker is connected",
    "broker_disconnects": "connections to the broker that were lost, since the start",
    "discarded_messages": "messages of the broker that found no room here, since the start",
    "unsigned_acks": "acknowledgements that were ignored for lack of a valid signature, since the start",
    "cause_code": "the worst cause now, by the numbers of docs/console.md; 0: all is well",
    "causes": "how many causes there are now",
    "history_left_out_records": "records that the local history left out, since the start",
}
"""The points of the profile and the value of each."""


@dataclass(eq=False)
class Health:
    """Reads the present value of every point from those who count."""

    tally: Tally
    spool: Spool
    outbox: Outbox
    delivery: Delivery
    sink: MqttSink
    clock: Clock
    sources: Sequence[SourceStats]
    devices: int
    """How many the gateway collects from."""
    observed_points: Callable[[], Mapping[str, float]]
    history_left_out: Callable[[], int] = lambda: 0
    monotonic: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        self._started_at = self.monotonic()

    def read(self) -> Mapping[str, float]:
        """Point -> value, all of POINTS."""
        tally, outbox, sources = self.tally, self.outbox, self.sources
        pending = self.spool.pending()
        deferred = sum(outbox.deferred(pending).values())
        counts = self.spool.counts()
        return {
            "uptime_s": round(self.monotonic() - self._started_at, 1),
            "polls": tally.polls,
            "points": tally.points,
            "bad_points": tally.bad_points,
            "suppressed_points": tally.suppressed_points,
            "skipped_polls": sum(stats.missed_polls for stats in sources),
            "timeouts": sum(stats.timeouts for stats in sources),
            "reconnects": sum(stats.reconnects for stats in sources),
            "devices": self.devices,
            "offline_devices": sum(len(stats.offline) for stats in sources),
            "spool_records": sum(map(len, pending.values())),
            "held_records": counts.held,
            "quarantined_records": counts.quarantined,
            "quarantine_dropped_records": counts.quarantine_dropped,
            "backlog_records": outbox.backlog(pending) + deferred,
            "oldest_record_age_s": oldest_s(self.spool, self.clock.now_ms()),
            "spool_bytes": self.spool.size,
            "clock_offset_s": round(self.clock.wall_offset_s, 3),
            "dropped_records": tally.dropped,
            "blocked_records": tally.blocked,
            "durable_records": outbox.tally.durable,
            "deferred_records": deferred,
            "rejected_records": outbox.tally.rejected,
            "resent_records": outbox.tally.resent,
            "in_flight_records": outbox.unacknowledged,
            "clock_known": int(self.clock.trust is TimeTrust.KNOWN),
            "broker_connected": int(outbox.connected),
            "broker_disconnects": self.delivery.lost_links,
            "discarded_messages": self.sink.discarded,
            "unsigned_acks": self.sink.unsigned_acks,
            "history_left_out_records": self.history_left_out(),
            **self.observed_points(),
        }


def oldest_s(spool: Spool, now_ms: int) -> float:
    """Seconds since the first record that the spool keeps was due; 0 where none is, or it cannot be read."""
    for stream, kept in spool.pending().items():
        if kept:
            try:
                records = spool.read(stream, IntervalSet([(kept.first(), kept.first())]), 0)
                return max((now_ms - decode_record(records[0].body).due_ms) / 1000, 0.0) if records else 0.0
            except (UnreachableError, DataError):
                return 0.0
    return 0.0


class StatusSource:
    """Polls the gateway itself every `period` seconds; `read` gives the present value of every point.

    `stamp`, `tag`: the time (ms, UTC) of a new reading of a series, and its epoch.
    """

    name = "status"

    def __init__(
        self,
        origin: Origin,
        period: float,
        read: Callable[[], Mapping[str, float]],
        stamp: Callable[[Hashable], int],
        tag: Callable[[], EpochTag | None] = lambda: None,
    ) -> None:
        self._columns = BlockSchema(origin, GROUP, tuple(POINTS))
        self._period = period
        self._read = read
        self._stamp = stamp
        self._tag = tag

    async def polls(self) -> AsyncGenerator[Poll]:
        while True:
            await asyncio.sleep(self._period)
            values = self._read()
            time_ms = self._stamp(self._columns)
            reading = Reading(self._columns, time_ms, tuple(values[point] for point in POINTS))
            yield Poll(time_ms, (reading,), epoch=self._tag())
