"""Accounts for every value of a turn: what was read, with its time, or why it was not."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gateway.sources.modbus.planning.plan import Block, ExcludedPoints
from qilu.contract.reading import Reading, Reason
from qilu.modbus_client.transaction import Transaction

Stamp = Callable[[str, float], int]
"""`Epoch.next_ms`: the time of a reading of a series, taken at a moment of the monotonic clock."""


class PollResult:
    """`readings` has each value of the group once when the turn is over."""

    __slots__ = ("_series", "_stamp", "readings", "reason")

    def __init__(self, series: str, stamp: Stamp) -> None:
        self.readings: list[Reading] = []
        self.reason = Reason.TIMEOUT
        """Why values are bad, the last one."""
        self._series = series
        self._stamp = stamp

    def add_values(self, block: Block, exchange: Transaction, data: bytes) -> Reading:
        """The values of a block came: they are of the middle between request and reply."""
        middle = (exchange.asked_at + exchange.ended_at) / 2
        reading = block.reading(self._stamp(self._series, middle), data)
        self.readings.append(reading)
        return reading

    def add_failure(self, block: Block, exchange: Transaction, reason: Reason) -> None:
        """They were asked for in vain."""
        self.reason = reason
        middle = (exchange.asked_at + exchange.ended_at) / 2
        self.readings.append(block.bad(self._stamp(self._series, middle), reason))

    def not_asked(self, blocks: Sequence[Block], reason: Reason, now: float) -> None:
        """These were not even asked for."""
        self.reason = reason
        for block in blocks:
            self.readings.append(block.bad(self._stamp(self._series, now), reason))

    def refused(self, known: Sequence[ExcludedPoints], now: float) -> None:
        """These are known to be refused."""
        for points in known:
            self.readings.append(points.reading(self._stamp(self._series, now)))
