"""Keeps provisional records back until their correction is decided, and corrects them when they are read."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.interfaces import Record
from gateway.timekeeping.corrections import Corrections
from gateway.timekeeping.provisional import Correction, Mark, corrected, is_provisional, mark_of
from qilu.contract.ranges import IntervalSet
from qilu.runtime.log_throttle import LogThrottle

_log = logging.getLogger(__name__)

_RETRY_S = 1.0
"""Seconds between two looks whether what is kept back may be sent."""


class Authority(Protocol):
    """Who knows the time."""

    @property
    def deciding(self) -> bool:
        """False while records of this boot must wait."""

    def correction(self, mark: Mark, *, this_boot: bool) -> Correction | None:
        """The correction of the epoch of `mark`; None while it must wait. `this_boot`: of the present one."""


@dataclass(eq=False)
class HeldRecords:
    """What of a spool is kept back; `this_boot`: whether a stream was written in the present boot.

    `on_corrected` is called with each corrected record when it is read, and so perhaps several times.
    """

    corrections: Corrections
    authority: Authority
    this_boot: Callable[[int], bool]
    monotonic: Callable[[], float]
    on_corrected: Sequence[Callable[[Record], None]] = ()

    def __post_init__(self) -> None:
        self._held: dict[int, IntervalSet] = {}
        self._retry_at = 0.0
        self._complaints = LogThrottle(_log)

    def hold(self, record: Record) -> None:
        """This one is not sent for now."""
        self._held.setdefault(record.stream, IntervalSet()).add(record.offset)

    def without_held(self, pending: Mapping[int, IntervalSet]) -> Mapping[int, IntervalSet]:
        """What of `pending` may be read to be sent."""
        if not self._held:
            return pending
        now = self.monotonic()
        if self.authority.deciding and now >= self._retry_at:
            self._retry_at = now + _RETRY_S
            self._held.clear()
            return pending
        nothing = IntervalSet()
        return {stream: kept.difference(self._held.get(stream, nothing)) for stream, kept in pending.items()}

    def corrected(self, records: Sequence[Record]) -> Sequence[Record]:
        """The same records as they are sent, without those that must wait."""
        if not any(is_provisional(record.body) for record in records):
            return records
        return [
            corrected_record
            for record in records
            if (corrected_record := self._corrected(record)) is not None
        ]

    def _corrected(self, record: Record) -> Record | None:
        mark = mark_of(record.body)
        if mark is None:
            return record
        correction = self.corrections.get(record.stream, mark.epoch) or self._decide(record.stream, mark)
        if correction is None:
            self.hold(record)
            return None
        record = record._replace(body=corrected(record.body, correction))
        for listener in self.on_corrected:
            listener(record)
        return record

    def _decide(self, stream: int, mark: Mark) -> Correction | None:
        this_boot = self.this_boot(stream)
        known = self.corrections.of_epoch(mark.epoch, self.this_boot) if this_boot else None
        correction = known or self.authority.correction(mark, this_boot=this_boot)
        if correction is None:
            return None
        try:
            correction = self.corrections.add(stream, mark.epoch, correction)
        except OSError as error:
            text = f"spool: records wait because the correction of their time cannot be written: {error}"
            self._complaints.warn("disk", text, self.monotonic())
            return None
        where = f"stream {stream:016x}: records made while the clock was in doubt"
        if correction.uncertain:
            why = "not known within clock_hold" if this_boot else "not known in the boot that made them"
            _log.warning("%s are sent as uncertain: their time was %s, or was given out before", where, why)
        else:
            _log.warning("%s are sent, their times corrected by %+d ms", where, correction.shift_ms)
        return correction
