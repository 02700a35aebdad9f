"""Holds the records of an adopted edge where a broker refuses its topics without a reason."""

from __future__ import annotations

from collections import Counter

from gateway.interfaces import Edges

UNANSWERED_S = 60.0
"""Seconds after which records of an adopted edge are held, while answers to other records come."""
MAX_LOST_LINKS = 3
"""Links that were lost one after the other with such records unanswered, after which they are held."""


class AdoptedEdges:
    """Counts what is sent for edges other than `own` and not answered. Times are of a monotonic clock (s).

    MQTT 3.1.1 has no word for a refused message: brokers acknowledge and drop it, or close the link, or both.
    The backlog of this edge would wait behind such records for ever.
    """

    def __init__(self, own: str, edges: Edges) -> None:
        self._own = own
        self._edges = edges
        self._unanswered: dict[str, float] = {}  # edge -> since when, on this link
        self._lost_links: Counter[str] = Counter()

    def sent(self, edge: str, now: float) -> None:
        """Records of this edge are about to be sent."""
        if edge != self._own:
            self._unanswered.setdefault(edge, now)

    def answered(self, stream: int, now: float) -> None:
        """Somebody answered to records of this stream."""
        edge = self._edges.of(stream)
        self._unanswered.pop(edge, None)
        self._lost_links.pop(edge, None)
        for other, since in list(self._unanswered.items()):
            if now - since >= UNANSWERED_S:
                why = "while other records are answered; MQTT 3.1.1 has no word for a refused message"
                self._hold(other, f"nobody has answered for {now - since:.0f} s, {why}")

    def link_lost(self) -> None:
        """The link was lost, and with it what was unanswered."""
        unanswered, self._unanswered = self._unanswered, {}
        for edge in unanswered:
            self._lost_links[edge] += 1
            if self._lost_links[edge] >= MAX_LOST_LINKS:
                self._hold(edge, f"the link was lost {MAX_LOST_LINKS} times before anybody answered")

    def _hold(self, edge: str, why: str) -> None:
        self._unanswered.pop(edge, None)
        self._lost_links.pop(edge, None)
        self._edges.refused(edge, why)
