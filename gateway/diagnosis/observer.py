"""The observer: makes the view from the parts of a running gateway. It reads them and changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from gateway.clock import Clock
from gateway.delivery.delivery import Delivery
from gateway.delivery.outbox import Outbox
from gateway.diagnosis.devices import DeviceBook
from gateway.diagnosis.rise import Rise
from gateway.diagnosis.sentence import Sentence, sentence
from gateway.diagnosis.view import BrokerView, GatewayView, SpoolView, StoreView
from gateway.interfaces import Blockage, SpoolCounts
from gateway.pipeline import Tally
from gateway.settings import GatewaySettings
from qilu.contract.errors import AccessRefusedError
from qilu.contract.ranges import IntervalSet
from qilu.contract.topics import Lane

_MIN_RATE_SPAN_S = 10.0
"""Seconds of collecting from which the room is told as a time."""


SLOW_S = 2.0
_MAX_RANGES, _MAX_RANGE_TEXT = 20, 200
"""Streams, and characters of their offsets, that the details have."""


class ObservedSpool(Protocol):
    """What the observer reads of a spool."""

    @property
    def is_open(self) -> bool: ...
    @property
    def size(self) -> int: ...
    @property
    def room_bytes(self) -> int: ...
    @property
    def free_bytes(self) -> int: ...
    @property
    def blockage(self) -> Blockage | None: ...
    def pending(self) -> Mapping[int, IntervalSet]: ...
    def counts(self) -> SpoolCounts: ...


@dataclass(frozen=True, slots=True)
class ObservedParts:
    """The parts of a gateway that the observer reads. `monotonic` is the clock (s) of the delivery."""

    settings: GatewaySettings
    devices: DeviceBook
    tally: Tally
    spool: ObservedSpool
    outbox: Outbox
    delivery: Delivery
    clock: Clock
    oldest_s: Callable[[], float]
    monotonic: Callable[[], float]


@dataclass(slots=True)
class _Slow:
    """What costs a look at the disk or a sort: looked at again after SLOW_S."""

    looked_at: float = float("-inf")
    oldest_s: float = 0.0
    room_bytes: int = 0
    free_bytes: int = 0
    delay_s: float | None = None


class Observer:
    """Makes views; it keeps nothing but how counters rose in the last ten minutes."""

    def __init__(self, parts: ObservedParts) -> None:
        self._parts = parts
        now = parts.monotonic()
        self._started_at = now
        self._slow = _Slow()
        self._bytes = Rise(0, now)
        self._polls = Rise(0, now)
        self._dropped = Rise(0, now)
        self._rejected = Rise(0, now)
        self._skipped = {source: Rise(0, now) for source in parts.devices.skipped_polls()}

    @property
    def is_ready(self) -> bool:
        """Whether the spool is open: before that its numbers are 0."""
        return self._parts.spool.is_open

    def view(self) -> GatewayView:
        parts, now = self._parts, self._parts.monotonic()
        tally, delivery = parts.tally, parts.delivery
        if now - self._slow.looked_at >= SLOW_S:
            self._look_slowly(now)
        skipped = self._skipped_recently(now)
        stores = self._stores(now)
        return GatewayView(
            edge=parts.settings.edge,
            now_ms=parts.clock.now_ms(),
            started_ms=self._ms(self._started_at, now),
            devices=parts.devices.views(parts.clock.now_ms()),
            broker=self._broker(now),
            stores=stores,
            spool=self._spool(now),
            clock=parts.clock.trust,
            clock_since_ms=parts.clock.epoch_start_ms,
            frees_on_broker=parts.settings.delivery.free_on == "broker",
            waiting_since_ms=self._ms(delivery.waiting_since, now),
            ack_timeout_s=parts.outbox.limits.ack_timeout
            + max(parts.outbox.announced_stores.values(), default=0.0),
            last_durable_ms=self._ms(delivery.durable_at, now),
            durable_records=parts.outbox.tally.durable,
            durable_delay_s=self._slow.delay_s,
            skipped_recently=round(sum(skipped.values())),
            busiest_endpoint=self._busiest(skipped),
            polls=tally.polls,
            values=tally.points,
            polls_per_s=self._polls.of(tally.polls, now) / max(self._polls.span_s(now), 1.0),
        )

    def _look_slowly(self, now: float) -> None:
        parts = self._parts
        delay_s = parts.delivery.latency.quantiles(0.5)[0]
        if parts.spool.is_open:
            spool = parts.spool
            self._slow = _Slow(now, parts.oldest_s(), spool.room_bytes, spool.free_bytes, delay_s)

    def sentence(self) -> Sentence:
        return sentence(self.view())

    def delivery_details(self) -> Mapping[str, Any]:
        """Lanes, windows and ranges of offsets, as the console shows them to those who look closer."""
        parts = self._parts
        pending: Mapping[int, IntervalSet] = parts.spool.pending() if parts.spool.is_open else {}
        outbox = parts.outbox
        deferred = sum(outbox.deferred(pending).values())
        windows = {lane: outbox.window(lane) for lane in Lane}
        return {
            "backlog": outbox.backlog(pending),
            "in_flight": outbox.unacknowledged,
            "resent": outbox.tally.resent,
            "deferred": deferred,
            "windows": [
                {"lane": lane.value, "bytes": used, "max_bytes": bound}
                for lane, (used, bound) in windows.items()
            ],
            "ranges": [
                {"stream": f"{stream:016x}", "records": len(kept), "offsets": str(kept)[:_MAX_RANGE_TEXT]}
                for stream, kept in list(pending.items())[:_MAX_RANGES]
            ],
        }

    def status_points(self) -> Mapping[str, float]:
        """The points of the status of the edge that carry the sentence, and the room of the spool."""
        view = self.view()
        result, hours = sentence(view), view.spool.hours_left
        if hours is None:  # nothing is written: only age ends what is kept
            hours = max(self._parts.settings.spool.max_age - view.spool.oldest_age_s, 0.0) / 3600
        return {
            "cause_code": result.worst.code.number,
            "causes": result.problems,
            "spool_hours_left": round(hours, 2),
            "disk_free_bytes": self._slow.free_bytes,
        }

    def _ms(self, at: float | None, now: float) -> int:
        """A time of the monotonic clock as ms (UTC) of the present clock; 0 for none."""
        return 0 if at is None else self._parts.clock.now_ms() - round((now - at) * 1000)

    def _broker(self, now: float) -> BrokerView:
        delivery, error = self._parts.delivery, self._parts.delivery.link_error
        connected = self._parts.outbox.connected
        return BrokerView(
            connected=connected,
            address=self._parts.settings.mqtt.address,
            since_ms=self._ms(delivery.link_changed_at or self._started_at, now),
            access_refused=not connected and isinstance(error, AccessRefusedError),
            problem="" if connected or error is None else str(error),
            disconnects=delivery.lost_links,
        )

    def _stores(self, now: float) -> Sequence[StoreView]:
        acknowledged, outbox = self._parts.delivery.acknowledged_at, self._parts.outbox
        return [
            StoreView(store, self._ms(acknowledged.get(store), now), store in outbox.announced_stores)
            for store in self._parts.settings.delivery.trusted
        ]

    def _spool(self, now: float) -> SpoolView:
        parts, settings = self._parts, self._parts.settings.spool
        if not parts.spool.is_open:
            return SpoolView(max_bytes=settings.max_bytes)
        pending, counts, oldest_s = parts.spool.pending(), parts.spool.counts(), self._slow.oldest_s
        blocked_ms = parts.clock.spool_blocked_ms
        return SpoolView(
            records=sum(map(len, pending.values())),
            size_bytes=parts.spool.size,
            max_bytes=settings.max_bytes,
            hours_left=self._hours_left(now, oldest_s),
            oldest_age_s=oldest_s,
            blocked=(parts.spool.blockage or Blockage.BOUND) if blocked_ms else None,
            blocked_since_ms=blocked_ms,
            drops_oldest=settings.when_full == "drop_oldest",
            dropped=parts.tally.dropped,
            dropped_recently=round(self._dropped.of(parts.tally.dropped, now)),
            held=counts.held,
            quarantined=counts.quarantined,
            quarantined_recently=round(self._rejected.of(parts.outbox.tally.rejected, now)),
            quarantine_dropped=counts.quarantine_dropped,
            deferred=parts.outbox.deferred(pending),
            rejections=dict(parts.delivery.rejections),
        )

    def _hours_left(self, now: float, oldest_s: float) -> float | None:
        """Until a bound of size, disk or age, at the rate of the last ten minutes."""
        parts = self._parts
        rose, span_s = self._bytes.of(parts.tally.record_bytes, now), self._bytes.span_s(now)
        if span_s < _MIN_RATE_SPAN_S or rose <= 0:
            return None
        by_size_s = self._slow.room_bytes / (rose / span_s)
        by_age_s = max(parts.settings.spool.max_age - oldest_s, 0.0)
        return min(by_size_s, by_age_s) / 3600

    def _busiest(self, skipped: Mapping[str, float]) -> str:
        if not any(skipped.values()):
            return ""
        return self._parts.devices.endpoint_of(max(skipped, key=skipped.__getitem__))

    def _skipped_recently(self, now: float) -> Mapping[str, float]:
        present = self._parts.devices.skipped_polls()
        self._skipped = {source: self._skipped.get(source) or Rise(0, now) for source in present}
        return {source: self._skipped[source].of(polls, now) for source, polls in present.items()}
