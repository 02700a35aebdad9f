"""Opens a spool: reads what is on disk, and makes the parts that keep it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from gateway.interfaces import DropReport, Record, StreamOrigin
from gateway.spool.ages import Ages
from gateway.spool.checkpoint import CHECKPOINT, decode_checkpoint, encode_checkpoint
from gateway.spool.commit import Commits
from gateway.spool.consumer import SpoolConsumer
from gateway.spool.drop_log import DropLog
from gateway.spool.edges import ADOPTED, Edges, decode_adopted
from gateway.spool.errors import content
from gateway.spool.filesystem import Files
from gateway.spool.former_files import refuse_former_files
from gateway.spool.index import SegmentIndex
from gateway.spool.quarantine import Quarantine
from gateway.spool.recovery import RecoveryResult, recover
from gateway.spool.retention import Retention
from gateway.spool.segment import REQUEUED, SEGMENT
from gateway.spool.segment_writer import SegmentWriter
from gateway.spool.set_aside import unnoted
from gateway.spool.settings import SpoolSettings
from gateway.spool.spool_epoch import read_epoch
from gateway.timekeeping.corrections import Corrections
from gateway.timekeeping.held_records import Authority, HeldRecords
from qilu.contract.ranges import IntervalSet
from qilu.runtime.boot import UNKNOWN_BOOT

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SpoolSetup:
    """What a spool is made of before it is opened. `now_ms`: UTC; `monotonic`: seconds."""

    settings: SpoolSettings
    origin: StreamOrigin
    edges: Edges
    files: Files
    drop_log: DropLog
    time_authority: Authority | None
    now_ms: Callable[[], int]
    monotonic: Callable[[], float]
    new_stream: Callable[[], int]
    on_corrected: Sequence[Callable[[Record], None]] = ()


@dataclass(frozen=True, slots=True)
class OpenedSpool:
    """The parts of a spool from entering to leaving."""

    thread: ThreadPoolExecutor
    """Where its files are synced."""
    stream: int
    epoch: int
    kept: SegmentIndex
    ages: Ages
    writer: SegmentWriter
    consumer: SpoolConsumer
    quarantine: Quarantine
    retention: Retention
    commits: Commits
    held_records: HeldRecords | None
    unreported: Sequence[DropReport]
    """What runs before this one dropped and did not mark as reported."""
    requeued: int = 0
    """How many records were in quarantine before and are pending again."""


def open_spool(setup: SpoolSetup, thread: ThreadPoolExecutor) -> OpenedSpool:
    """The opened spool; ConfigError when the directory cannot be used."""
    files, started_at = setup.files, setup.monotonic()
    files.open()
    refuse_former_files(setup.settings.directory)
    epoch = read_epoch(files)
    unreported = setup.drop_log.unreported()
    recovered = recover(files)
    kept = recovered.kept
    spool = _parts(setup, recovered, thread, epoch, unreported)
    synced = _sync_recovered(files, spool)
    forgotten = decode_checkpoint(_content(files, CHECKPOINT))
    for segment, lost in recovered.damaged:
        if segment.quarantined:
            spool.quarantine.lost(segment, lost, "damaged")
        else:
            lost = lost.difference(forgotten.get(segment.stream, IntervalSet()))
            setup.drop_log.add(segment, lost, "damaged")
    for stream, offsets in forgotten.items():
        spool.consumer.forget(stream, offsets)
    for name in recovered.empty:
        spool.consumer.unlink(name)
    _forget_set_aside(setup, spool, recovered, copies=synced)
    setup.edges.opened(decode_adopted(_content(files, ADOPTED)), kept)
    _log.info(
        "spool opened in %.3f s: stream %016x; %d records (%d bytes) of %d streams wait",
        *(setup.monotonic() - started_at, spool.stream, sum(map(len, kept.pending.values()))),
        *(kept.size, len(kept.pending)),
    )
    requeued = sum(
        len(kept.pending_of(segment)) for segment in kept.segments() if segment.name.endswith(REQUEUED)
    )
    return replace(spool, requeued=requeued)


def _parts(
    setup: SpoolSetup,
    recovered: RecoveryResult,
    thread: ThreadPoolExecutor,
    epoch: int,
    unreported: Sequence[DropReport],
) -> OpenedSpool:
    settings, files, kept = setup.settings, setup.files, recovered.kept
    opening, used = recovered.opening + 1, {0, *kept.pending, *recovered.quarantined.pending}

    def new_stream() -> int:
        stream = next(stream for stream in iter(setup.new_stream, None) if stream not in used)
        used.add(stream)
        return stream

    def of_this_boot(of: int) -> bool:
        boot, known = setup.origin.boot, kept.origins.get(of, StreamOrigin()).boot
        return of == stream or (boot != UNKNOWN_BOOT and known == boot)

    def room() -> int:
        return retention.room()

    retention: Retention
    stream = new_stream()
    ages = Ages(files, setup.monotonic)
    ages.restore([*kept.segments(), *recovered.quarantined.segments()])
    writer = SegmentWriter(files, kept, stream, setup.origin, opening, SEGMENT, setup.now_ms, ages.running_s)
    consumer = SpoolConsumer(
        *(files, kept, writer, setup.drop_log.add, setup.monotonic), keeps_acked=settings.acked_retention > 0
    )
    quarantine = Quarantine(
        *(settings, files, recovered.quarantined, setup.drop_log, opening, epoch),
        *(setup.now_ms, new_stream, room, ages.running_s),
    )
    retention = Retention(settings, files, kept, writer, consumer, quarantine, ages, setup.monotonic)
    commits = Commits(files, kept, writer, consumer, quarantine, ages, thread, setup.monotonic)
    held_records = None
    if setup.time_authority is not None:
        corrections = Corrections(files, kept.pending.keys())
        held_records = HeldRecords(
            *(corrections, setup.time_authority, of_this_boot, setup.monotonic, setup.on_corrected)
        )
    return OpenedSpool(
        *(thread, stream, epoch, kept, ages, writer, consumer, quarantine, retention, commits),
        *(held_records, unreported),
    )


def _sync_recovered(files: Files, spool: OpenedSpool) -> bool:
    """Sync what a killed process wrote and did not commit: a power cut may follow."""
    try:
        for segment in (*spool.kept.segments(), *spool.quarantine.kept.segments()):
            files.sync(segment.name)
        files.sync_names()
    except OSError as error:
        _log.error("spool: fsync failed, a power cut may lose records of the last run: %s", error)
        return False
    return True


def _forget_set_aside(
    setup: SpoolSetup, spool: OpenedSpool, recovered: RecoveryResult, *, copies: bool
) -> None:
    """Forget what a killed process had set aside within its last seconds, and note that at once.

    `copies`: whether the copies, in quarantine or requeued by now, survive a power cut.
    """
    files, pending = setup.files, recovered.kept.pending
    copied = (*recovered.quarantined.segments(), *(s for s in recovered.kept.segments() if s.annotated))
    set_aside = unnoted(files, copied, recovered.opening, pending) if copies else {}
    for stream, offsets in setup.drop_log.set_aside(spool.epoch).items():
        if lost := offsets.intersection(pending.get(stream, IntervalSet())):
            set_aside.setdefault(stream, IntervalSet()).update(lost)
    for stream, offsets in set_aside.items():
        spool.consumer.forget(stream, offsets)
    if set_aside:
        try:
            files.replace(CHECKPOINT, encode_checkpoint(spool.kept.forgotten()))
        except OSError as error:
            _log.warning(
                "spool: %s cannot be written now, a kill may send rejected records again: %s",
                CHECKPOINT,
                error,
            )


def _content(files: Files, name: str) -> bytes:
    """A whole small file; empty where it cannot be read: what it spares is then done again."""
    try:
        return content(files, name)
    except OSError:
        return b""
