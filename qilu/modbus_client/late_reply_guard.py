"""Keeps account of replies that may still come to requests that were given up. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from qilu.runtime.transitions import Transitions

LOOPBACK_ATTEMPTS, WILLING_LOOPBACKS = 3, 8
"""Consecutive loopback requests without a reply, to a unit that never answered one and to one that did,
before a real request is sent: one after the first such series, two after the second, and so on."""
LOSSES_WITHOUT_LOOPBACK = 50
"""Timeouts of a unit that answers requests, but no loopback, before the next loopback request."""
HOLD, MIN_HOLD_S = 4.0, 0.05
"""Times the usual round trip, and seconds at least, in which the right reply follows a late one."""


class LateReplyState(StrEnum):
    CLEAR = "clear"
    """No late reply may come."""
    DOUBTFUL = "doubtful"
    """One may; a loopback request is sent first, and the next reply is held."""
    CONFIRMED = "confirmed"
    """The loopback request was answered; the next reply is held all the same."""


class LateReplyEvent(StrEnum):
    TIMEOUT = "timeout"
    LOOPBACK_REPLY = "loopback_reply"
    LATE_REPLY = "late_reply"
    """The last one that was missing."""
    REPLY = "reply"
    """A reply was held, and no other one followed."""


_DOUBT = {
    LateReplyEvent.TIMEOUT: LateReplyState.DOUBTFUL,
    LateReplyEvent.LATE_REPLY: LateReplyState.CLEAR,
    LateReplyEvent.REPLY: LateReplyState.CLEAR,
}
LATE_REPLIES = Transitions(
    "late replies",
    LateReplyState.CLEAR,
    {
        LateReplyState.CLEAR: {LateReplyEvent.TIMEOUT: LateReplyState.DOUBTFUL},
        LateReplyState.DOUBTFUL: {**_DOUBT, LateReplyEvent.LOOPBACK_REPLY: LateReplyState.CONFIRMED},
        LateReplyState.CONFIRMED: _DOUBT,
    },
)


@dataclass(slots=True)
class _Unit:
    """What is known of one unit."""

    state: LateReplyState = LATE_REPLIES.start
    missing: int = 0  # late replies that did not come yet
    until: float = 0.0  # nothing is sent before
    usual_s: float | None = None  # duration of the last reply in time
    willing: bool = False  # it answers loopback requests
    loopbacks_missing: int = 0  # consecutive ones without a reply
    direct: int = 0  # requests that may be sent without one
    tolerated: int = 0  # timeouts after which none is sent

    def on(self, event: LateReplyEvent) -> None:
        self.state = LATE_REPLIES.after(self.state, event)


class LateReplyGuard:
    """Replies that may still come to requests that timed out, where a reply does not say what it answers.

    Until the late reply came, or twice the timeout is over, its unit gets no request: the late reply could be
    taken for the next one. Where none came till then, a loopback request is sent: when it is answered, be it
    with an exception, a device that answers in order sends nothing older. The next reply is held for a moment
    in which another one would come: some units ignore loopback requests, and some networks keep no order.
    Kept over reconnects, which a serial device server does not pass on to its line.
    """

    __slots__ = ("_any_unit", "_timeout", "_units")

    def __init__(self, timeout: float = 0.0, *, any_unit: bool = False) -> None:
        """`timeout`: seconds that a unit in service is waited for; others may be waited for less.
        `any_unit`: whether a reply may be that of any unit, whatever its id."""
        self._timeout = timeout
        self._any_unit = any_unit
        self._units: dict[int, _Unit] = {}

    def request_timed_out(self, number: int, asked_at: float, now: float) -> None:
        unit = self._unit(number)
        unit.on(LateReplyEvent.TIMEOUT)
        unit.missing += 1
        unit.until = self._overdue_at(asked_at, now)
        unit.tolerated = max(0, unit.tolerated - 1)
        unit.direct = max(0, unit.direct - 1)

    def loopback_timed_out(self, number: int, asked_at: float, now: float) -> None:
        unit = self._unit(number)
        unit.until = self._overdue_at(asked_at, now)
        unit.loopbacks_missing += 1
        if unit.willing and unit.loopbacks_missing >= WILLING_LOOPBACKS:
            unit.willing, unit.loopbacks_missing = False, 0
        elif not unit.willing and unit.loopbacks_missing % LOOPBACK_ATTEMPTS == 0:
            unit.direct = unit.loopbacks_missing // LOOPBACK_ATTEMPTS

    def needs_loopback(self, number: int) -> bool:
        """Whether a loopback request has to be sent to this unit before anything else."""
        unit = self._unit(number)
        doubtful = unit.state is LateReplyState.DOUBTFUL and not self._any_unit
        return doubtful and not (unit.tolerated or unit.direct)

    def late_reply_arrived(self, number: int) -> None:
        """It may be followed by others, which came to requests before or after its own."""
        unit = self._unit(number)
        unit.direct = unit.tolerated = 0  # it is late, and may have answered loopback requests late as well
        unit.missing -= unit.missing > 0
        if not unit.missing:
            unit.until = 0.0
            if unit.state is not LateReplyState.CLEAR:
                unit.on(LateReplyEvent.LATE_REPLY)

    def clear(self, number: int) -> None:
        """A later request was answered, so none of them will come: a device answers in order."""
        unit = self._unit(number)
        unit.on(LateReplyEvent.REPLY)
        unit.missing = 0
        if unit.loopbacks_missing >= LOOPBACK_ATTEMPTS:
            unit.tolerated = LOSSES_WITHOUT_LOOPBACK
        unit.loopbacks_missing = 0

    def late_loopback(self, number: int) -> None:
        """A reply came to a loopback request that had timed out: the unit answers them, and is late."""
        unit = self._unit(number)
        unit.willing = True
        unit.loopbacks_missing = unit.direct = unit.tolerated = 0

    def loopback_replied(self, number: int) -> None:
        self.late_loopback(number)
        unit = self._unit(number)
        if unit.state is LateReplyState.DOUBTFUL:
            unit.on(LateReplyEvent.LOOPBACK_REPLY)

    def withhold_time(self, number: int, took: float, timeout: float) -> float:
        """How long a reply that took so many seconds has to be held; 0 where it is beyond doubt."""
        unit = self._unit(number)
        if unit.state is LateReplyState.CLEAR:
            unit.usual_s = took
            return 0.0
        return timeout if unit.usual_s is None else min(timeout, max(MIN_HOLD_S, HOLD * unit.usual_s))

    def until(self, number: int) -> float:
        """When this unit may be asked again."""
        return self._unit(number).until

    def _overdue_at(self, asked_at: float, now: float) -> float:
        return asked_at + 2 * max(self._timeout, now - asked_at)

    def _unit(self, number: int) -> _Unit:
        key = -1 if self._any_unit else number
        if (unit := self._units.get(key)) is None:
            unit = self._units[key] = _Unit()
        return unit
