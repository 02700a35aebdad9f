"""How long one unit is waited for: its timeout, longer after late replies, shorter for a probe. Pure."""

from __future__ import annotations

MAX_RAISE = 2.0
"""Times its timeout that a slow unit is waited for, at most."""
LEEWAY = 1.25
"""Times its last round trip that a slow unit is waited for."""
DECAY = 0.01
"""Share of the raise that each reply in time takes back."""
FIRST_CONTACT = 0.25
"""Of the timeout, for a probe while no round trip is known."""
SHORTEST_PROBE_S = 0.05
ROUND_TRIPS = 4.0
"""Of the slowest unit in service make the timeout of a probe."""


class ResponseTimeout:
    """Of one unit, in seconds."""

    __slots__ = ("rtt", "timeout", "value")

    def __init__(self, timeout: float) -> None:
        self.timeout = timeout
        """As the settings have it."""
        self.value = timeout
        """The timeout, or more after a late reply."""
        self.rtt = 0.0
        """From request to reply, a running mean; 0 before the first."""

    def replied(self, rtt: float, *, endpoint_was_busy: bool) -> None:
        """A reply in time. `endpoint_was_busy`: the endpoint was still busy with a probe of another unit."""
        if not endpoint_was_busy:
            self.rtt = 0.9 * self.rtt + 0.1 * rtt if self.rtt else rtt
        if self.value > self.timeout:
            self.value += DECAY * (max(self.timeout, LEEWAY * rtt) - self.value)

    def replied_late(self, rtt: float) -> bool:
        """A reply after the timeout; whether the unit can be waited for."""
        if rtt > MAX_RAISE * self.timeout:
            return False
        self.value = max(self.value, min(MAX_RAISE * self.timeout, LEEWAY * rtt))
        return True

    def probe(self, rtt: float) -> float:
        """Timeout of a probe, where the slowest unit in service takes so long."""
        brief = ROUND_TRIPS * rtt if rtt else FIRST_CONTACT * self.timeout
        return min(self.timeout, max(SHORTEST_PROBE_S, brief))
