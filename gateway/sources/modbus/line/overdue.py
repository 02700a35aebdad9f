"""Keeps account of replies that may still come to requests that were given up. Pure."""

from __future__ import annotations

from gateway.sources.modbus.line.exchange import Rules

HOLD, LEAST_HOLD = 4.0, 0.05
"""Times the usual round trip, and seconds at least, in which the right reply follows a late one."""


class Overdue:
    """Replies that may still come to requests that were given up, where a reply does not say what it answers.

    Until it came, or twice the time-out is over, the same unit is asked for nothing: its late reply could be
    taken for the next one. Where none came till then, the next reply is in doubt, and held for a moment in
    which the other one would come. Kept over reconnects, which a serial device server does not pass on to its
    line.
    """

    __slots__ = ("_anybody", "_doubts", "_timeout", "_took", "_until")

    def __init__(self, rules: Rules, timeout: float = 0.0) -> None:
        """`timeout`: seconds that a unit in service is waited for; others may be waited for less."""
        self._timeout = timeout
        self._anybody = bool(rules.accept_unit)  # a reply may then be that of any unit
        self._until: dict[int, float] = {}
        self._doubts: dict[int, int] = {}  # unit -> late replies that never came
        self._took: dict[int, float] = {}  # seconds, for the last reply of each unit

    def gave_up(self, unit: int, asked_at: float, now: float) -> None:
        key = self._key(unit)
        self._until[key] = asked_at + 2 * max(self._timeout, now - asked_at)
        self._doubts[key] = self._doubts.get(key, 0) + 1

    def came(self, unit: int) -> None:
        """A late reply did."""
        key = self._key(unit)
        self._until.pop(key, None)
        if self._doubts.get(key, 0) > 1:
            self._doubts[key] -= 1
        else:
            self._doubts.pop(key, None)

    def settled(self, unit: int) -> None:
        """A later request was answered, so none of them will come: a device answers in order."""
        self._doubts.pop(self._key(unit), None)

    def hold(self, unit: int, took: float, patience: float) -> float:
        """How long a reply that took so many seconds has to be held; 0 where it is beyond doubt."""
        key = self._key(unit)
        if key not in self._doubts:
            self._took[key] = took
            return 0.0
        usual = self._took.get(key)
        return patience if usual is None else min(patience, max(LEAST_HOLD, HOLD * usual))

    def until(self, unit: int) -> float:
        """When this unit may be asked again."""
        return self._until.get(self._key(unit), 0.0)

    def _key(self, unit: int) -> int:
        return -1 if self._anybody else unit
