"""How long a message may be at a broker that has a bound and does not announce it: found by trying. Pure."""

from __future__ import annotations

from collections.abc import Hashable

from qilu.contract.topics import Lane

MAX_TRIES = 5
"""How often one record that is longer than messages may be now is sent, and the link lost meanwhile."""
_MAX_RECORDS = 1000
"""Records whose tries are counted."""
_RETRY_INTERVAL_S = 300.0
"""Seconds before a longer message is tried again: each try may cost the link."""


class MessageSize:
    """Bytes of records in one message: `limit` at most, less where longer ones seem to cost the link.

    MQTT 5 lets a broker announce its bound or refuse a message; with 3.1.1, and at mosquitto's
    `message_size_limit`, it can only end the connection. That is also what a bad network does, so a link that
    was lost once proves nothing: the second one in a row does, with no message of that length taken between.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._max_bytes = limit
        self._believed = limit
        """Losing the link with so many bytes under way is laid to the network."""
        self._longer_at = 0.0
        self._under_way: dict[Lane, tuple[int, Hashable | None]] = {}
        self._passed: set[Lane] = set()
        """Lanes of which the broker has taken a message since they are shorter, or since the last link."""
        self._tries: dict[Hashable, int] = {}

    def exceeds_retry_limit(self, record: Hashable, size: int) -> bool:
        """Whether a record that is sent alone, and cannot be shorter, has cost the link too often."""
        return (
            self._max_bytes < self._limit
            and size > self._max_bytes
            and self._tries.get(record, 0) >= MAX_TRIES
        )

    def forget(self, record: Hashable) -> None:
        """It was taken."""
        self._tries.pop(record, None)

    def limit(self, now: float) -> int:
        """Bytes that the next message may have; a single record may have more."""
        if self._max_bytes < self._limit and now >= self._longer_at:
            self._max_bytes = min(2 * self._max_bytes, self._limit)
            self._longer_at = now + _RETRY_INTERVAL_S
        return self._max_bytes

    def started(self, lane: Lane, size: int, alone: Hashable | None = None) -> None:
        """A message is handed over; `alone`: the one record that it has."""
        self._under_way[lane] = size, alone

    def acknowledged(self, lane: Lane) -> None:
        self._believed = max(self._believed, self._under_way.pop(lane)[0])
        self._passed.add(lane)

    def ended(self) -> None:
        """The link ended for a reason that is known, and has nothing to do with lengths."""
        self._under_way.clear()

    def link_lost(self, now: float, *, slow: bool = False) -> int | None:
        """The link ended; returns how long a message may be from now on, where that is less than before.

        `slow`: in silence. A slow line is no bound of a broker: no record is too long for it.
        """
        longest = max((size for size, _ in self._under_way.values()), default=0)
        for lane, (size, record) in self._under_way.items():
            if not slow and record is not None and size > self._max_bytes and lane in self._passed:
                if len(self._tries) >= _MAX_RECORDS:
                    self._tries.clear()
                self._tries[record] = self._tries.get(record, 0) + 1
        if self._max_bytes == self._limit:
            self._passed.clear()
        size = (
            0 if longest > self._max_bytes else longest
        )  # a record that is sent alone cannot be made shorter
        self._under_way.clear()
        if size <= self._believed:
            self._believed = size - 1 if size else self._believed
            return None
        self._believed = 0
        self._max_bytes = max(min(size, self._max_bytes) // 2, 1)
        self._longer_at = now + _RETRY_INTERVAL_S
        return self._max_bytes
