"""The requests that one poll cycle may repeat after timeouts. Pure."""

from __future__ import annotations

from gateway.sources.modbus.circuit_breaker import CircuitBreaker


class CycleRetries:
    """A unit in service gets so many retries. A device that sleeps loses the request that wakes it, so a unit
    that may sleep gets one even out of service."""

    __slots__ = ("_left", "_unit", "_wakes", "granted", "waking_s", "woke")

    def __init__(self, retries: int, unit: CircuitBreaker, *, sleeps: bool, alone: bool) -> None:
        """`sleeps`: the device is known to; `alone`: a retry of this unit delays no other one."""
        may_sleep = not unit.in_service and (alone or unit.full_probe)
        self._unit = unit
        self._wakes = sleeps or may_sleep
        self._left = max(retries, int(self._wakes))
        self.waking_s = 0.0
        """Duration of the timeout of the request that may have woken the device: it counts with its retry."""
        self.granted = False
        """Whether the last timeout was answered with a retry."""
        self.woke = False
        """Whether the first request of the cycle timed out."""

    @property
    def waking(self) -> bool:
        """Whether the timeout says nothing about the unit yet: the request may only have woken the device."""
        return self._wakes and self._left > 0

    @property
    def available(self) -> bool:
        return self._left > 0 and (self._wakes or self._unit.worth_retry)

    def take(self) -> bool:
        """Use one, if the unit is still worth it."""
        self.granted = self.available
        self._left -= self.granted
        return self.granted

    @property
    def may_continue(self) -> bool:
        """Whether a unit out of service gets the retry that it was granted."""
        return self._wakes and self.granted
