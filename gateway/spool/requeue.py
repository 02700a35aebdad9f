"""Lets records that were set aside be sent again, or reads them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from gateway.spool.errors import explain_os_errors
from gateway.spool.exclusive import changing
from gateway.spool.filesystem import Files, ReadOnlyFiles
from gateway.spool.former_files import refuse_former_files
from gateway.spool.index import Segment, SegmentIndex
from gateway.spool.recovery import recover
from gateway.spool.segment import QUARANTINE, REQUEUED
from gateway.spool.segment_reader import bodies_of
from gateway.spool.spool_epoch import raise_epoch


@dataclass(frozen=True, slots=True)
class QuarantinedRecord:
    """One record that was set aside for `reason` at `time_ms` (UTC); `body` is what was sent."""

    stream: int
    offset: int
    time_ms: int
    reason: str
    body: bytes


def requeue(directory: Path) -> int:
    """Let the next opening send everything again that was set aside; returns how many records that is.

    UnreachableError while a gateway runs on it, ConfigError when there is none. Nothing is copied: files are
    renamed, so it needs no disk space, and a power cut leaves each file in one state or the other.
    """
    with changing(directory) as files:
        quarantine = recover(files).quarantined
        raise_epoch(files)
        for segment in quarantine.segments():
            files.rename(segment.name, _requeued_name(segment))
        files.sync_names()
        return sum(map(len, quarantine.pending.values()))


def requeue_running(
    files: Files, kept: SegmentIndex, quarantine: SegmentIndex, ready: Iterable[Segment]
) -> int:
    """Let a running gateway send the records of these segments again; returns how many they are.

    `ready` are complete and safe. OSError where the disk refuses: the rest of them stays set aside.
    """
    records = 0
    for segment in ready:
        if segment.removed:
            continue
        name = _requeued_name(segment)
        files.rename(segment.name, name)
        offsets = quarantine.remove(segment)
        kept.add(replace(segment, name=name, removed=False))
        kept.pending[segment.stream].update(offsets)
        records += len(offsets)
    return records


def _requeued_name(segment: Segment) -> str:
    return segment.name.removesuffix(QUARANTINE) + REQUEUED


def quarantined(directory: Path) -> Iterator[QuarantinedRecord]:
    """Everything that is set aside, oldest first, also while a gateway runs; ConfigError: no spool."""
    files = ReadOnlyFiles(directory)
    with explain_os_errors(directory):
        files.open()
        refuse_former_files(directory)
        for segment in recover(files).quarantined.segments():
            try:
                for annotated in bodies_of(files, segment):
                    yield decode_quarantined(annotated)
            except FileNotFoundError:
                continue  # a running gateway gave it up meanwhile


def decode_quarantined(annotated: bytes) -> QuarantinedRecord:
    """The content of one record of a quarantine; ValueError, KeyError or TypeError when it is another one."""
    line, _, body = annotated.partition(b"\n")
    entry = json.loads(line)
    return QuarantinedRecord(
        int(entry["stream"], 16), entry["offset"], entry["time_ms"], entry["reason"], body
    )
