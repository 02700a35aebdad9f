"""Finds what a killed gateway had set aside and not noted in `forgotten` yet: it must not be sent again.

A record that is rejected a second time would be counted a second time, and the audit could lay another loss
to that.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from itertools import groupby

from gateway.spool.filesystem import Files
from gateway.spool.index import Segment
from gateway.spool.recovery import opening_prefix
from gateway.spool.requeue import decode_quarantined
from gateway.spool.segment_reader import bodies_of
from qilu.contract.ranges import IntervalSet

_log = logging.getLogger(__name__)


def unnoted(
    files: Files, copies: Iterable[Segment], opening: int, pending: Mapping[int, IntervalSet]
) -> dict[int, IntervalSet]:
    """Stream -> the pending offsets of which the latest `opening` made a copy, in quarantine or requeued
    from there since.

    Earlier openings noted theirs. Copies are read from the newest segment of each stream back, until one has
    none of these: what was set aside before that was noted.
    """
    copied: dict[int, IntervalSet] = {}
    latest = (s for s in copies if s.name.startswith(opening_prefix(opening)))
    for _, segments in groupby(latest, key=lambda segment: segment.stream):
        for segment in reversed(list(segments)):
            still_pending = _pending_copies(files, segment, pending)
            if not still_pending:
                break
            for stream, offsets in still_pending.items():
                copied.setdefault(stream, IntervalSet()).update(offsets)
    return copied


def _pending_copies(
    files: Files, segment: Segment, pending: Mapping[int, IntervalSet]
) -> dict[int, IntervalSet]:
    copies = {
        stream: offsets.intersection(pending.get(stream, IntervalSet()))
        for stream, offsets in names_in(files, segment).items()
    }
    return {stream: offsets for stream, offsets in copies.items() if offsets}


def names_in(files: Files, segment: Segment) -> dict[int, IntervalSet]:
    """Stream -> the offsets of the records of which this segment of the quarantine has a copy."""
    names: dict[int, IntervalSet] = {}
    try:
        for annotated in bodies_of(files, segment):
            record = decode_quarantined(annotated)
            names.setdefault(record.stream, IntervalSet()).add(record.offset)
    except (OSError, ValueError, KeyError, TypeError) as error:
        text = "spool: quarantine file %s cannot be read, so its records may be sent and rejected again: %s"
        _log.warning(text, segment.name, error)
    return names
