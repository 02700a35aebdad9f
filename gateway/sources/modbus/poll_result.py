"""Accounts for every value of a poll cycle: what was read, with its time, or why it was not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from gateway.sources.modbus.planning.plan import Block, ExcludedPoints
from qilu.contract.reading import Reading, Reason
from qilu.modbus_client.transaction import Transaction

Stamp = Callable[[str, float], int]
"""`Epoch.next_ms`: the time of a reading of a series, taken at a moment of the monotonic clock."""


class PollResult:
    """`readings` has each value of the group once when the cycle is over."""

    __slots__ = (
        "_series",
        "_stamp",
        "factors",
        "readings",
        "reason",
        "replied",
        "slow_reply_s",
        "unusable",
    )  # fmt: skip

    def __init__(self, series: str, stamp: Stamp) -> None:
        self.readings: list[Reading] = []
        self.factors: list[Reading] = []
        """Scale factors as they were after the values of other blocks had been read."""
        self.reason = Reason.TIMEOUT
        """Why values are bad, the last one."""
        self.replied = False
        """Whether the device itself replied, be it with an exception."""
        self.unusable = ""
        """What came in place of a reply, for people; the last one."""
        self.slow_reply_s = 0.0
        """Seconds of replies after the timeout."""
        self._series = series
        self._stamp = stamp

    def add_values(self, block: Block, transaction: Transaction, data: bytes) -> Reading:
        """The values of a block, at the middle between request and reply."""
        middle = (transaction.asked_at + transaction.ended_at) / 2
        reading = block.reading(self._stamp(self._series, middle), data)
        self.readings.append(reading)
        return reading

    def add_failure(self, block: Block, transaction: Transaction, reason: Reason) -> None:
        """A block that was requested and not read."""
        self.reason = reason
        middle = (transaction.asked_at + transaction.ended_at) / 2
        self.readings.append(block.bad(self._stamp(self._series, middle), reason))

    def not_asked(self, blocks: Iterable[Block], reason: Reason, now: float) -> None:
        """Blocks that were not requested."""
        self.reason = reason
        self.readings += [block.bad(self._stamp(self._series, now), reason) for block in blocks]

    def excluded(self, points: Sequence[ExcludedPoints], now: float) -> None:
        """Points that the device is known to refuse."""
        self.readings += [excluded.reading(self._stamp(self._series, now)) for excluded in points]
