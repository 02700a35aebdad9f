"""What a spool had to drop: reported to the gateway, and kept in dropped.jsonl for people and the next
run."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from gateway.interfaces import DropReport
from gateway.record_content import NOTHING, Content, from_plain, to_plain
from gateway.spool.filesystem import Files
from gateway.spool.index import Segment
from gateway.spool.jsonl import VERSION, Journal
from qilu.contract.errors import DataError
from qilu.contract.ranges import IntervalSet

_log = logging.getLogger(__name__)

JOURNAL = "dropped"
_JOURNAL_BYTES = 1_000_000
_LONGEST = 1000
"""Characters of the offsets in one line: the journal has room for hundreds of losses, however scattered."""
_MAX_RUNS = 50
"""Runs of offsets in one line that has to name them exactly."""
_QUARANTINE = "quarantine "


class DropLog:
    """Records losses; those of one stream with one reason are reported as one."""

    def __init__(self, files: Files, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self._journal = Journal(files, JOURNAL, _JOURNAL_BYTES)
        self._unreported: dict[tuple[int, str], DropReport] = {}
        self._report_due = False  # whether the journal has losses that are not marked as reported

    def add(self, segment: Segment, offsets: IntervalSet, reason: str, content: Content = NOTHING) -> None:
        """`offsets` of `segment` are lost for `reason`, with this content as far as it could be read.

        Nothing happens when there are none.
        """
        if not offsets:
            return
        stream, from_ms, to_ms = segment.stream, segment.oldest_ms, segment.newest_ms
        _log.error(
            "spool: %d records dropped (%s): %s of stream %016x",
            *(len(offsets), reason, _brief(offsets), stream),
        )
        report = self._unreported.get(
            (stream, reason), DropReport(stream, IntervalSet(), reason, from_ms, to_ms, count=0)
        )
        report.offsets.update(offsets)
        both = Content()
        both.add(report.content)
        both.add(content)
        self._unreported[stream, reason] = replace(
            report,
            from_ms=min(report.from_ms, from_ms),
            to_ms=max(report.to_ms, to_ms),
            content=both,
            count=report.records + len(offsets),
        )
        self._write(segment, offsets, reason, content)
        self._report_due = True

    def quarantined(self, segment: Segment, offsets: IntervalSet, reason: str) -> None:
        """`offsets` of `segment`, which were set aside, are lost: the store had rejected them before."""
        if offsets:
            _log.error("spool: %d records in quarantine are lost (%s)", len(offsets), reason)
            self._write(segment, offsets, _QUARANTINE + reason, NOTHING)

    def note_set_aside(self, stream: int, offsets: IntervalSet, epoch: int) -> IntervalSet:
        """These were rejected and reported, and no copy of them is kept: they may not be sent again.

        `epoch`: of the spool; a replay or a requeue begins another one, and may send them. Returns those of
        which the disk took no note.
        """
        runs, refused = list(offsets.runs()), IntervalSet()
        for at in range(0, len(runs), _MAX_RUNS):
            part = IntervalSet(runs[at : at + _MAX_RUNS])
            entry = {"stream": f"{stream:016x}", "epoch": epoch}
            if not self._journal.write([entry | {"set_aside": str(part)}]):
                refused.update(part)
        return refused

    def set_aside(self, epoch: int) -> dict[int, IntervalSet]:
        """Stream -> the offsets noted by `note_set_aside` in this epoch, as far as the journal has them."""
        noted: dict[int, IntervalSet] = {}
        for line in self._lines("rejected records may be sent again"):
            entry = _decoded(line)
            try:
                if entry["epoch"] == epoch:
                    offsets = IntervalSet.parse(entry["set_aside"])
                    noted.setdefault(int(entry["stream"], 16), IntervalSet()).update(offsets)
            except (ValueError, KeyError, TypeError, AttributeError, DataError):
                continue
        return noted

    def _write(self, segment: Segment, offsets: IntervalSet, reason: str, content: Content) -> None:
        entry = {"stream": f"{segment.stream:016x}", "records": len(offsets), "offsets": _brief(offsets)}
        times = {"from_ms": segment.oldest_ms, "to_ms": segment.newest_ms, "dropped_ms": self._now_ms()}
        self._journal.write([entry | {"reason": reason} | times | {"content": to_plain(content)}])

    def drain(self) -> Sequence[DropReport]:
        """What was added since the last call."""
        reports, self._unreported = list(self._unreported.values()), {}
        return reports

    def mark_reported(self) -> None:
        """All that was added so far is reported: `unreported` has none of it in the next run."""
        if self._report_due:
            self._journal.write([{"reported_ms": self._now_ms()}])
            self._report_due = False

    def unreported(self) -> Sequence[DropReport]:
        """What runs before this one dropped and did not mark as reported."""
        reports: list[DropReport] = []
        for line in self._lines("losses of earlier runs are not reported"):
            entry = _decoded(line)
            if "reported_ms" in entry:
                reports.clear()
            else:
                reports += (
                    report for report in dropped_of(line) if not report.reason.startswith(_QUARANTINE)
                )
        self._report_due = bool(reports)
        return reports

    def _lines(self, lost: str) -> Sequence[bytes]:
        """All lines; where the file cannot be read none, and `lost` is what follows."""
        try:
            return self._journal.lines()
        except OSError as error:
            _log.warning("spool: %s, %s cannot be read: %s; check the disk", lost, JOURNAL, error)
            return ()


def _brief(offsets: IntervalSet) -> str:
    """The offsets as text; where there are very many runs, the one run around them all."""
    text = str(offsets)
    return text if len(text) <= _LONGEST else f"{offsets.first()}-{offsets.last()}"


def dropped_of(line: bytes) -> Iterable[DropReport]:
    """The loss in a line of the journal; None where the line has none, or is torn."""
    entry = _decoded(line)
    try:
        offsets = IntervalSet.parse(entry["offsets"])
        times = int(entry["from_ms"]), int(entry["to_ms"])
        reason, records = str(entry["reason"]), int(entry["records"])
        content = from_plain(entry.get("content"))
        return (DropReport(int(entry["stream"], 16), offsets, reason, *times, content, records),)
    except (ValueError, KeyError, TypeError, AttributeError, DataError):
        return ()


def _decoded(line: bytes) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except ValueError:
        return {}
    return entry if isinstance(entry, dict) and entry.get("qilu") == VERSION else {}
