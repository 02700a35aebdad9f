"""Warnings that may come by the thousand: the first of each kind is logged, then how many there were."""

from __future__ import annotations

import logging
from dataclasses import dataclass

EVERY = 60.0
"""Seconds between two lines about one kind of trouble."""
MAX_CAUSES = 4
"""Different causes of one outage that are logged in EVERY seconds."""


@dataclass(slots=True)
class _Kind:
    logged_at: float
    suppressed: int = 0


class LogThrottle:
    """Writes to `log` at most one line in EVERY seconds for each kind; times are of a monotonic clock."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._kinds: dict[str, _Kind] = {}

    def warn(self, kind: str, text: str, now: float) -> None:
        """Log `text`, or only count it. `kind` comes from our own code, not from a message."""
        known = self._kinds.get(kind)
        if known is not None and now - known.logged_at < EVERY:
            known.suppressed += 1
            return
        more = (
            f" ({known.suppressed} more of this kind in between)"
            if known is not None and known.suppressed
            else ""
        )
        self._log.warning("%s%s", text, more)
        self._kinds[kind] = _Kind(now)


class OutageLog:
    """One trouble that lasts, perhaps for a week: logged when it starts, when its cause changes, and
    once in EVERY seconds. Of causes that alternate, at most MAX_CAUSES are logged in that time."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._causes: dict[str, _Kind] = {}
        self._other_causes = 0

    def warn(self, cause: str, now: float) -> bool:
        """It was met once more; the time is of a monotonic clock. True when it was logged."""
        known = self._causes.get(cause)
        if known is not None and now - known.logged_at < EVERY:
            known.suppressed += 1
            return False
        recent = {text: kind for text, kind in self._causes.items() if now - kind.logged_at < EVERY}
        if len(recent) >= MAX_CAUSES:
            self._other_causes += 1
            return False
        suppressed = 0 if known is None else known.suppressed
        more = f" ({suppressed} more times in between)" if suppressed else ""
        other_causes = f" ({self._other_causes} times with other causes)" if self._other_causes else ""
        self._log.warning("%s%s%s", cause, more, other_causes)
        self._causes, self._other_causes = {**recent, cause: _Kind(now)}, 0
        return True

    def over(self) -> None:
        """It is; the next one begins anew."""
        self._causes.clear()
