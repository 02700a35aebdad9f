"""Which units of an endpoint are in service, and how much of its time those that are silent may take."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp

PROBE_SHARE = 0.05
"""The share of the endpoint's time that all units out of service may take, while others are in service."""

SILENCES = 2  # unanswered requests in a row that take a unit out of service
RAISED = 2.0  # how many times its time-out a slow unit is waited for, at most
LEEWAY = 1.25  # how many times its last round trip
CALMING = 0.01  # the share of what it is waited for longer than that which each answer takes back
FIRST_CONTACT = 0.25  # of the time-out, for a unit that has never answered and is not alone
SHORTEST_PROBE = 0.05  # seconds
ROUND_TRIPS = 4.0  # of the slowest unit in service make the time-out of a probe
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0  # seconds between two probes of one unit, doubling
STEADY = 10  # answers since it is in service that make leaving it free: it may only have lost two frames
WINDOW = 60.0  # seconds in which overtime fades to a third
COMMON = 2.0  # times the overtime of a quarter of the others is no fault of the unit: the endpoint is slow
TURN_TO_ASK = 2.0  # seconds that a probe waits for a unit which has not been probed for longer


class Unit:
    """What is known of one unit id."""

    __slots__ = (
        "answers", "asked_at", "known", "not_before", "overtime", "overtime_at", "patience", "pause",
        "probes", "rtt", "silent",
    )  # fmt: skip

    def __init__(self, timeout: float) -> None:
        self.known = False
        """In service: it answered, and has not been silent since."""
        self.answers = 0
        """Since it is in service."""
        self.silent = 0.0
        """Requests in a row that it did not answer; until it is steady an answer makes up for half of one."""
        self.patience = timeout
        """Seconds to wait for it while it is in service: the time-out, or more after a late reply."""
        self.probes = 0
        """Requests that it did not answer since it is out of service."""
        self.rtt = 0.0
        """Seconds from request to reply, a running mean; 0 before the first."""
        self.overtime = self.overtime_at = 0.0
        """Seconds that its replies took which were later than the time-out, fading since then."""
        self.not_before = float("-inf")
        self.asked_at = float("-inf")
        self.pause = 0.0


