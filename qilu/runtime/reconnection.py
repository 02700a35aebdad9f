"""Paces the connections to one far side, and logs its outages at a bounded rate. Pure but for the log."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from qilu.contract.errors import LinkLostError, QiluError, UnreachableError
from qilu.runtime.backoff import Backoff
from qilu.runtime.log_throttle import OutageLog

INTERVAL_S = 10.0
"""From one connection to the next where connections are lost soon, the second one in a row on."""
STABLE_S = 30.0
"""Age from which a connection counts as a success: the backoff and the outage begin anew after its loss."""


class Reconnection:
    """States: connecting, connected. Times are seconds of a monotonic clock.

    A connection that is lost within STABLE_S is no success. So two clients of one id, which disconnect each
    other, and a broker that refuses what is published, see a connection every INTERVAL_S, not ten a second.
    """

    def __init__(self, log: logging.Logger, backoff: Backoff, *, interval_s: float = INTERVAL_S) -> None:
        self._log = log
        self._backoff = backoff
        self._interval_s = interval_s
        self._outage = OutageLog(log)
        self._connected_at: float | None = None
        self._consecutive_short = 0
        self._logged = True
        self.lost_connections = 0
        """Since the start."""

    def connected(self, text: str, now: float) -> None:
        """The far side is reached; `text` is logged when it ends an outage that was logged."""
        self._connected_at = now
        if self._logged:
            self._log.info("%s", text)
        self._logged = False

    def failed(self, lost: Iterable[QiluError], now: float) -> float:
        """The connection is lost, or was not made; returns the seconds to wait before the next attempt.

        A LinkLostError without `connected` before is the loss of a connection of no age.
        """
        errors = list(lost)
        connected_at, self._connected_at = self._connected_at, None
        if connected_at is None and any(isinstance(error, LinkLostError) for error in errors):
            connected_at = now
        causes = "; ".join(sorted({str(error) for error in errors}))
        if connected_at is None:
            self._log_outage(causes, now)
            return self._backoff.next(_retry_after(errors))
        age = now - connected_at
        self.lost_connections += 1
        if age >= STABLE_S:
            self._backoff.reset()
            self._outage.over()
            self._consecutive_short = 0
        else:
            self._consecutive_short += 1
        self._log_outage(causes, now)
        pause = self._backoff.next(_retry_after(errors))
        return max(pause, self._interval_s - age) if self._consecutive_short > 1 else pause

    def _log_outage(self, causes: str, now: float) -> None:
        self._logged = self._outage.warn(f"not connected: {causes}; it is tried again", now) or self._logged


def _retry_after(errors: Iterable[QiluError]) -> float:
    return max(
        (error.retry_after or 0.0 for error in errors if isinstance(error, UnreachableError)), default=0.0
    )
