"""Carries records from the spool to the sink until each is durable; the outbox decides, this part acts."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet

from gateway.delivery.ack_monitor import AckMonitor
from gateway.delivery.deferral_report import DeferralReport
from gateway.delivery.latency import Latency
from gateway.delivery.outbox import Outbox, Release
from gateway.delivery.size_limit import MAX_TRIES, MessageSize
from gateway.interfaces import DropReport, Record, Sink, Spool
from gateway.timekeeping.provisional import is_provisional
from qilu.contract.ack_codes import AckCode, Refusal
from qilu.contract.errors import ConfigError, LinkEnd, LinkLostError, QiluError, UnreachableError
from qilu.contract.messages import Announcement
from qilu.contract.ranges import IntervalSet
from qilu.contract.topics import Lane
from qilu.runtime.backoff import Backoff
from qilu.runtime.log_throttle import LogThrottle
from qilu.runtime.reconnection import INTERVAL_S, Reconnection
from qilu.runtime.tasks import flatten, run_together

_log = logging.getLogger(__name__)

_TIMER_INTERVAL_S = 1.0
"""Seconds between two looks at the timers and at a backlog that could not be read."""

_REJECTED = 10_000_000
"""Bytes of rejected records that are decoded at once, to report whose they are."""


class Delivery:
    """One sink, reconnected for ever.

    `linger` (seconds) is how long a live record may wait for others to travel with. `clock` is monotonic.
    `backlog_rate`: bytes per second of the backlog, at most; None: as fast as its window allows. `rejected`
    is called with the records that the store refuses, with one of its reasons. `resend_requested` is asked
    every second whether somebody wants all deferred records sent again. `check_link` is called as often, and
    raises UnreachableError where the sink had better be entered again.
    """

    def __init__(
        self,
        spool: Spool,
        sink: Sink,
        outbox: Outbox,
        *,
        linger: float,
        backoff: Backoff,
        clock: Callable[[], float],
        backlog_rate: float | None = None,
        rejected: Callable[[Sequence[Record], str, int], None] | None = None,
        deferred: Callable[[Sequence[Record], str], None] | None = None,
        resend_requested: Callable[[], bool] | None = None,
        check_link: Callable[[], None] | None = None,
        connect_interval_s: float = INTERVAL_S,
    ) -> None:
        self._spool = spool
        self._sink = sink
        self._outbox = outbox
        self._linger = linger
        self._clock = clock
        self._backlog_rate = backlog_rate
        self._backlog_at = 0.0
        self._rejected = rejected
        self._resend_requested = resend_requested
        self._check_link = check_link
        self._deferral_report = DeferralReport(spool, outbox, deferred)
        self.latency = Latency()
        self._size = MessageSize(outbox.limits.message)
        self._complaints = LogThrottle(_log)
        self._reconnection = Reconnection(_log, backoff, interval_s=connect_interval_s)
        self._ack_monitor = AckMonitor(outbox.trusted, outbox.limits.ack_timeout, self._complaints, clock())
        self._live = asyncio.Event()
        self._backlog = asyncio.Event()
        self._freed = asyncio.Event()
        self.link_error: QiluError | None = None
        """Why the sink is not connected, or was not the last time."""
        self.link_changed_at: float | None = None
        """When the sink was connected or disconnected, in seconds of the clock; None at first."""
        self.waiting_since: float | None = None
        """Since when records wait on this link, and none became durable; None while none waits."""
        self.rejections: Counter[AckCode] = Counter()
        """Code -> records that were rejected with it, since the start."""
        self.durable_at: float | None = None
        """When records became durable last."""

    def appended(self, record: Record) -> None:
        if is_provisional(record.body):
            return  # the spool hands it out corrected, as backlog, when the clock is known
        self._outbox.appended(record)
        self.latency.appended(record, self._clock())
        self._live.set()

    async def run(self) -> None:
        """Deliver until cancelled; ConfigError when the settings of the sink are wrong from the start."""
        tried = False
        while True:
            pause = 0.0
            try:
                async with self._sink:
                    waiting = sum(map(len, self._spool.pending().values()))
                    self._reconnection.connected(f"connected, {waiting} records wait", self._clock())
                    await self._exchange()
            except* UnreachableError as lost:
                pause = self._failed(list(flatten(lost)))
                self._adapt_message_size(
                    {error.end for error in flatten(lost) if isinstance(error, LinkLostError)}
                )
            except* ConfigError as wrong:  # later on it is a secret or a certificate that is being changed
                if not tried:
                    raise
                pause = self._failed(list(flatten(wrong)))
            tried = True
            await asyncio.sleep(pause)

    def _failed(self, errors: Sequence[QiluError]) -> float:
        """Remember why the link ended, or was not made; returns the pause until the next attempt."""
        self.link_error = errors[0]
        return self._reconnection.failed(errors, self._clock())

    @property
    def acknowledged_at(self) -> Mapping[str, float]:
        """Trusted store -> when its last acknowledgement came, in seconds of the clock."""
        return self._ack_monitor.acknowledged_at

    @property
    def lost_links(self) -> int:
        return self._reconnection.lost_connections

    def in_flight(self, dropped: DropReport) -> int:
        """How many of these records had been sent: they may be in the store."""
        return len(self._outbox.sent(dropped.stream).intersection(dropped.offsets))

    async def wait_drained(self) -> None:
        """Return once the spool keeps nothing any more."""
        while any(self._spool.pending().values()):
            self._freed.clear()
            await self._freed.wait()

    async def _exchange(self) -> None:
        self._outbox.link_up()
        self._ack_monitor.connected(self._clock())
        self.link_changed_at, self.waiting_since = self._clock(), None
        self._live.set()
        self._backlog.set()
        try:
            await run_together(
                {
                    "send live records": self._send_live(),
                    "send the backlog": self._send_backlog(),
                    "take answers": self._receive_acks(),
                    "watch timers": self._watch_timers(),
                }
            )
        finally:
            self._outbox.link_down()
            self.link_changed_at, self.waiting_since = self._clock(), None

    async def _send_live(self) -> None:
        while True:
            await self._live.wait()
            await asyncio.sleep(self._linger)
            self._live.clear()
            while records := self._outbox.next_live(self._clock(), self._size.limit(self._clock())):
                await self._send(Lane.LIVE, records)

    async def _send_backlog(self) -> None:
        while True:
            self._backlog.clear()
            pending, limit = self._spool.sendable(), self._max_message_bytes()
            wanted = self._outbox.next_deferred(pending, self._clock())
            if wanted is not None:
                limit = min(limit, self._outbox.limits.deferred_window)
            else:
                wanted = self._outbox.next_backlog(pending)
            if wanted is None:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_TIMER_INTERVAL_S):
                        await self._backlog.wait()
                continue
            stream, offsets = wanted
            if self._backlog_rate is not None and (early := self._backlog_at - self._clock()) > 0:
                await asyncio.sleep(early)
                continue  # the window and the backlog may be others by now
            try:
                records = self._spool.corrected(self._spool.read(stream, offsets, limit))
            except UnreachableError as error:
                _log.warning(
                    "delivery: the backlog cannot be read, next try in %g s: %s", _TIMER_INTERVAL_S, error
                )
                await asyncio.sleep(_TIMER_INTERVAL_S)
                continue
            if not records:
                await asyncio.sleep(0)  # gone or damaged: `pending` knows it now
                continue
            self._outbox.sent_backlog(records, self._clock())
            if self._backlog_rate is not None:
                size = sum(len(record.body) for record in records)
                self._backlog_at = max(self._backlog_at, self._clock()) + size / self._backlog_rate
            await self._send(Lane.BACKLOG, records)

    async def _send(self, lane: Lane, records: Sequence[Record]) -> None:
        size, first = sum(len(record.body) for record in records), records[0]
        rejected: Mapping[int, Refusal]
        if len(records) == 1 and self._size.exceeds_retry_limit((first.stream, first.offset), size):
            text = (
                f"record: {size} bytes ended the link to the broker {MAX_TRIES} times, and shorter messages"
                " passed: it is too long for it, or its access list (ACL) forbids the topic"
            )
            self._complaints.warn("too large", f"{text}; it is kept, and tried again later", self._clock())
            rejected = {first.offset: Refusal(AckCode.TOO_LARGE, text)}
        else:
            self._size.started(lane, size, (first.stream, first.offset) if len(records) == 1 else None)
            rejected = await self._sink.send(lane, records)
            self._size.acknowledged(lane)
            self._size.forget((first.stream, first.offset))
        if rejected:
            pending = self._spool.pending()
            self._release(self._outbox.refused(first.stream, rejected, pending, self._clock()))

    def _adapt_message_size(self, ends: AbstractSet[LinkEnd]) -> None:
        """Make messages shorter where that may help; never where the far side gave another reason."""
        if not ends & {LinkEnd.CLOSED, LinkEnd.TIMED_OUT}:
            self._size.ended()
            return
        slow = LinkEnd.TIMED_OUT in ends
        max_bytes = self._size.link_lost(self._clock(), slow=slow)
        if max_bytes is None:
            return
        why = "nothing came back in time while a message was on its way: the line may be too slow for it"
        if not slow:  # mosquitto acknowledges what it refuses (MQTT 3.1.1), and then closes the link
            why = (
                "the broker closed the link twice at a message: its access list (ACL) may not let this user"
                " publish, or it takes only shorter messages"
            )
        text = f"{why}; messages have {max_bytes} bytes for now (delivery.max_message_bytes)"
        self._complaints.warn("message length", text, self._clock())

    def _max_message_bytes(self) -> int:
        """Bytes of one message of the backlog: not more than it may send in a second."""
        max_bytes = self._size.limit(self._clock())
        return max_bytes if self._backlog_rate is None else min(max_bytes, int(self._backlog_rate))

    async def _receive_acks(self) -> None:
        async with contextlib.aclosing(self._sink.acks()) as acks:
            async for ack in acks:
                if isinstance(ack, Announcement):  # retained: of an ingester that may be gone
                    self._outbox.announced(ack, self._clock())
                    self._live.set()  # the windows are open again
                    self._backlog.set()
                else:
                    self._ack_monitor.ack_received(ack.store, self._clock())
                    self._release(self._outbox.ack_received(ack, self._spool.pending(), self._clock()))

    async def _watch_timers(self) -> None:
        while True:
            await asyncio.sleep(_TIMER_INTERVAL_S)
            now = self._clock()
            waiting = bool(self._outbox.unacknowledged or self._outbox.backlog(self._spool.sendable()))
            self._ack_monitor.check(waiting, now)
            if self._check_link is not None:
                self._check_link()
            self._note_waiting(now)
            self._outbox.expire(now)
            self._outbox.rescan()
            self._deferral_report.check(now)
            if self._resend_requested is not None and self._resend_requested():
                _log.info("all deferred records are sent again, by request")
                self._outbox.resend()
            self._backlog.set()

    def _note_waiting(self, now: float) -> None:
        """Records that a store deferred do not wait for an acknowledgement."""
        sendable = self._spool.sendable()
        if sum(map(len, sendable.values())) <= sum(self._outbox.deferred(sendable).values()):
            self.waiting_since = None
        elif self.waiting_since is None:
            self.waiting_since = now

    def _release(self, freed: Release) -> None:
        if freed.rejected:
            self.rejections.update(refusal.code for refusal in freed.rejected.values())
            why = next(iter(freed.rejected.values()))
            text = f"set aside {len(freed.rejected)} rejected records: {why}"
            self._complaints.warn("rejected", text, self._clock())
            kinds = self._kinds_of_rejected(freed)
            reasons = {offset: str(refusal) for offset, refusal in freed.rejected.items()}
            set_aside = self._spool.quarantine(freed.stream, reasons)
            self._report_rejected(kinds, set_aside)
        if freed.durable:
            self._spool.forget(freed.stream, freed.durable)
            self.latency.durable(freed.stream, freed.durable, self._clock())
            self.durable_at, self.waiting_since = self._clock(), None
        self._deferral_report.deferred(freed, self._clock())
        self._freed.set()
        self._live.set()  # a window may have opened
        self._backlog.set()

    def _kinds_of_rejected(self, freed: Release) -> list[tuple[Refusal, Sequence[Record]]]:
        """The records of each kind of rejection: what is stored in part costs fewer values."""
        kinds: dict[tuple[AckCode, int], list[int]] = {}
        for offset, refusal in freed.rejected.items():
            kinds.setdefault((refusal.code, refusal.values), []).append(offset)
        read: list[tuple[Refusal, Sequence[Record]]] = []
        for offsets in kinds.values():
            try:
                records = self._spool.read(freed.stream, IntervalSet.of(offsets), _REJECTED)
            except UnreachableError as error:
                text = "delivery: %d rejected records have no report, the spool cannot be read: %s"
                _log.warning(text, len(offsets), error)
            else:
                read.append((freed.rejected[offsets[0]], self._spool.corrected(records)))
        return read

    def _report_rejected(
        self, kinds: Sequence[tuple[Refusal, Sequence[Record]]], set_aside: IntervalSet
    ) -> None:
        """Report those that were set aside: the others are sent, and perhaps rejected, again."""
        for refusal, records in kinds:
            reported = [record for record in records if record.offset in set_aside]
            if reported and self._rejected is not None:
                self._rejected(reported, str(refusal), refusal.values)
