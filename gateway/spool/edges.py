"""Which streams of a spool may be sent: those of this edge, and those of the edges that it adopted.

A record names its edge, and an ingester takes it only from that edge's topics. So after the edge was renamed,
older streams are held until somebody adopts the old name, or gives the edge its old name again.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from gateway.spool.index import SegmentIndex
from gateway.spool.notes import decode_note, encode_note

_log = logging.getLogger(__name__)

ADOPTED = "adopted"
"""The file with the names of the edges that were adopted."""
_REFUSAL_S = 600.0
"""Seconds for which an adopted edge is held after the broker refused its topics."""


def encode_adopted(edges: Iterable[str]) -> bytes:
    return encode_note(sorted(edges))


def decode_adopted(data: bytes) -> frozenset[str]:
    """The edges in a file; none when it is damaged: then their records are held, and can be adopted again."""
    value = decode_note(data)
    if not isinstance(value, list) or not all(isinstance(edge, str) for edge in value):
        return frozenset()
    return frozenset(value)


class Edges:
    """The names under which records go out. `own` is the present name of the edge, `place` its spool."""

    def __init__(self, own: str, place: Path, monotonic: Callable[[], float]) -> None:
        self._own = own
        self._place = place
        self._monotonic = monotonic
        self._adopted: frozenset[str] = frozenset()
        self._refused: dict[str, float] = {}
        self._origins: Mapping[int, str] = {}  # stream -> its edge, where that is another one

    def opened(self, adopted: frozenset[str], kept: SegmentIndex) -> None:
        """Find out which streams are of another edge, and warn of those that nobody adopted."""
        self._adopted = adopted
        self.arrived(kept)
        for edge, records in self.held_of(kept).items():
            _log.warning(
                "spool: %d records of edge %s are held, because this gateway is %s: to send them on the"
                " topics of %s, stop the gateway and run `qilu spool adopt %s %s`; or name the edge %s again",
                *(records, edge, self._own, edge, self._place, edge, edge),
            )

    def arrived(self, kept: SegmentIndex) -> None:
        """Other streams are there."""
        self._origins = {
            s: origin.edge for s, origin in kept.origins.items() if origin.edge not in ("", self._own)
        }

    def held_of(self, kept: SegmentIndex) -> Counter[str]:
        """Edge -> how many of its records are held."""
        held: Counter[str] = Counter()
        for stream, edge in self._origins.items():
            if stream in kept.pending and not self.sent(edge):
                held[edge] += len(kept.pending[stream])
        return held

    @property
    def has_foreign(self) -> bool:
        return bool(self._origins)

    def of(self, stream: int) -> str:
        return self._origins.get(stream, self._own)

    def sent(self, edge: str) -> bool:
        """Whether records of this edge may be sent now."""
        if edge == self._own:
            return True
        return edge in self._adopted and self._refused.get(edge, 0.0) <= self._monotonic()

    def held(self, stream: int) -> bool:
        """Whether the records of a stream have to wait."""
        edge = self._origins.get(stream)
        return edge is not None and not self.sent(edge)

    def refused(self, edge: str, reason: str) -> None:
        self._refused[edge] = self._monotonic() + _REFUSAL_S
        _log.warning(
            "the records of the adopted edge %s are held for %.0f s: %s; the broker's access list has to let"
            " this gateway publish and subscribe on the topics of %s",
            *(edge, _REFUSAL_S, reason, edge),
        )
