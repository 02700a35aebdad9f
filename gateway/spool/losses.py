"""What a spool had to give up: told once to the gateway, and kept in dropped.jsonl for people."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

from gateway.components import Dropped
from gateway.spool.files import Files
from gateway.spool.journal import Journal
from gateway.spool.kept import Segment
from qilu.contract.ranges import Ranges

logger = logging.getLogger(__name__)

JOURNAL = "dropped"
_JOURNAL_BYTES = 1_000_000
_LONGEST = 10_000


class Losses:
    """Takes note of losses; those of one stream with one reason are told as one."""

    def __init__(self, files: Files) -> None:
        self._journal = Journal(files, JOURNAL, _JOURNAL_BYTES)
        self._untold: dict[tuple[int, str], Dropped] = {}

    def add(self, segment: Segment, offsets: Ranges, reason: str) -> None:
        """`offsets` of `segment` are lost for `reason`; nothing happens when there are none."""
        if not offsets:
            return
        stream, from_ms, to_ms = segment.stream, segment.oldest_ms, segment.newest_ms
        text = _brief(offsets)
        logger.error(
            "spool: %d records given up (%s): %s of stream %016x", len(offsets), reason, text, stream
        )
        told = self._untold.get((stream, reason), Dropped(stream, Ranges(), reason, from_ms, to_ms))
        told.offsets.update(offsets)
        self._untold[stream, reason] = replace(
            told, from_ms=min(told.from_ms, from_ms), to_ms=max(told.to_ms, to_ms)
        )
        entry = {"stream": f"{stream:016x}", "records": len(offsets), "offsets": text, "reason": reason}
        self._journal.write([entry | {"from_ms": from_ms, "to_ms": to_ms}])

    def drain(self) -> Sequence[Dropped]:
        """What was added since the last call."""
        untold, self._untold = list(self._untold.values()), {}
        return untold


def _brief(offsets: Ranges) -> str:
    """The offsets as text; where there are very many runs, the one run around them all."""
    text = str(offsets)
    return text if len(text) <= _LONGEST else f"{offsets.first()}-{offsets.last()}"
