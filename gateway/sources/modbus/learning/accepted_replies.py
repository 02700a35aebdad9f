"""What requests of a poll group were answered with: a part of a block has to agree with the whole block."""

from __future__ import annotations

from collections.abc import Iterator

from qilu.contract.reading import Reading, Value

MAX_REQUESTS = 256
"""Requests whose last reply is kept, the oldest ones go first."""
TOLERANCE = 0.1
"""Share by which a number may have changed since another request read it."""


class AcceptedReplies:
    """Some devices give right values only for a read of a whole block, and FFFFh or 0 for a part of it. A
    request that was never accepted counts only if half of its values agree with earlier ones. Pure."""

    __slots__ = ("_last",)

    def __init__(self) -> None:
        self._last: dict[bytes, Reading] = {}  # request -> its last accepted reply

    def __contains__(self, request: bytes) -> bool:
        """Whether a reply to it was accepted: then one timeout is a lost frame, no reason to divide it."""
        return request in self._last

    def record(self, request: bytes, reading: Reading) -> None:
        self._last[request] = reading
        if len(self._last) > MAX_REQUESTS:
            del self._last[next(iter(self._last))]

    def agrees(self, reading: Reading) -> bool:
        """Whether a request that is not accepted yet read what larger ones did; True where there are none."""
        pairs = [pair for pair in self._pairs(reading) if any(pair)]  # 0 is no evidence for either
        return 2 * sum(_alike(*pair) for pair in pairs) >= len(pairs)

    def _pairs(self, reading: Reading) -> Iterator[tuple[Value, Value]]:
        earlier: dict[str, Value] = {}
        for accepted in self._last.values():
            if len(accepted.columns.points) <= len(reading.columns.points):
                continue  # only a larger block knows better
            earlier |= zip(accepted.columns.points, accepted.values, strict=True)
        for point, value in zip(reading.columns.points, reading.values, strict=True):
            if earlier.get(point) is not None:
                yield earlier[point], value


def _alike(earlier: Value, value: Value) -> bool:
    if isinstance(earlier, int | float) and isinstance(value, int | float) and not isinstance(value, bool):
        return abs(value - earlier) <= TOLERANCE * max(abs(value), abs(earlier))
    return earlier == value
