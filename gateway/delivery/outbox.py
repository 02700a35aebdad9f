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
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple

from gateway.delivery.deferral import Deferral, DeferralGroup
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

_Name = tuple[int, int]  # stream and offset of a record


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may be on its way (bytes of records), and how long is too long (seconds)."""

    message: int = 64_000
    """One send; a longer record travels alone."""
    queue: int = 4_000_000
    """Live records that wait; beyond it they join the backlog."""
    live_window: int = 4_000_000
    backlog_window: int = 512_000
    reorder_timeout: float = 10.0
    """Given up at this age when one that was sent later on the same lane is stored."""
    ack_timeout: float = 30.0
    """Given up at this age, whatever else was answered."""
    horizon: float = 60.0
    """Assumed until an ingester announces its store's; two of them after `stored`, it is sent again."""
    deferral: float = 60.0
    """What was deferred is sent again after so long, and after twice as long each further time,"""
    longest_deferral: float = 3600.0
    """up to this."""

    @property
    def deferred_window(self) -> int:
        """Deferred records on their way: a tenth of the backlog's window; a longer one goes alone."""
        return self.backlog_window // 10


@dataclass(slots=True)
class Tally:
    """Records since the start, for the status."""

    sent: int = 0
    resent: int = 0
    durable: int = 0
    rejected: int = 0
    deferred: int = 0
    """Deferrals: a record that is deferred again counts again."""
    untrusted_acks: int = 0
    """Answers of stores that are not trusted; they free nothing."""


class Release(NamedTuple):
    """What an answer lets go: `durable` may be forgotten, `rejected` must be set aside with its reasons.

    `deferred` are kept; `fresh` are those of them that were not deferred before.
    """

    stream: int
    durable: IntervalSet
    rejected: Mapping[int, Refusal]
    deferred: Mapping[AckCode, IntervalSet] = {}
    fresh: Mapping[AckCode, IntervalSet] = {}


class _SentRecord(NamedTuple):
    at: float
    lane: Lane
    size: int
    wait: DeferralGroup | None
    """Where it waited, if it had been deferred."""


class _StoredRun(NamedTuple):
    until: float
    stream: int
    offsets: IntervalSet


