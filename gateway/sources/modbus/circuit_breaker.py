"""Whether one unit is in service: it leaves after consecutive timeouts, and returns with a reply. Pure."""

from __future__ import annotations

from enum import StrEnum

from qilu.runtime.transitions import Transitions

TIMEOUTS_UNTIL_OUT = 3
"""Consecutive timeouts that take a unit out of service; a request and its repeats count as two."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 30.0
"""Seconds between two probes of one unit, doubling."""
STABLE_REPLIES = 10
"""Replies in service after which leaving it is free: the unit may only have lost a few frames."""
MIN_REPLY_RATE = 0.55
"""Below this rate a unit gets no retries while its neighbours miss polls."""
RATE_STEP = 0.1
"""Weight of the last request in the reply rate."""


class UnitState(StrEnum):
    UNKNOWN = "unknown"
    IN_SERVICE = "in_service"
    OUT_OF_SERVICE = "out_of_service"
    """It is only probed, as its neighbours in service allow."""


class UnitEvent(StrEnum):
    REPLY = "reply"
    TIMEOUT = "timeout"
    TIMEOUT_LIMIT = "timeout_limit"
    """So many consecutive requests timed out that the unit leaves service."""


UNIT = Transitions(
    "unit",
    UnitState.UNKNOWN,
    {
        UnitState.UNKNOWN: {
            UnitEvent.REPLY: UnitState.IN_SERVICE,
            UnitEvent.TIMEOUT: UnitState.OUT_OF_SERVICE,
        },
        UnitState.IN_SERVICE: {UnitEvent.TIMEOUT_LIMIT: UnitState.OUT_OF_SERVICE},
        UnitState.OUT_OF_SERVICE: {
            UnitEvent.REPLY: UnitState.IN_SERVICE,
            UnitEvent.TIMEOUT: UnitState.OUT_OF_SERVICE,
        },
    },
)


class CircuitBreaker:
    """Of one unit. Times are seconds of one monotonic clock."""

    __slots__ = (
        "in_service",
        "last_timeout_at",
        "not_before",
        "pause",
        "probes",
        "replies",
        "reply_rate",
        "state",
        "timeouts",
    )  # fmt: skip

    def __init__(self) -> None:
        self.state = UNIT.start
        self.in_service = False
        """Whether the state is IN_SERVICE; it is looked at in every poll."""
        self.replies = 0
        """Since the unit is in service."""
        self.reply_rate = 1.0
        """The share of requests that the unit answered, a running mean."""
        self.timeouts = 0.0
        """Consecutive ones; of a unit with a low reply rate, a reply makes up for half a timeout only."""
        self.probes = 0
        """Timeouts since the unit is out of service."""
        self.last_timeout_at = self.not_before = float("-inf")
        self.pause = 0.0

    @property
    def full_probe(self) -> bool:
        """Whether the next probe waits for the whole timeout, and may be repeated once: every fourth one."""
        return self.probes % 4 == 2

    @property
    def is_flaky(self) -> bool:
        """Whether it answers hardly more than every second request."""
        return self.reply_rate <= MIN_REPLY_RATE

    @property
    def leaves_uncharged(self) -> bool:
        """Whether the unit had been steady: then its last timeouts are not charged, and the budget allows its
        first probe after the first pause."""
        return self.replies >= STABLE_REPLIES

    def request_lost(self) -> None:
        """A request was not answered, whatever that says about the unit."""
        self.reply_rate *= 1 - RATE_STEP

    def replied(self) -> bool:
        """A reply in time; whether it puts the unit into service."""
        # A unit that answers every second request only would otherwise keep all others waiting for ever.
        self.timeouts = max(0.0, self.timeouts - 0.5) if self.is_flaky else 0.0
        self.replies += 1
        self.reply_rate += RATE_STEP * (1 - self.reply_rate)
        return not self.in_service and self._admit()

    def replied_late(self) -> bool:
        """A reply after the timeout; whether it puts the unit into service."""
        self.timeouts = 0
        return not self.in_service and self._admit()

    def timed_out(self, now: float, timeout: float, *, repeated: bool) -> bool:
        """A request timed out, and its repeats if there were any; whether that takes the unit out of service,
        or finds it out."""
        self.timeouts += 1 + repeated
        self.last_timeout_at = now
        left = self.in_service
        if left and self.timeouts < TIMEOUTS_UNTIL_OUT:
            return False
        self._on(UnitEvent.TIMEOUT_LIMIT if left else UnitEvent.TIMEOUT)
        self.probes += not left
        self.pause = min(max(LONGEST_PAUSE_S, timeout), max(FIRST_PAUSE_S, timeout, 2 * self.pause))
        self.not_before = now + self.pause
        return True

    def _admit(self) -> bool:
        self._on(UnitEvent.REPLY)
        self.replies = 0
        self.pause, self.probes, self.not_before = 0.0, 0, float("-inf")
        return True

    def _on(self, event: UnitEvent) -> None:
        self.state = UNIT.after(self.state, event)
        self.in_service = self.state is UnitState.IN_SERVICE
