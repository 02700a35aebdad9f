"""Decides which records to send next and which may be forgotten: pure state, no clock, no I/O.

A record that the spool keeps is in exactly one of these places, and only the last one frees it:

    queued    just appended, waits for its first turn on the live lane          (a bounded queue)
    sent      on its way, not answered yet                                      (bounded by the windows)
    stored    readable in the store, not yet safe from its crash                (runs of offsets)
    deferred  not stored for a cause that can be removed; is sent again later   (runs of offsets)
    backlog   everything else: never sent, or sent without an answer            (pending minus these)
    durable   answered as durable: freed

Whatever is lost on the way (a link, an ingester, an answer, the store's last seconds) only moves records back
to the backlog, or to the deferred ones where they were before. So a record is sent until it is durable, and
memory does not grow with the backlog.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple

from gateway.delivery.deferral import Deferral
from gateway.delivery.in_flight import InFlight, Name, matching
from gateway.delivery.limits import Limits, Tally
from gateway.interfaces import Record
from qilu.contract.ack_codes import AckCode, Family, Refusal
from qilu.contract.limits import MAX_RECORDS
from qilu.contract.messages import Ack, Announcement
from qilu.contract.ranges import IntervalSet
from qilu.contract.topics import Lane

_MAX_RECORDS_PER_READ = MAX_RECORDS
"""Records asked of the spool at once; its own bound in bytes is nearly always met first."""

LONGEST_HORIZON = 3600.0
"""Seconds; far more than any store needs. One that announced 1e308 would get back nothing that it lost."""

_MAX_INGESTERS = 1000
"""Ingesters whose announcements are remembered."""

_ANNOUNCED_RESEND_S = 60.0
"""Seconds between two resends because of announcements: they are not signed, and anybody may send them."""


class Release(NamedTuple):
    """What an answer lets go: `durable` may be forgotten, `rejected` must be set aside with its reasons.

    `deferred` are kept; `fresh` are those of them that were not deferred before.
    """

    stream: int
    durable: IntervalSet
    rejected: Mapping[int, Refusal]
    deferred: Mapping[AckCode, IntervalSet] = {}
    fresh: Mapping[AckCode, IntervalSet] = {}


class _StoredRun(NamedTuple):
    until: float
    stream: int
    offsets: IntervalSet


@dataclass(slots=True)
class _StreamState:
    """Where the records of one stream are, as far as they are not simply backlog."""

    not_backlog: IntervalSet = field(default_factory=IntervalSet)
    """Queued, sent, stored or deferred."""
    retry: IntervalSet = field(default_factory=IntervalSet)
    """Backlog that was sent without an answer: is sent first."""
    fresh_from: int = 0
    """No offset below it was backlog that was never sent: spares a search through all that was deferred."""


class Outbox:
    """The state of delivery of one edge.

    `trusted` are the ids of the stores whose answers count; any one of them suffices. Times are seconds of a
    monotonic clock. `pending` is always what the spool keeps: stream -> offsets, the oldest stream first.
    """

    def __init__(self, trusted: Iterable[str], random: Random, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.tally = Tally()
        self.connected = False
        self.trusted = frozenset(trusted)
        self._random = random
        self._queue: OrderedDict[Name, Record] = OrderedDict()
        self._queue_bytes = 0
        self._in_flight = InFlight(self.limits)
        self._stored: deque[_StoredRun] = deque()
        self._streams: dict[int, _StreamState] = {}
        self._horizons: dict[str, float] = {}
        self._deferral = Deferral(self.limits.deferral, self.limits.longest_deferral)
        self._runs: dict[str, str] = {}
        self._announced_resend_at = float("-inf")
        self._resend_wanted = self._hasten_wanted = False
        self._owed = 0  # bytes of the backlog that go before the next deferred ones

    @property
    def queued(self) -> int:
        """How many live records wait for their first turn."""
        return len(self._queue)

    @property
    def unacknowledged(self) -> int:
        return len(self._in_flight)

    @property
    def announced_stores(self) -> Mapping[str, float]:
        """Trusted stores whose ingesters announced themselves, with the seconds until a write is durable."""
        return self._horizons

    def window(self, lane: Lane) -> tuple[int, int]:
        """Bytes of a lane that are on their way, and how many may be."""
        return self._in_flight.window(lane)

    def sent(self, stream: int) -> IntervalSet:
        """The offsets of a stream that were sent: of what became of them the store may know more."""
        places = self._stream_state(stream)
        sent = self._in_flight.offsets(stream)
        sent.update(places.retry)
        return sent

    def backlog(self, pending: Mapping[int, IntervalSet]) -> int:
        """How many records are neither on their way, stored nor deferred."""
        count = 0
        for stream, kept in pending.items():
            again = self._stream_state(stream).retry
            count += len(kept.intersection(again)) + len(self._fresh(stream, kept).difference(again))
        return count

    def deferred(self, pending: Mapping[int, IntervalSet]) -> Mapping[AckCode, int]:
        """Code -> how many records were deferred with it and wait to be sent again."""
        return self._deferral.counts(pending)

    # What happens.

    def link_up(self) -> None:
        """A link stands: what is appended from now on is live."""
        self.connected = True

    def link_down(self) -> None:
        """The link is lost: queued and unacknowledged records join the backlog."""
        self.connected = False
        for stream, offset in self._queue:
            places = self._streams[stream]
            places.not_backlog.remove(offset)
            places.fresh_from = min(places.fresh_from, offset)
        self._queue.clear()
        self._queue_bytes = 0
        self._requeue(self._in_flight.names())

    def appended(self, record: Record) -> None:
        if self.connected and self._queue_bytes < self.limits.queue:
            self._queue[record.stream, record.offset] = record
            self._queue_bytes += len(record.body)
            self._stream_state(record.stream).not_backlog.add(record.offset)

    def announced(self, announcement: Announcement, now: float) -> None:
        """An ingester announced itself, and after which delay its store is durable.

        What is unanswered was probably sent when it was not there yet: a broker that came back lets in edges
        and ingesters in any order, and drops what nobody has subscribed to. So all of it is sent again, and
        not only after a timer. Where another ingester has it, it costs one window of duplicates. A new run of
        an ingester may have other settings, so what was deferred is due at once. Both happen once a minute at
        most, the next time by `expire`.
        """
        if announcement.store in self.trusted:
            self._horizons[announcement.store] = min(
                max(announcement.durability_delay_s, 1.0), LONGEST_HORIZON
            )
            self._resend_wanted = True
            if not announcement.run or self._runs.get(announcement.ingester) != announcement.run:
                if len(self._runs) >= _MAX_INGESTERS:
                    self._runs.clear()
                self._runs[announcement.ingester] = announcement.run
                self._hasten_wanted = True
            self._resend_announced(now)

    def resend(self) -> None:
        self._deferral.hasten()

    def ack_received(self, ack: Ack, pending: Mapping[int, IntervalSet], now: float) -> Release:
        """An ingester answered for records; an answer of an unknown store, or for records not kept, changes
        nothing."""
        stream, kept = ack.stream, pending.get(ack.stream)
        if ack.store not in self.trusted:
            self.tally.untrusted_acks += 1
            kept = None
        if kept is None:
            return Release(stream, IntervalSet(), {})
        freed = self._free(stream, kept, ack.durable, ack.rejected)
        self._arrived(stream, ack.stored)
        stored = (
            kept.intersection(ack.stored).difference(ack.durable).difference(IntervalSet.of(ack.rejected))
        )
        self._keep_stored(stream, stored, ack.store, now)
        settled = IntervalSet.of(ack.rejected)
        settled.update(ack.durable)
        settled.update(ack.stored)
        deferred = {
            code: kept.intersection(offsets).difference(settled) for code, offsets in ack.deferred.items()
        }
        return self._defer(freed, deferred, now)

    def refused(
        self, stream: int, refused: Mapping[int, Refusal], pending: Mapping[int, IntervalSet], now: float
    ) -> Release:
        """The transport did not take these: offset -> why."""
        kept = pending.get(stream, IntervalSet())
        rejected = {o: refusal for o, refusal in refused.items() if refusal.family is Family.REJECTED}
        deferred: dict[AckCode, IntervalSet] = {}
        for offset, refusal in refused.items():
            if refusal.family is Family.DEFERRED and offset in kept:
                deferred.setdefault(refusal.code, IntervalSet()).add(offset)
        return self._defer(self._free(stream, kept, IntervalSet(), rejected), deferred, now)

    def expire(self, now: float) -> None:
        """Move what waited too long for its answer back to the backlog."""
        self._resend_announced(now)
        self._requeue(self._in_flight.late(now))
        while self._stored and self._stored[0].until <= now:
            _, stream, offsets = self._stored.popleft()
            places = self._stream_state(stream)
            undone = IntervalSet.of(
                o for o in places.not_backlog.intersection(offsets) if (stream, o) not in self._in_flight
            )
            undone.subtract(self._deferral.among(stream, undone))
            places.not_backlog.subtract(undone)
            places.retry.update(undone)

    # What is to be done.

    def next_live(self, now: float, max_bytes: int | None = None) -> Sequence[Record]:
        """The records of the next live send, counted as sent; empty when none waits or the window is full.

        `max_bytes`: bytes that they may have together; a longer one goes alone.
        """
        max_bytes = self.limits.message if max_bytes is None else max_bytes
        batch: list[Record] = []
        size = 0
        while self._queue and self._in_flight.has_room(Lane.LIVE):
            name, record = next(iter(self._queue.items()))
            size += len(record.body)
            if batch and (
                size > max_bytes or len(batch) >= _MAX_RECORDS_PER_READ or record.stream != batch[0].stream
            ):
                break
            batch.append(self._queue.pop(name))
            self._queue_bytes -= len(record.body)
            self._in_flight.add(record, Lane.LIVE, now)
            self.tally.sent += 1
        return batch

    def next_backlog(self, pending: Mapping[int, IntervalSet]) -> tuple[int, IntervalSet] | None:
        """Stream and offsets to read from the spool and send next; None when there is nothing, or no room.

        What was sent without an answer is sent first and starts anywhere: in a fixed order it could meet the
        same dead member of a share group for ever. Then the oldest.
        """
        if not self.connected or not self._in_flight.has_room(Lane.BACKLOG):
            return None
        return self._find_backlog(pending)

    def next_deferred(self, pending: Mapping[int, IntervalSet], now: float) -> tuple[int, IntervalSet] | None:
        """Stream and offsets of deferred records to read and send next, up to `Limits.deferred_window` bytes.

        They take no more than a tenth of the window, and no more than a tenth of what is sent where there is
        a backlog, so that none of it waits behind them.
        """
        if not self.connected or self._in_flight.deferred_bytes or not self._in_flight.has_room(Lane.BACKLOG):
            return None
        if self._owed > 0 and self._find_backlog(pending) is not None:
            return None
        return self._deferral.next_due(pending, now, _MAX_RECORDS_PER_READ)

    def sent_backlog(self, records: Sequence[Record], now: float) -> None:
        """These were read from the spool and go out on the backlog lane."""
        for record in records:
            places = self._stream_state(record.stream)
            self.tally.resent += record.offset in places.retry
            places.not_backlog.add(record.offset)
            places.retry.remove(record.offset)
            wait = self._deferral.take(record.stream, record.offset)
            self._in_flight.add(record, Lane.BACKLOG, now, wait)
            self.tally.sent += 1
            if wait is None:
                self._owed = max(self._owed - len(record.body), 0)
            else:
                self.tally.resent += 1
                self._owed = 9 * self._in_flight.deferred_bytes

    # Inside.

    def _resend_announced(self, now: float) -> None:
        self._resend_wanted = self._resend_wanted and bool(self._in_flight)
        self._hasten_wanted = self._hasten_wanted and (self._resend_wanted or self._deferral.waiting)
        wanted = self._resend_wanted or self._hasten_wanted
        if not wanted or now - self._announced_resend_at < _ANNOUNCED_RESEND_S:
            return
        self._announced_resend_at = now
        if self._resend_wanted:
            self._requeue(self._in_flight.names())
        if self._hasten_wanted:
            self._deferral.hasten()
        self._resend_wanted = self._hasten_wanted = False

    def _find_backlog(self, pending: Mapping[int, IntervalSet]) -> tuple[int, IntervalSet] | None:
        for stream, kept in pending.items():
            again = kept.intersection(self._stream_state(stream).retry)
            if again:
                first, last = self._random.choice(list(again.runs()))
                start = self._random.randint(first, last)
                return stream, IntervalSet([(start, min(last, start + _MAX_RECORDS_PER_READ - 1))])
        for stream, kept in pending.items():
            waiting = self._fresh(stream, kept).take(_MAX_RECORDS_PER_READ)
            if waiting:
                return stream, waiting
        return None

    def rescan(self) -> None:
        """Look for backlog from the begin of each stream: what waited for the clock may be sent now."""
        for places in self._streams.values():
            places.fresh_from = 0

    def _fresh(self, stream: int, kept: IntervalSet) -> IntervalSet:
        """What is nowhere else: backlog, of which only that in `again` was ever sent."""
        places = self._stream_state(stream)
        fresh = kept.tail(places.fresh_from).difference(places.not_backlog.tail(places.fresh_from))
        if fresh:
            places.fresh_from = fresh.first()
        elif kept:
            places.fresh_from = kept.last() + 1
        return fresh

    def _stream_state(self, stream: int) -> _StreamState:
        return self._streams.setdefault(stream, _StreamState())

    def _free(
        self, stream: int, kept: IntervalSet, durable: IntervalSet, rejected: Mapping[int, Refusal]
    ) -> Release:
        settled = IntervalSet.of(rejected)
        settled.update(durable)
        self._arrived(stream, settled)
        places = self._stream_state(stream)
        places.not_backlog.subtract(settled)
        places.retry.subtract(settled)
        self._deferral.remove(stream, settled)
        freed = Release(
            stream,
            kept.intersection(durable),
            {offset: why for offset, why in rejected.items() if offset in kept},
        )
        self.tally.durable += len(freed.durable)
        self.tally.rejected += len(freed.rejected)
        return freed

    def _keep_stored(self, stream: int, offsets: IntervalSet, store: str, now: float) -> None:
        if offsets:
            self._stream_state(stream).not_backlog.update(offsets)
            self._stream_state(stream).retry.subtract(offsets)
            self._deferral.remove(stream, offsets)
            until = now + 2 * self._horizons.get(store, self.limits.horizon)
            self._stored.append(_StoredRun(until, stream, offsets))

    def _defer(self, freed: Release, deferred: Mapping[AckCode, IntervalSet], now: float) -> Release:
        """`freed` with what is deferred now."""
        stream, all_fresh = freed.stream, {}
        places = self._stream_state(stream)
        for code, offsets in deferred.items():
            self.tally.deferred += len(offsets)
            fresh = offsets.difference(
                self._deferral.among(stream, offsets)
            )  # what waits already goes on waiting
            for wait, waiting in self._in_flight.waits(stream, offsets).items():
                fresh.subtract(waiting)
                self._deferral.add(stream, code, waiting, now, wait)
            self._deferral.add(stream, code, fresh, now)
            self._arrived(stream, offsets)
            places.not_backlog.update(offsets)
            places.retry.subtract(offsets)
            all_fresh[code] = fresh
        return freed._replace(
            deferred={code: offsets for code, offsets in deferred.items() if offsets},
            fresh={code: offsets for code, offsets in all_fresh.items() if offsets},
        )

    def _arrived(self, stream: int, offsets: IntervalSet) -> None:
        self._in_flight.arrived(stream, offsets)
        # Of one that is queued, too, an answer may speak, right or wrong: it would be in two places.
        for name in matching(self._queue, stream, offsets):
            self._queue_bytes -= len(self._queue.pop(name).body)

    def _requeue(self, names: Iterable[Name]) -> None:
        for stream, offset in names:
            sent = self._in_flight.pop((stream, offset))
            if sent.wait is not None:
                self._deferral.requeue(sent.wait, offset)
                continue
            places = self._stream_state(stream)
            places.not_backlog.remove(offset)
            places.retry.add(offset)
