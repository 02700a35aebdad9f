"""Makes what a spool wrote survive a power cut: one grouped fsync, and the small files written with it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

from gateway.spool.ages import AGES, Ages
from gateway.spool.checkpoint import CHECKPOINT, encode_checkpoint
from gateway.spool.consumer import SpoolConsumer
from gateway.spool.filesystem import Files
from gateway.spool.index import Segment, SegmentIndex
from gateway.spool.quarantine import Quarantine
from gateway.spool.segment_writer import SegmentWriter, Sync

_log = logging.getLogger(__name__)

_REMEMBER_EVERY_S = 5.0
"""Seconds between two writings of the checkpoint: a killed gateway sends again what became durable since."""


@dataclass(eq=False)
class Commits:
    """Commits the segments of both writers; files are synced in a thread of `executor`."""

    files: Files
    kept: SegmentIndex
    writer: SegmentWriter
    consumer: SpoolConsumer
    quarantine: Quarantine
    ages: Ages
    executor: Executor
    monotonic: Callable[[], float]

    def __post_init__(self) -> None:
        self.checkpoint_dirty = False
        """Whether records were forgotten that the checkpoint does not name yet."""
        self._remember_at = 0.0

    def save_next(self) -> None:
        """Write the small files with the next commit, however short ago they were written."""
        self._remember_at = self.ages.save_at = 0.0

    async def once(self) -> OSError | None:
        """One grouped fsync; after one that failed, what it left in doubt is written again first."""
        writers = self.writer, self.quarantine.writer
        try:
            for writer in writers:
                writer.rewrite_unsynced()
        except OSError as error:
            return error
        copied = {stream: offsets.copy() for stream, offsets in self.kept.copied.items()}
        syncs = [writer.unsynced() for writer in writers]
        texts = {CHECKPOINT: self._due_checkpoint(), AGES: self.ages.text_to_save(self._segments())}
        if any(texts.values()) or any(sync.needed for sync in syncs):
            await asyncio.get_running_loop().run_in_executor(self.executor, self._sync, syncs, texts)
        for writer, sync in zip(writers, syncs, strict=True):
            writer.apply(sync)
        failure = next((sync.error for sync in syncs if sync.error is not None), None)
        if failure is None and copied:
            self.checkpoint_dirty = True
            self.consumer.release(self.kept.settle(copied))
        return failure

    def _sync(self, syncs: Sequence[Sync], texts: Mapping[str, bytes | None]) -> None:
        """In the thread: changes nothing of ours."""
        for sync in syncs:
            sync.run()
        for name, text in texts.items():
            try:
                if text is not None:
                    self.files.replace(name, text)
            except OSError as error:
                _log.debug("spool: %s cannot be written: %s", name, error)

    def _due_checkpoint(self) -> bytes | None:
        now = self.monotonic()
        if not self.checkpoint_dirty or now < self._remember_at:
            return None
        self.checkpoint_dirty = False
        self._remember_at = now + _REMEMBER_EVERY_S
        return encode_checkpoint(self.kept.forgotten())

    def _segments(self) -> Iterator[tuple[Segment, bool]]:
        """Each segment, and whether it is being written."""
        for kept, writer in ((self.kept, self.writer), (self.quarantine.kept, self.quarantine.writer)):
            for segment in kept.segments():
                yield segment, segment is writer.active
