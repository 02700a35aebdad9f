"""The units of one endpoint: which may be polled now, and how long each is waited for. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from gateway.sources.modbus.circuit_breaker import CircuitBreaker
from gateway.sources.modbus.fair_share import TimeBudget
from gateway.sources.modbus.response_timeout import ResponseTimeout

MAX_PROBE_WAIT_S = 2.0
"""Seconds that a probe waits for a unit which has not been probed for longer."""
LATE_S = 3.0
"""Seconds of late replies that hold no unit back."""
WINDOW_S = 60.0
"""Seconds for which a poll that was left out counts."""


class UnitAvailability:
    """Three parts: a `CircuitBreaker` and a `ResponseTimeout` for each unit, and fair shares of the time.

    While any unit is in service, those out of service share a `TimeBudget`, the one that waits longest first;
    the time for which a probe keeps others waiting is charged as well. A probe is brief; every fourth one
    takes the whole timeout and may be repeated once, for a device that sleeps. Late replies have another
    budget, which holds while a unit that was never late misses polls.
    Times are seconds of one monotonic clock, handed in.
    """

    def __init__(
        self,
        units: Sequence[int],
        timeout: float,
        start: float,
        timeouts: Mapping[int, float] | None = None,
        retries: int = 0,
    ) -> None:
        """`timeouts`: of the units that have one of their own. `retries`: requests that a poll may repeat."""
        self._timeout = timeout
        self.units: dict[int, CircuitBreaker] = {}
        self.timing: dict[int, ResponseTimeout] = {}
        self.exchange(units, timeouts or {})
        self._retries = retries
        self._budget = TimeBudget(start, credit=timeout * len(units))
        self._late_budget = TimeBudget(start, credit=LATE_S, limit=LATE_S)
        self._late: set[int] = set()  # units with late replies since that budget was in credit
        self._missed: dict[int, float] = {}  # unit -> when a poll of it was left out last
        self._probe_may_block_bus = False  # the last request was a probe in vain: the endpoint may be busy

    def exchange(self, units: Sequence[int], timeouts: Mapping[int, float]) -> None:
        """Other units from now on; what is known of a unit stays, its round trip while its timeout does."""
        timing = {unit: self.timing.get(unit) for unit in units}
        self.units = {unit: self.units.get(unit) or CircuitBreaker() for unit in units}
        self.timing = {
            unit: known
            if known is not None and known.timeout == timeouts.get(unit, self._timeout)
            else ResponseTimeout(timeouts.get(unit, self._timeout))
            for unit, known in timing.items()
        }

    def may_poll(self, number: int, now: float) -> bool:
        """Whether a request to this unit may be sent now."""
        unit = self.units[number]
        if unit.in_service:
            return number not in self._late or not self._late_wait(now)
        if unit.timeouts == 0 or not self._neighbours_in_service(number):
            return True
        self._budget.refill(now)
        if self._budget.used_up or now < unit.not_before:
            return False
        waiting = [u for u in self.units.values() if not u.in_service and u.timeouts and now >= u.not_before]
        first = min(waiting, key=lambda u: u.last_timeout_at)
        return unit is first or now - self._budget.free_since > MAX_PROBE_WAIT_S

    def should_continue(self, number: int) -> bool:
        """Whether a poll that has begun should go on with this unit."""
        unit = self.units[number]
        return unit.in_service or unit.timeouts == 0

    def response_timeout(self, number: int) -> float:
        """Seconds to wait for the reply to the next request to this unit."""
        unit, timing = self.units[number], self.timing[number]
        if unit.in_service or len(self.units) == 1:
            return timing.value
        if unit.full_probe:
            return timing.timeout
        return timing.probe(max(other.rtt for other in self.timing.values()))

    def retries_for(self, number: int, now: float) -> int:
        """How many requests to this unit one cycle may repeat after timeouts: one of a probe that is no brief
        one, for a device that sleeps and loses the request that wakes it."""
        unit = self.units[number]
        if not unit.in_service:
            return int(len(self.units) == 1 or unit.full_probe)
        return 0 if unit.is_flaky and self._neighbours_miss({number}, now) else self._retries

    def missed(self, number: int, now: float) -> None:
        """A poll of this unit was left out: the one before, or that of another unit, took too long."""
        self._missed[number] = now

    def record_late_replies(self, number: int, seconds: float, now: float) -> None:
        """Replies of this unit that came after the timeout took so long."""
        self._late_budget.refill(now)
        self._late_budget.charge(seconds)
        self._late.add(number)

    def replied(self, number: int, rtt: float) -> bool:
        """A reply in time; True when that puts the unit into service."""
        unit, timing = self.units[number], self.timing[number]
        waited = self._probe_may_block_bus and unit.in_service
        if waited:
            self._probe_may_block_bus = False
            self._budget.charge(max(0.0, rtt - timing.rtt))
        timing.replied(rtt, endpoint_was_busy=waited)
        return unit.replied()

    def replied_late(self, number: int, rtt: float) -> bool:
        """A reply after the timeout: the unit is waited for longer from now on, unless it is too slow. True
        when that puts the unit into service."""
        return self.timing[number].replied_late(rtt) and self.units[number].replied_late()

    def request_lost(self, number: int) -> None:
        """A request was not answered, whatever that says about the unit."""
        self.units[number].request_lost()

    def record_timeout(self, number: int, asked_at: float, now: float, *, repeated: bool = False) -> bool:
        """A request timed out, and its repeats; True when that takes the unit out of service.

        Not counted is a timeout right after a failed probe, which may have kept the endpoint busy, and one of
        a request that was open together with one that counted.
        """
        unit = self.units[number]
        self._budget.refill(now)
        if self._probe_may_block_bus and unit.in_service:  # it waited for the probe before it
            self._probe_may_block_bus = False
            self._budget.charge(now - asked_at)
            return False
        if (
            asked_at < unit.last_timeout_at
        ):  # it was open together with one that counted: one timeout, not two
            return False
        left = unit.in_service
        if not unit.timed_out(now, self.timing[number].timeout, repeated=repeated):
            return False
        if self._neighbours_in_service(number):
            if not (left and unit.leaves_uncharged):
                self._budget.charge(now - asked_at)
            self._probe_may_block_bus = True
        return left

    def _late_wait(self, now: float) -> bool:
        """Whether the units that were late have to wait; where all were, the endpoint is slow."""
        self._late_budget.refill(now)
        if not self._late_budget.used_up:
            self._late.clear()
            return False
        return self._neighbours_miss(self._late, now)

    def _neighbours_miss(self, units: Collection[int], now: float) -> bool:
        """Whether other units missed polls in the last seconds."""
        return any(now - at <= WINDOW_S for unit, at in self._missed.items() if unit not in units)

    def _neighbours_in_service(self, number: int) -> bool:
        return any(unit.in_service for other, unit in self.units.items() if other != number)
