"""Keeps account of replies that may still come to requests that were given up. Pure."""

from __future__ import annotations

from qilu.modbus_client.transaction import LinkOptions

LOOPBACK_ATTEMPTS, WILLING_ECHOES = 3, 8
"""So many in a row are asked for in vain, of a unit that never answered one and of one that did, before it is
asked for what is wanted: once the first time, twice the second time, and so on."""
LOSSES_WITHOUT_LOOPBACK = 50
"""So many replies may not come from a unit that answers, but no echoes, before it is asked for one again."""
HOLD, MIN_HOLD_S = 4.0, 0.05
"""Times the usual round trip, and seconds at least, in which the right reply follows a late one."""


class LateReplyGuard:
    """Replies that may still come to requests that were given up, where a reply does not say what it answers.

    Until it came, or twice the time-out is over, the same unit is asked for nothing: its late reply could be
    taken for the next one. Where none came till then, the unit is asked for an echo: when that is answered,
    be it with an exception, a device that answers in order has nothing older to say. All the same the next
    reply is held for a moment in which another one would come: there are units that ignore echoes, and
    networks that keep no order. Kept over reconnects, which a serial device server does not pass on to its
    line.
    """

    __slots__ = (
        "_anybody",
        "_direct",
        "_doubts",
        "_echoed",
        "_missing_loopbacks",
        "_timeout",
        "_tolerated_losses",
        "_took",
        "_until",
        "_willing",
    )  # fmt: skip

    def __init__(self, rules: LinkOptions, timeout: float = 0.0) -> None:
        """`timeout`: seconds that a unit in service is waited for; others may be waited for less."""
        self._timeout = timeout
        self._anybody = bool(rules.accepted_unit_ids)  # a reply may then be that of any unit
        self._until: dict[int, float] = {}
        self._doubts: dict[int, int] = {}  # unit -> late replies that never came
        self._took: dict[int, float] = {}  # seconds, for the last reply of each unit
        self._missing_loopbacks: dict[int, int] = {}  # unit -> echoes in a row that did not come
        self._echoed: set[int] = set()  # units that answered one since their last late reply
        self._willing: set[int] = set()  # units that answer them
        self._direct: dict[int, int] = {}  # unit -> requests that may be sent without one
        self._tolerated_losses: dict[int, int] = {}  # unit that ignores them -> late replies that need none

    def request_timed_out(self, unit: int, asked_at: float, now: float) -> None:
        key = self._key(unit)
        self._until[key] = asked_at + 2 * max(self._timeout, now - asked_at)
        self._doubts[key] = self._doubts.get(key, 0) + 1
        self._echoed.discard(key)
        for left in (self._tolerated_losses, self._direct):
            left[key] = max(0, left.get(key, 0) - 1)

    def loopback_timed_out(self, unit: int, asked_at: float, now: float) -> None:
        """A unit was asked for one in vain."""
        self._until[unit] = asked_at + 2 * max(self._timeout, now - asked_at)
        missing = self._missing_loopbacks[unit] = self._missing_loopbacks.get(unit, 0) + 1
        if unit in self._willing and missing >= WILLING_ECHOES:
            self._willing.discard(unit)
            self._missing_loopbacks[unit] = 0
        elif unit not in self._willing and missing % LOOPBACK_ATTEMPTS == 0:
            self._direct[unit] = missing // LOOPBACK_ATTEMPTS

    def needs_loopback(self, unit: int) -> bool:
        """Whether this unit has to be asked for an echo before anything else."""
        if self._anybody or unit not in self._doubts or unit in self._echoed:
            return False
        return not (self._tolerated_losses.get(unit) or self._direct.get(unit))

    def late_reply_arrived(self, unit: int) -> None:
        """A late reply did."""
        key = self._key(unit)
        self._until.pop(key, None)
        if self._doubts.get(key, 0) > 1:
            self._doubts[key] -= 1
        else:
            self._doubts.pop(key, None)

    def clear(self, unit: int) -> None:
        """A later request was answered, so none of them will come: a device answers in order."""
        key = self._key(unit)
        self._doubts.pop(key, None)
        self._echoed.discard(key)
        if self._missing_loopbacks.pop(key, 0) >= LOOPBACK_ATTEMPTS:
            self._tolerated_losses[key] = LOSSES_WITHOUT_LOOPBACK

    def late_loopback(self, unit: int) -> None:
        """One came to an echo that was given up: the unit answers echoes, and is late."""
        self._willing.add(unit)
        for about in (self._missing_loopbacks, self._direct, self._tolerated_losses):
            about.pop(unit, None)

    def loopback_replied(self, unit: int) -> None:
        """It was asked for an echo, and answered that."""
        self.late_loopback(unit)
        self._echoed.add(unit)

    def withhold_time(self, unit: int, took: float, timeout: float) -> float:
        """How long a reply that took so many seconds has to be held; 0 where it is beyond doubt."""
        key = self._key(unit)
        if key not in self._doubts:
            self._took[key] = took
            return 0.0
        usual = self._took.get(key)
        return timeout if usual is None else min(timeout, max(MIN_HOLD_S, HOLD * usual))

    def until(self, unit: int) -> float:
        """When this unit may be asked again."""
        return self._until.get(self._key(unit), 0.0)

    def _key(self, unit: int) -> int:
        return -1 if self._anybody else unit
