"""Which units of an endpoint are in service, and how much of its time those that are silent may take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from math import exp

from qilu.runtime.transitions import Transitions

PROBE_SHARE = 0.05
"""The share of the endpoint's time that all units out of service may take, while others are in service."""

TIMEOUTS_UNTIL_OUT = 2  # unanswered requests in a row that take a unit out of service
RAISED = 2.0  # how many times its time-out a slow unit is waited for, at most
LEEWAY = 1.25  # how many times its last round trip
TIMEOUT_DECAY = 0.01  # the share of what it is waited for longer than that which each answer takes back
FIRST_CONTACT = 0.25  # of the time-out, for a unit that has never answered and is not alone
SHORTEST_PROBE = 0.05  # seconds
ROUND_TRIPS = 4.0  # of the slowest unit in service make the time-out of a probe
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0  # seconds between two probes of one unit, doubling
STABLE_AFTER = (
    10  # answers since it is in service that make leaving it free: it may only have lost two frames
)
MIN_REPLY_RATE = (
    0.55  # of a unit whose requests are repeated: of one that loses more, that costs too much time
)
RATE_STEP = 0.1  # the weight of the last request in the reply rate
WINDOW = 60.0  # seconds in which overtime fades to a third
COMMON = 2.0  # times the overtime of a quarter of the others is no fault of the unit: the endpoint is slow
PROBE_WAIT_S = 2.0  # seconds that a probe waits for a unit which has not been probed for longer


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


class Unit:
    """What is known of one unit id. `UnitAvailability` alone changes it."""

    __slots__ = (
        "asked_at",
        "not_before",
        "overtime",
        "overtime_at",
        "pause",
        "probes",
        "replies",
        "reply_rate",
        "response_timeout",
        "rtt",
        "state",
        "timeout",
        "timeouts",
    )  # fmt: skip

    def __init__(self, timeout: float) -> None:
        self.timeout = timeout
        """Seconds from a request to its reply, as the settings have it."""
        self.state = UNIT.start
        self.replies = 0
        """Since it is in service."""
        self.timeouts = 0.0
        """Requests in a row that it did not answer; until it is steady an answer makes up for half of one."""
        self.response_timeout = timeout
        """Seconds to wait for it while it is in service: the time-out, or more after a late reply."""
        self.reply_rate = 1.0
        """The share of requests that it answered, a running mean."""
        self.probes = 0
        """Requests that it did not answer since it is out of service."""
        self.rtt = 0.0
        """Seconds from request to reply, a running mean; 0 before the first."""
        self.overtime = self.overtime_at = 0.0
        """Seconds that its replies took which were later than the time-out, fading since then."""
        self.not_before = float("-inf")
        self.asked_at = float("-inf")
        self.pause = 0.0

    @property
    def in_service(self) -> bool:
        return self.state is UnitState.IN_SERVICE

    @property
    def worth_retry(self) -> bool:
        return self.in_service and self.reply_rate > MIN_REPLY_RATE


