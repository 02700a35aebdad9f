"""How old segments are, in time for which a gateway ran: no wall clock can make them older than they are.

    a note (see notes.py) of {"running_s": 86400.0, "segments": {"NAME": 3600.0, ...}}

The file is replaced once a minute. Losing it, or a part of it, only makes records seem younger: they stay.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from gateway.spool.filesystem import Files
from gateway.spool.index import Segment
from gateway.spool.notes import decode_note, encode_note

AGES = "ages"
_SAVE_EVERY_S = 60.0
_AFTER_STEP_S = 3600.0
"""Seconds after a step of the wall clock in which nothing is given up for its age."""


class Ages:
    """Seconds for which gateways ran on this spool. `monotonic`: the clock that is counted."""

    def __init__(self, files: Files, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        before, self._written = _read(files)
        self._start = monotonic() - before
        self.save_at = monotonic() + _SAVE_EVERY_S
        """When the file is saved next, by the same clock."""
        self._rest_until = float("-inf")

    def running_s(self) -> float:
        """Seconds since a gateway first ran on this spool, without those in which none did."""
        return self._monotonic() - self._start

    def restore(self, segments: Iterable[Segment]) -> None:
        """These are there at the opening; of those that are not in the file the age begins now."""
        now = self.running_s()
        for segment in segments:
            segment.started_s = segment.written_s = min(self._written.get(segment.name, now), now)
        self._written.clear()

    def stepped(self) -> None:
        self._rest_until = self._monotonic() + _AFTER_STEP_S

    @property
    def resting(self) -> bool:
        """Whether the wall clock was set within the last hour."""
        return self._monotonic() < self._rest_until

    def text_to_save(self, segments: Iterable[tuple[Segment, bool]]) -> bytes | None:
        """The content of the file, if it is time to save it; of each segment, whether it is being written."""
        if self._monotonic() < self.save_at:
            return None
        self.save_at = self._monotonic() + _SAVE_EVERY_S
        now = self.running_s()
        written = {segment.name: now if active else segment.written_s for segment, active in segments}
        return encode_note({"running_s": now, "segments": written})


def _read(files: Files) -> tuple[float, dict[str, float]]:
    try:
        entry = decode_note(files.read(AGES, 0, files.stat(AGES).size))
        return float(entry["running_s"]), {str(k): float(v) for k, v in entry["segments"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return 0.0, {}