class Service:
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
        self, units: Sequence[int], timeout: float, start: float, share: float = PROBE_SHARE
    ) -> None:
        self.units = {unit: Unit(timeout) for unit in units}
        self._timeout = timeout
        self._share = share
        self._allowance = 0.0  # seconds that probes may take; less than 0 while they took too many
        self._counted_at = start
        self._free_since = start
        self._missed: dict[int, float] = {}  # unit -> when it last missed a turn
        self._in_the_way = False  # the last request was a probe in vain, and may still occupy the endpoint

    def may_ask(self, number: int, now: float) -> bool:
        """Whether a request to this unit may be sent now."""
        unit = self.units[number]
        if unit.known:
            return not unit.overtime or not self._holds_back(number, now)
        if unit.silent == 0 or not self._others_in_service(number):
            return True
        self._earn(now)
        if self._allowance < 0 or now < unit.not_before:
            return False
        waiting = [u for u in self.units.values() if not u.known and u.silent and now >= u.not_before]
        longest = min(waiting, key=lambda u: u.asked_at)
        return unit is longest or now - self._free_since > TURN_TO_ASK

    def worth_asking(self, number: int) -> bool:
        """Whether a turn that has begun should go on with this unit."""
        unit = self.units[number]
        return unit.known or unit.silent == 0

    def brief(self, number: int) -> float:
        """Seconds in which a unit that answers at all would answer a small request."""
        return self._briefly(self.units[number].rtt)

    def patience(self, number: int) -> float:
        """Seconds to wait for the reply to the next request to this unit."""
        unit = self.units[number]
        if unit.known or len(self.units) == 1:
            return unit.patience
        if unit.probes % 4 == 2:
            return self._timeout
        return self._briefly(max(u.rtt for u in self.units.values()))

    def missed(self, number: int, now: float) -> None:
        """A turn of this unit was left out: the one before, or that of another unit, took too long."""
        self._missed[number] = now

    def took_overtime(self, number: int, seconds: float, now: float) -> None:
        """Replies of this unit that came later than the time-out took so long."""
        unit = self.units[number]
        unit.overtime, unit.overtime_at = self._overtime(unit, now) + seconds, now

    def answered(self, number: int, rtt: float) -> bool:
        """It answered in time; True when that puts it into service."""
        unit = self.units[number]
        if self._in_the_way and unit.known:
            self._in_the_way = False
            self._allowance -= max(0.0, rtt - unit.rtt)
        else:
            unit.rtt = 0.9 * unit.rtt + 0.1 * rtt if unit.rtt else rtt
        # One that answers every second request only would otherwise keep all others waiting for ever.
        unit.silent = max(0.0, unit.silent - 0.5) if unit.known and unit.answers < STEADY else 0.0
        unit.answers += 1
        if unit.patience > self._timeout:
            usual = max(self._timeout, LEEWAY * rtt)
            unit.patience += CALMING * (usual - unit.patience)
        if unit.known:
            return False
        self._admit(unit)
        return True

    def answered_late(self, number: int, rtt: float) -> bool:
        """It answered after we had given up; waited for longer from now on, unless it is slower than that.

        Each answer in time takes back a little of it. True when that puts it into service.
        """
        unit = self.units[number]
        if rtt > RAISED * self._timeout:
            return False
        unit.patience = max(unit.patience, min(RAISED * self._timeout, LEEWAY * rtt))
        unit.silent = 0
        if unit.known:
            return False
        self._admit(unit)
        return True

    def kept_silent(self, number: int, asked_at: float, now: float) -> bool:
        """It did not answer a request; True when that takes it out of service."""
        unit = self.units[number]
        self._earn(now)
        if self._in_the_way and unit.known:  # the gateway was still busy with the probe before it
            self._in_the_way = False
            self._allowance -= now - asked_at
            return False
        if asked_at < unit.asked_at:  # it was open together with one that counted: one silence, not two
            return False
        unit.silent += 1
        unit.asked_at = now
        if unit.known and unit.silent < SILENCES:
            return False
        left, unit.known = unit.known, False
        unit.probes += not left
        unit.pause = min(max(LONGEST_PAUSE, self._timeout), max(FIRST_PAUSE, self._timeout, 2 * unit.pause))
        unit.not_before = now + unit.pause
        if self._others_in_service(number):
            if not left or unit.answers < STEADY:
                self._allowance -= now - asked_at
            self._in_the_way = True
        return left

    def _briefly(self, rtt: float) -> float:
        brief = ROUND_TRIPS * rtt if rtt else FIRST_CONTACT * self._timeout
        return min(self._timeout, max(SHORTEST_PROBE, brief))

    def _admit(self, unit: Unit) -> None:
        unit.known, unit.answers = True, 0
        unit.pause, unit.probes, unit.not_before = 0.0, 0, float("-inf")

    def _overtime(self, unit: Unit, now: float) -> float:
        return unit.overtime and unit.overtime * exp((unit.overtime_at - now) / WINDOW)

    def _holds_back(self, number: int, now: float) -> bool:
        if all(now - at > WINDOW for unit, at in self._missed.items() if unit != number):
            return False
        taken = sorted(self._overtime(unit, now) for unit in self.units.values() if unit.known)
        if not _beyond(self._overtime(self.units[number], now), taken):
            return False
        return sum(_beyond(seconds, taken) for seconds in taken) > self._share * WINDOW

    def _others_in_service(self, number: int) -> bool:
        return any(unit.known for other, unit in self.units.items() if other != number)

    def _earn(self, now: float) -> None:
        """What was not used is not saved up: a long quiet time must not end in a burst of probes."""
        earned = self._share * (now - self._counted_at)
        if self._allowance < 0 <= self._allowance + earned:
            self._free_since = now
        self._allowance = min(0.0, self._allowance + earned)
        self._counted_at = now


def _beyond(overtime: float, taken: Sequence[float]) -> float:
    """What one of these overtimes, least first, has beyond what is common to the others; an only one 0."""
    if len(taken) == 1:
        return 0.0
    quarter = (len(taken) - 1) // 4
    return max(0.0, overtime - COMMON * taken[quarter + (overtime <= taken[quarter])])
