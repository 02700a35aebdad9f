"""Messages of many edges, each edge in a queue of its own, taken in turn and bounded in bytes. Pure."""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Generic, Protocol, TypeVar

QUANTUM = 64_000
"""Bytes that an edge has taken from it in one turn: one full message of a gateway."""


class SizedItem(Protocol):
    """Whatever waits; `size` is what it takes of the room, in bytes."""

    @property
    def size(self) -> int: ...


_Item = TypeVar("_Item", bound=SizedItem)


class _Queue(Generic[_Item]):
    __slots__ = ("bytes", "credit", "items")

    def __init__(self) -> None:
        self.items: deque[_Item] = deque()
        self.bytes = 0
        self.credit = QUANTUM


class FairQueue(Generic[_Item]):
    """At most `room` bytes; of each edge in the order of arrival, of the edges each in its turn.

    In its turn an edge has QUANTUM bytes taken; what goes beyond that it pays with its next turns. Where
    there is no room, the edge of which the most bytes wait makes room: its newest items are dropped. So an
    edge always has its share of the room (1/n with n edges waiting) and of the turns, whatever others send.
    """

    def __init__(self, room: int) -> None:
        self._room = room
        self._queues: OrderedDict[str, _Queue[_Item]] = OrderedDict()
        self.bytes = 0

    def __bool__(self) -> bool:
        return bool(self._queues)

    def add(self, edge: str, item: _Item) -> list[_Item]:
        """Keep an item; returns what was dropped for it, which may be the item itself."""
        queue = self._queues.get(edge)
        if queue is None:
            queue = self._queues[edge] = _Queue()
        self._put(queue, item)
        dropped = []
        while self.bytes > self._room:
            longest = max(self._queues, key=lambda name: self._queues[name].bytes)
            dropped.append(self._take(longest, newest=True))
        return dropped

    def next(self) -> _Item:
        """The item whose turn it is, not taken yet; IndexError when there is none."""
        while True:
            edge, queue = next(iter(self._queues.items()), (None, None))
            if edge is None or queue is None:
                raise IndexError("the queue is empty")
            if queue.credit > 0:
                return queue.items[0]
            queue.credit += QUANTUM
            self._queues.move_to_end(edge)

    def take(self) -> _Item:
        """Take the item whose turn it is; IndexError when there is none."""
        self.next()
        edge, queue = next(iter(self._queues.items()))
        queue.credit -= queue.items[0].size
        return self._take(edge)

    def _put(self, queue: _Queue[_Item], item: _Item) -> None:
        queue.items.append(item)
        queue.bytes += item.size
        self.bytes += item.size

    def _take(self, edge: str, *, newest: bool = False) -> _Item:
        queue = self._queues[edge]
        item = queue.items.pop() if newest else queue.items.popleft()
        queue.bytes -= item.size
        self.bytes -= item.size
        if not queue.items:
            del self._queues[edge]
        return item
