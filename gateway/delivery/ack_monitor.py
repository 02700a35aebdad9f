"""Warns when no store answers, or only unknown stores do: the spool would fill unnoticed."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from qilu.runtime.log_throttle import LogThrottle


class AckMonitor:
    """Which stores answered, and when. Times are seconds of a monotonic clock.

    `patience`: seconds without an answer of a trusted store while others answer, after which it is logged;
    where nobody speaks at all, twice as long.
    """

    def __init__(
        self, trusted: AbstractSet[str], timeout: float, complaints: LogThrottle, now: float
    ) -> None:
        self._trusted = trusted
        self._timeout = timeout
        self._complaints = complaints
        self._trusted_at = now
        self.acknowledged_at: dict[str, float] = {}
        """Trusted store -> when its last acknowledgement came."""
        self._waiting_since: float | None = None  # for an answer, be it from whom it may

    def connected(self, now: float) -> None:
        self._trusted_at, self._waiting_since = now, None

    def ack_received(self, store: str, now: float) -> None:
        """Somebody spoke in the name of this store: with a name mistyped on one side that frees nothing."""
        self._waiting_since = None
        if store in self._trusted:
            self._trusted_at = self.acknowledged_at[store] = now
        elif now - self._trusted_at > self._timeout:
            text = (
                f"store {store} has what is sent, but delivery.trusted_stores trusts"
                f" {', '.join(sorted(self._trusted))} alone, which does not acknowledge: all is kept here;"
                " start its ingester, or correct the name on one side"
            )
            self._complaints.warn("untrusted", text, now)

    def check(self, waiting: bool, now: float) -> None:
        """Called every second or so; `waiting`: whether there are records that nobody has answered."""
        if not waiting:
            self._waiting_since = None
        elif self._waiting_since is None:
            self._waiting_since = now
        elif now - self._waiting_since > 2 * self._timeout:
            text = (
                f"no store acknowledged for {now - self._waiting_since:.0f} s, and all is kept here: is an"
                " ingester connected to this broker, with the same mqtt.prefix, and its store there, and does"
                " the broker's access list let it read what this edge publishes, and acknowledge?"
            )
            self._complaints.warn("no acknowledgement", text, now)