@dataclass(slots=True)
class _StreamState:
    """Where the records of one stream are, as far as they are not simply backlog."""

    in_flight: IntervalSet = field(default_factory=IntervalSet)
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
        self._queue: OrderedDict[_Name, Record] = OrderedDict()
        self._queue_bytes = 0
        self._sent: dict[_Name, _SentRecord] = {}
        self._stored: deque[_StoredRun] = deque()
        self._streams: dict[int, _StreamState] = {}
        self._window = dict.fromkeys(Lane, 0)
        self._reached = dict.fromkeys(Lane, float("-inf"))  # when the latest one known to be stored was sent
        self._horizons: dict[str, float] = {}
        self._deferral = Deferral(self.limits.deferral, self.limits.longest_deferral)
        self._runs: dict[str, str] = {}
        self._resent = 0  # bytes of deferred records on their way
        self._owed = 0  # bytes of the backlog that go before the next deferred ones

    @property
    def queued(self) -> int:
        """How many live records wait for their first turn."""
        return len(self._queue)

    @property
    def unacknowledged(self) -> int:
        """How many records are on their way."""
        return len(self._sent)

    def sent(self, stream: int) -> IntervalSet:
        """The offsets of a stream that were sent: of what became of them the store may know more."""
        places = self._stream_state(stream)
        sent = IntervalSet.of(offset for of, offset in self._sent if of == stream)
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
            places.in_flight.remove(offset)
            places.fresh_from = min(places.fresh_from, offset)
        self._queue.clear()
        self._queue_bytes = 0
        self._requeue(list(self._sent))

    def appended(self, record: Record) -> None:
        """The spool has a new record."""
        if self.connected and self._queue_bytes < self.limits.queue:
            self._queue[record.stream, record.offset] = record
            self._queue_bytes += len(record.body)
            self._stream_state(record.stream).in_flight.add(record.offset)

    def announced(self, announcement: Announcement) -> None:
        """An ingester announced itself, and after which delay its store is durable.

        What is unanswered was probably sent when it was not there yet: a broker that came back lets in edges
        and ingesters in any order, and drops what nobody has subscribed to. So all of it is sent again, and
        not only after a timer. Where another ingester has it, it costs one window of duplicates. A new run of
        an ingester may have other settings, so what was deferred is due at once.
        """
        if announcement.store in self.trusted:
            self._horizons[announcement.store] = min(
                max(announcement.durability_delay_s, 1.0), LONGEST_HORIZON
            )
            self._requeue(list(self._sent))
            if not announcement.run or self._runs.get(announcement.ingester) != announcement.run:
                if len(self._runs) >= _MAX_INGESTERS:
                    self._runs.clear()
                self._runs[announcement.ingester] = announcement.run
                self._deferral.hasten()

    def resend(self) -> None:
        """Somebody asks to send all deferred records again now."""
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
        limits, late = self.limits, []
        for name, sent in self._sent.items():  # in the order of sending
            age = now - sent.at
            if age < min(limits.reorder_timeout, limits.ack_timeout):
                break
            if age >= limits.ack_timeout or (
                age >= limits.reorder_timeout and sent.at < self._reached[sent.lane]
            ):
                late.append(name)
        self._requeue(late)
        while self._stored and self._stored[0].until <= now:
            _, stream, offsets = self._stored.popleft()
            places = self._stream_state(stream)
            undone = IntervalSet.of(
                o for o in places.in_flight.intersection(offsets) if (stream, o) not in self._sent
            )
            undone.subtract(self._deferral.among(stream, undone))
            places.in_flight.subtract(undone)
            places.retry.update(undone)

    # What is to be done.

    def next_live(self, now: float, max_bytes: int | None = None) -> Sequence[Record]:
        """The records of the next live send, counted as sent; empty when none waits or the window is full.

        `most`: bytes that they may have together; a longer one goes alone.
        """
        max_bytes = self.limits.message if max_bytes is None else max_bytes
        batch: list[Record] = []
        size = 0
        while self._queue and self._window[Lane.LIVE] < self.limits.live_window:
            name, record = next(iter(self._queue.items()))
            size += len(record.body)
            if batch and (
                size > max_bytes or len(batch) >= _MAX_RECORDS_PER_READ or record.stream != batch[0].stream
            ):
                break
            batch.append(self._queue.pop(name))
            self._queue_bytes -= len(record.body)
            self._note_sent(record, Lane.LIVE, now)
        return batch

    def next_backlog(self, pending: Mapping[int, IntervalSet]) -> tuple[int, IntervalSet] | None:
        """Stream and offsets to read from the spool and send next; None when there is nothing, or no room.

        What was sent without an answer is sent first and starts anywhere: in a fixed order it could meet the
        same dead member of a share group for ever. Then the oldest.
        """
        if not self.connected or self._window[Lane.BACKLOG] >= self.limits.backlog_window:
            return None
        return self._find_backlog(pending)

    def next_deferred(self, pending: Mapping[int, IntervalSet], now: float) -> tuple[int, IntervalSet] | None:
        """Stream and offsets of deferred records to read and send next, up to `Limits.deferred_window` bytes.

        They take no more than a tenth of the window, and no more than a tenth of what is sent where there is
        a backlog, so that none of it waits behind them.
        """
        if not self.connected or self._resent or self._window[Lane.BACKLOG] >= self.limits.backlog_window:
            return None
        if self._owed > 0 and self._find_backlog(pending) is not None:
            return None
        return self._deferral.next_due(pending, now, _MAX_RECORDS_PER_READ)

    def sent_backlog(self, records: Sequence[Record], now: float) -> None:
        """These were read from the spool and go out on the backlog lane."""
        for record in records:
            places = self._stream_state(record.stream)
            self.tally.resent += record.offset in places.retry
            places.in_flight.add(record.offset)
            places.retry.remove(record.offset)
            wait = self._deferral.take(record.stream, record.offset)
            self._note_sent(record, Lane.BACKLOG, now, wait)
            if wait is None:
                self._owed = max(self._owed - len(record.body), 0)
            else:
                self.tally.resent += 1
                self._resent += len(record.body)
                self._owed = 9 * self._resent

    # Inside.

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
        fresh = kept.tail(places.fresh_from).difference(places.in_flight.tail(places.fresh_from))
        if fresh:
            places.fresh_from = fresh.first()
        elif kept:
            places.fresh_from = kept.last() + 1
        return fresh

    def _stream_state(self, stream: int) -> _StreamState:
        return self._streams.setdefault(stream, _StreamState())

    def _note_sent(self, record: Record, lane: Lane, now: float, wait: DeferralGroup | None = None) -> None:
        self._sent[record.stream, record.offset] = _SentRecord(now, lane, len(record.body), wait)
        self._window[lane] += len(record.body)
        self.tally.sent += 1

    def _free(
        self, stream: int, kept: IntervalSet, durable: IntervalSet, rejected: Mapping[int, Refusal]
    ) -> Release:
        settled = IntervalSet.of(rejected)
        settled.update(durable)
        self._arrived(stream, settled)
        places = self._stream_state(stream)
        places.in_flight.subtract(settled)
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
            self._stream_state(stream).in_flight.update(offsets)
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
            again: dict[DeferralGroup, IntervalSet] = {}
            for name in _matching(self._sent, stream, offsets):
                if (wait := self._sent[name].wait) is not None:
                    again.setdefault(wait, IntervalSet()).add(name[1])
            for wait, waiting in again.items():
                fresh.subtract(waiting)
                self._deferral.add(stream, code, waiting, now, wait)
            self._deferral.add(stream, code, fresh, now)
            self._arrived(stream, offsets)
            places.in_flight.update(offsets)
            places.retry.subtract(offsets)
            all_fresh[code] = fresh
        return freed._replace(
            deferred={code: offsets for code, offsets in deferred.items() if offsets},
            fresh={code: offsets for code, offsets in all_fresh.items() if offsets},
        )

    def _arrived(self, stream: int, offsets: IntervalSet) -> None:
        for name in _matching(self._sent, stream, offsets):
            sent = self._pop_sent(name)
            self._reached[sent.lane] = max(self._reached[sent.lane], sent.at)
        # Of one that is queued, too, an answer may speak, right or wrong: it would be in two places.
        for name in _matching(self._queue, stream, offsets):
            self._queue_bytes -= len(self._queue.pop(name).body)

    def _pop_sent(self, name: _Name) -> _SentRecord:
        sent = self._sent.pop(name)
        self._window[sent.lane] -= sent.size
        if sent.wait is not None:
            self._resent -= sent.size
        return sent

    def _requeue(self, names: Iterable[_Name]) -> None:
        for stream, offset in names:
            sent = self._pop_sent((stream, offset))
            if sent.wait is not None:
                self._deferral.requeue(sent.wait, offset)
                continue
            places = self._stream_state(stream)
            places.in_flight.remove(offset)
            places.retry.add(offset)


def _matching(names: Collection[_Name], stream: int, offsets: IntervalSet) -> list[_Name]:
    """Those that an answer speaks of. It may name more than exists: never walk over what it claims."""
    if len(offsets) < len(names):
        return [(stream, offset) for offset in offsets if (stream, offset) in names]
    return [name for name in names if name[0] == stream and name[1] in offsets]
