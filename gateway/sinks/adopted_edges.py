"""Holds the records of an adopted edge where a broker refuses its topics without a reason."""

from __future__ import annotations

from collections import Counter

from gateway.interfaces import Edges

ACK_TIMEOUT_S = 60.0
"""Seconds after which records of an adopted edge are held, while answers to other records come."""
MAX_LOST_LINKS = 3
"""Links that were lost one after the other with such records unacknowledged, after which they are held."""


class AdoptedEdges:
    """Counts what is sent for edges other than `own` and not answered. Times are of a monotonic clock (s).

    MQTT 3.1.1 has no word for a refused message: brokers acknowledge and drop it, or close the link, or both.
    The backlog of this edge would wait behind such records for ever.
    """

    def __init__(self, own: str, edges: Edges) -> None:
        self._own = own
        self._edges = edges
        self._unacknowledged: dict[str, float] = {}  # edge -> since when, on this link
        self._lost_links: Counter[str] = Counter()

    def sent(self, edge: str, now: float) -> None:
        if edge != self._own:
            self._unacknowledged.setdefault(edge, now)

    def acknowledged(self, stream: int, now: float) -> None:
        """Somebody answered to records of this stream."""
        edge = self._edges.of(stream)
        self._unacknowledged.pop(edge, None)
        self._lost_links.pop(edge, None)
        for other, since in list(self._unacknowledged.items()):
            if now - since >= ACK_TIMEOUT_S:
                why = "while other records are answered; MQTT 3.1.1 has no word for a refused message"
                self._hold(other, f"no store acknowledged for {now - since:.0f} s, {why}")

    def link_lost(self) -> None:
        """The link was lost, and with it what was unacknowledged."""
        unacknowledged, self._unacknowledged = self._unacknowledged, {}
        for edge in unacknowledged:
            self._lost_links[edge] += 1
            if self._lost_links[edge] >= MAX_LOST_LINKS:
                self._hold(edge, f"the link was lost {MAX_LOST_LINKS} times before anybody answered")

    def _hold(self, edge: str, why: str) -> None:
        self._unacknowledged.pop(edge, None)
        self._lost_links.pop(edge, None)
        self._edges.refused(edge, why)