class UnitAvailability:
    """The units of one endpoint. Pure: times are seconds of one monotonic clock, handed in.

    A unit goes out of service after two requests without answer and is back with the first answer. While any
    other unit is in service, the silent ones together get `PROBE_SHARE` of the time, the one that waits
    longest first; what they keep others waiting for is counted as theirs. They are waited for briefly, as
    long as the others take at most, and every fourth time for the whole time-out.

    Units that answer later than the time-out, and are waited for all the same, have such a share as well
    while others miss turns: it is for what their replies take beyond what is common on this endpoint. When
    they had it, they are held back.
    """

    def __init__(
        self,
        units: Sequence[int],
        timeout: float,
        start: float,
        share: float = PROBE_SHARE,
        timeouts: Mapping[int, float] | None = None,
        retries: int = 0,
    ) -> None:
        """`timeouts`: of the units that have one of their own. `retries`: requests that a poll may repeat."""
        self._timeouts_until_out = TIMEOUTS_UNTIL_OUT + retries
        self.units = {unit: Unit((timeouts or {}).get(unit, timeout)) for unit in units}
        self._share = share
        # Seconds that probes may take, less than 0 while they took too many. At first one timeout for each
        # unit: while nothing is known, a live unit should not have to wait behind the dead ones.
        self._allowance = timeout * len(units)
        self._counted_at = start
        self._free_since = start
        self._missed: dict[int, float] = {}  # unit -> when it last missed a turn
        self._probe_may_block_bus = (
            False  # the last request was a probe in vain, and may still occupy the endpoint
        )

    def may_poll(self, number: int, now: float) -> bool:
        """Whether a request to this unit may be sent now."""
        unit = self.units[number]
        if unit.in_service:
            return not unit.overtime or not self._limits_slow_unit(number, now)
        if unit.timeouts == 0 or not self._neighbours_in_service(number):
            return True
        self._refill_budget(now)
        if self._allowance < 0 or now < unit.not_before:
            return False
        waiting = [u for u in self.units.values() if not u.in_service and u.timeouts and now >= u.not_before]
        longest = min(waiting, key=lambda u: u.asked_at)
        return unit is longest or now - self._free_since > PROBE_WAIT_S

    def should_continue(self, number: int) -> bool:
        """Whether a turn that has begun should go on with this unit."""
        unit = self.units[number]
        return unit.in_service or unit.timeouts == 0

    def probe_timeout(self, number: int) -> float:
        """Seconds in which a unit that answers at all would answer a small request."""
        return _briefly(self.units[number].rtt, self.units[number].timeout)

    def response_timeout(self, number: int) -> float:
        """Seconds to wait for the reply to the next request to this unit."""
        unit = self.units[number]
        if unit.in_service or len(self.units) == 1:
            return unit.response_timeout
        if unit.probes % 4 == 2:
            return unit.timeout
        return _briefly(max(u.rtt for u in self.units.values()), unit.timeout)

    def missed(self, number: int, now: float) -> None:
        """A turn of this unit was left out: the one before, or that of another unit, took too long."""
        self._missed[number] = now

    def record_slow_replies(self, number: int, seconds: float, now: float) -> None:
        """Replies of this unit that came later than the time-out took so long."""
        unit = self.units[number]
        unit.overtime, unit.overtime_at = self._overtime(unit, now) + seconds, now

    def replied(self, number: int, rtt: float) -> bool:
        """It answered in time; True when that puts it into service."""
        unit = self.units[number]
        if self._probe_may_block_bus and unit.in_service:
            self._probe_may_block_bus = False
            self._allowance -= max(0.0, rtt - unit.rtt)
        else:
            unit.rtt = 0.9 * unit.rtt + 0.1 * rtt if unit.rtt else rtt
        # One that answers every second request only would otherwise keep all others waiting for ever.
        unit.timeouts = 0.0 if unit.reply_rate > MIN_REPLY_RATE else max(0.0, unit.timeouts - 0.5)
        unit.replies += 1
        unit.reply_rate += RATE_STEP * (1 - unit.reply_rate)
        if unit.response_timeout > unit.timeout:
            usual = max(unit.timeout, LEEWAY * rtt)
            unit.response_timeout += TIMEOUT_DECAY * (usual - unit.response_timeout)
        if unit.in_service:
            return False
        self._admit(unit)
        return True

    def replied_late(self, number: int, rtt: float) -> bool:
        """It answered after we had given up; waited for longer from now on, unless it is slower than that.

        Each answer in time takes back a little of it. True when that puts it into service.
        """
        unit = self.units[number]
        if rtt > RAISED * unit.timeout:
            return False
        unit.response_timeout = max(unit.response_timeout, min(RAISED * unit.timeout, LEEWAY * rtt))
        unit.timeouts = 0
        if unit.in_service:
            return False
        self._admit(unit)
        return True

    def request_lost(self, number: int) -> None:
        """A request was not answered, whatever that says about the unit."""
        self.units[number].reply_rate *= 1 - RATE_STEP

    def record_timeout(self, number: int, asked_at: float, now: float) -> bool:
        """It did not answer a request; True when that takes it out of service."""
        unit = self.units[number]
        self._refill_budget(now)
        if (
            self._probe_may_block_bus and unit.in_service
        ):  # the gateway was still busy with the probe before it
            self._probe_may_block_bus = False
            self._allowance -= now - asked_at
            return False
        if asked_at < unit.asked_at:  # it was open together with one that counted: one silence, not two
            return False
        unit.timeouts += 1
        unit.asked_at = now
        if unit.in_service and unit.timeouts < self._timeouts_until_out:
            return False
        left = unit.in_service
        unit.state = UNIT.after(unit.state, UnitEvent.TIMEOUT_LIMIT if left else UnitEvent.TIMEOUT)
        unit.probes += not left
        unit.pause = min(max(LONGEST_PAUSE, unit.timeout), max(FIRST_PAUSE, unit.timeout, 2 * unit.pause))
        unit.not_before = now + unit.pause
        if self._neighbours_in_service(number):
            if not left or unit.replies < STABLE_AFTER:
                self._allowance -= now - asked_at
            self._probe_may_block_bus = True
        return left

    def _admit(self, unit: Unit) -> None:
        unit.state, unit.replies = UNIT.after(unit.state, UnitEvent.REPLY), 0
        unit.pause, unit.probes, unit.not_before = 0.0, 0, float("-inf")

    def _overtime(self, unit: Unit, now: float) -> float:
        return unit.overtime and unit.overtime * exp((unit.overtime_at - now) / WINDOW)

    def _limits_slow_unit(self, number: int, now: float) -> bool:
        if all(now - at > WINDOW for unit, at in self._missed.items() if unit != number):
            return False
        slow_times = sorted(self._overtime(unit, now) for unit in self.units.values() if unit.in_service)
        if not _excess(self._overtime(self.units[number], now), slow_times):
            return False
        return sum(_excess(seconds, slow_times) for seconds in slow_times) > self._share * WINDOW

    def _neighbours_in_service(self, number: int) -> bool:
        return any(unit.in_service for other, unit in self.units.items() if other != number)

    def _refill_budget(self, now: float) -> None:
        """What was not used is not saved up: a long quiet time must not end in a burst of probes."""
        earned = self._share * (now - self._counted_at)
        if self._allowance < 0 <= self._allowance + earned:
            self._free_since = now
        self._allowance = min(max(0.0, self._allowance), self._allowance + earned)
        self._counted_at = now


def _briefly(rtt: float, timeout: float) -> float:
    brief = ROUND_TRIPS * rtt if rtt else FIRST_CONTACT * timeout
    return min(timeout, max(SHORTEST_PROBE, brief))


def _excess(overtime: float, slow_times: Sequence[float]) -> float:
    """What one of these overtimes, least first, has beyond what is common to the others; an only one 0."""
    if len(slow_times) == 1:
        return 0.0
    quarter = (len(slow_times) - 1) // 4
    return max(0.0, overtime - COMMON * slow_times[quarter + (overtime <= slow_times[quarter])])
