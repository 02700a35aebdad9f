"""Makes deferred records known, at most once a minute per code: in the log, and as events for the audit."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from gateway.delivery.outbox import Outbox, Release
from gateway.interfaces import Record, Spool
from qilu.contract.ack_codes import AckCode
from qilu.contract.errors import UnreachableError
from qilu.contract.ranges import IntervalSet
from qilu.runtime.log_throttle import LogThrottle

_log = logging.getLogger(__name__)

_EVERY_S = 60.0
_MAX_BYTES = 1_000_000
"""Bytes of deferred records that are read at once, to find whose they are."""

Report = Callable[[Sequence[Record], str], None]
"""Takes records that were deferred for the first time, and the code."""


class DeferralReport:
    """Counts what the outbox defers. Times are seconds of a monotonic clock."""

    def __init__(self, spool: Spool, outbox: Outbox, report: Report | None) -> None:
        self._spool = spool
        self._outbox = outbox
        self._report = report
        self._fresh: dict[tuple[AckCode, int], IntervalSet] = {}
        self._logged: dict[AckCode, float] = {}
        self._reported: dict[tuple[AckCode, int], float] = {}
        self._complaints = LogThrottle(_log)

    def deferred(self, freed: Release, now: float) -> None:
        """An ingester, or the transport, deferred some."""
        for code, offsets in freed.fresh.items():
            self._fresh.setdefault((code, freed.stream), IntervalSet()).update(offsets)
        for code, offsets in freed.deferred.items():
            if now - self._logged.get(code, -_EVERY_S) >= _EVERY_S:
                self._logged[code] = now
                self._log(code, freed.stream, offsets.first())

    def check(self, now: float) -> None:
        """Called every second or so: reports some of what was deferred for the first time."""
        for key, offsets in list(self._fresh.items()):
            code, stream = key
            if now - self._reported.get(key, -_EVERY_S) < _EVERY_S:
                continue
            kept = self._spool.pending().get(stream, IntervalSet()).intersection(offsets)
            try:
                records = self._spool.read(stream, kept, _MAX_BYTES) if kept else []
            except UnreachableError as error:
                text = f"delivery: deferred records are not reported to the audit: {error}; check the disk"
                self._complaints.warn("disk", text, now)
                return
            if records and self._report is not None:
                self._report(records, code.value)
            if records:
                offsets.remove(offsets.first(), records[-1].offset)
            if not records or not offsets:
                del self._fresh[key]
                self._reported[key] = now

    def _log(self, code: AckCode, stream: int, offset: int) -> None:
        count = self._outbox.deferred(self._spool.pending()).get(code, 0)
        _log.warning(
            "%d records are deferred as %s and kept here (among them number %d of stream %016x): %s; %s;"
            " they are sent again after %.0f s, later every hour, or at once by `qilu spool resend`",
            count, code.value, offset, stream, code.summary, code.remedy, self._outbox.limits.deferral,
        )  # fmt: skip
