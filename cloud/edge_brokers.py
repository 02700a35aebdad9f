"""Over which broker an edge is answered, where an ingester has a link to several that pass nothing on."""

from __future__ import annotations

from collections import OrderedDict

MAX_EDGES = 65_536
"""Edges that are remembered; one beyond is answered over every link, which costs a message more."""


class EdgeBrokers:
    """Edge -> the broker from which its last message came. Pure."""

    def __init__(self) -> None:
        self._brokers: OrderedDict[str, str] = OrderedDict()

    def record(self, edge: str, broker: str) -> None:
        """A message of this edge came from there; an empty name: there is one broker only."""
        if not broker:
            return
        self._brokers[edge] = broker
        self._brokers.move_to_end(edge)
        if len(self._brokers) > MAX_EDGES:
            self._brokers.popitem(last=False)

    def of(self, edge: str, broker: str) -> bool:
        """Whether this edge is answered there."""
        return not broker or self._brokers.get(edge, broker) == broker
