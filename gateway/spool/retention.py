"""How much a spool may keep: bytes, age and free disk, and what happens when that is reached."""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable
from dataclasses import dataclass

from gateway.interfaces import Blockage
from gateway.spool.ages import Ages
from gateway.spool.consumer import SpoolConsumer
from gateway.spool.filesystem import Files
from gateway.spool.index import Segment, SegmentIndex
from gateway.spool.quarantine import Quarantine
from gateway.spool.segment import HEADER_SIZE
from gateway.spool.segment_writer import SegmentWriter
from gateway.spool.settings import SpoolSettings
from qilu.contract.errors import DataError
from qilu.runtime.log_throttle import LogThrottle

_log = logging.getLogger(__name__)

_TRY_AGAIN = 1.0
"""Seconds after which a disk that refused is tried again; it costs at most one old segment each time."""
_FULL = {errno.ENOSPC, errno.EDQUOT}


@dataclass(eq=False)
class Retention:
    """Makes room for records, by giving up the oldest segments where the policy allows it."""

    settings: SpoolSettings
    files: Files
    kept: SegmentIndex
    writer: SegmentWriter
    consumer: SpoolConsumer
    quarantine: Quarantine
    ages: Ages
    monotonic: Callable[[], float]

    def __post_init__(self) -> None:
        self._blocks = self.settings.when_full == "block"
        self._segment_size = self.settings.segment_size
        self._refusals = 0
        self._try_at = 0.0
        self._disk_low = False
        self._usable = True
        self._complaints = LogThrottle(_log)

    def make_room(self, size: int) -> Segment | None:
        """A segment that takes a record of `size` bytes; None when the policy or the disk forbids it."""
        longest = self.settings.max_bytes - HEADER_SIZE
        if size > longest:
            raise DataError(f"a record of {size} bytes is longer than the whole spool may be ({longest})")
        if not self._usable:
            return None
        if self._disk_low and self._blocks:
            self._warn_blocked(
                f"less than min_free_disk ({self.settings.min_free_disk} bytes) is free on its disk"
            )
            return None
        if self._refusals and self.monotonic() < self._try_at:
            return None
        while self.room() < HEADER_SIZE + size:
            if not self._free_oldest("max_bytes"):
                self._warn_blocked(f"max_bytes ({self.settings.max_bytes}) is reached")
                return None
        active = self.writer.active
        if active is not None and active.size + size <= self._segment_size:
            return active
        try:
            active = self.writer.start_segment()
        except OSError as error:
            self.on_write_error(error)
            return None
        if self._refusals:
            _log.info("spool: the disk takes records again after %d failed attempts to write", self._refusals)
            self._refusals = 0
        return active

    def usable(self, usable: bool) -> None:
        if self._usable and not usable:
            self.writer.roll()  # so that the next append asks for room
        self._usable = usable

    def _warn_blocked(self, cause: str) -> None:
        text = f"spool: collection waits, because {cause} and when_full is block"
        self._complaints.warn("blocked", text, self.monotonic())

    def room(self) -> int:
        """Bytes that may still be written before max_bytes is reached."""
        return self.settings.max_bytes - self.kept.size - self.quarantine.kept.size

    def room_before_bound(self) -> int:
        """Bytes that may still be written before a bound is reached, that of the disk among them."""
        return max(min(self.room(), self.free() - self.settings.min_free_disk), 0)

    def free(self) -> int:
        """Bytes free on the file system; 0 where it cannot be read."""
        try:
            return self.files.free()
        except OSError:
            return 0

    @property
    def blockage(self) -> Blockage | None:
        """Why no record is taken, as far as the directory and the disk are the reason."""
        if not self._usable:
            return Blockage.DIRECTORY
        if self._refusals:
            return Blockage.DISK
        return Blockage.FREE_SPACE if self._disk_low and self._blocks else None

    def on_write_error(self, error: OSError) -> None:
        """The disk did not take a record: give up the oldest if that may help, and try again in a while."""
        text = f"spool: the disk refuses records, it is tried each {_TRY_AGAIN:g} s: {error}"
        self._complaints.warn("refused", text, self.monotonic())
        self._refusals += 1
        self._try_at = self.monotonic() + _TRY_AGAIN
        if error.errno in _FULL and (self.kept.has_many() or self.quarantine.records):
            self._free_oldest("disk_full")

    def enforce(self) -> None:
        """Give up what is too old, and the oldest while the file system has too little space left."""
        self._enforce_max_age()
        try:
            free = self.files.free()
        except OSError as error:
            text = f"spool: its disk cannot be looked at, records may not outlive this process: {error}"
            self._complaints.warn("free", text, self.monotonic())
            return
        min_free_disk = self.settings.min_free_disk
        if (free < min_free_disk) != self._disk_low:
            self._disk_low = free < min_free_disk
            if self._disk_low:
                text = (
                    "spool: %d bytes free on its disk, less than min_free_disk (%d); free space on the disk"
                )
                _log.warning(text, free, min_free_disk)
            else:
                _log.info("spool: enough free space on its disk again: %d bytes", free)
        if self._disk_low and self._blocks:
            self.writer.roll()  # so that the next append asks for room
        while free < min_free_disk and (freed := self._free_oldest("min_free_disk", active=False)):
            free += freed

    def _enforce_max_age(self) -> None:
        if self.ages.resting:
            return
        now, max_age = self.ages.running_s(), self.settings.max_age
        if self.settings.acked_retention:
            self.consumer.release_acked(now - self.settings.acked_retention)
        # a slow stream must not keep its records in one segment for ever
        retire_before_s = now - max_age / 8
        active = self.writer.active
        if active is not None and active.last >= active.first and active.started_s < retire_before_s:
            self.writer.roll()
        too_old_s = now - max_age
        while (oldest := self._oldest_full()) is not None and oldest.written_s < too_old_s:
            self.consumer.drop_segment(oldest, "max_age")
        self.quarantine.keep_age(too_old_s, retire_before_s)

    def _oldest_full(self) -> Segment | None:
        oldest = self.kept.oldest()
        return None if oldest is self.writer.active else oldest

    def _free_oldest(self, reason: str, *, active: bool = True) -> int:
        """Make the spool shorter by a segment: of what is durable, else of the quarantine, else the oldest.

        Returns its bytes, 0 when the policy forbids it, or when it is the one being written and not `active`.
        """
        acked = self.consumer.oldest_acked()
        if acked is None and (freed := self.quarantine.give_up_oldest(reason)):
            return freed
        oldest = acked or self.kept.oldest()
        if oldest is None or (self._blocks and self.kept.needs(oldest)):
            return 0
        if oldest is self.writer.active and not active:
            return 0
        size = oldest.size
        self.consumer.drop_segment(oldest, reason)
        return size
