"""Warnings that may come by the thousand: the first of each kind is told, then how many there were."""

from __future__ import annotations

import logging
from dataclasses import dataclass

EVERY = 60.0
"""Seconds between two lines about one kind of trouble."""
MAX_CAUSES = 4
"""Different causes of one outage that are logged in EVERY seconds."""


@dataclass(slots=True)
class _Kind:
    told_at: float
    silent: int = 0


class Complaints:
    """Writes to `log` at most one line in EVERY seconds for each kind; times are of a monotonic clock."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._kinds: dict[str, _Kind] = {}

    def tell(self, kind: str, text: str, now: float) -> None:
        """Tell `text`, or only count it. `kind` comes from our own code, not from a message."""
        known = self._kinds.get(kind)
        if known is not None and now - known.told_at < EVERY:
            known.silent += 1
            return
        more = f" ({known.silent} more of this kind in between)" if known is not None and known.silent else ""
        self._log.warning("%s%s", text, more)
        self._kinds[kind] = _Kind(now)


class Outage:
    """One trouble that lasts, perhaps for a week: told when it begins, when its cause is another one, and
    once in EVERY seconds. Of causes that alternate, at most MAX_CAUSES are logged in that time."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._causes: dict[str, _Kind] = {}
        self._others = 0

    def tell(self, cause: str, now: float) -> bool:
        """It was met once more; the time is of a monotonic clock. True when it was logged."""
        known = self._causes.get(cause)
        if known is not None and now - known.told_at < EVERY:
            known.silent += 1
            return False
        recent = {one: kind for one, kind in self._causes.items() if now - kind.told_at < EVERY}
        if len(recent) >= MAX_CAUSES:
            self._others += 1
            return False
        silent = 0 if known is None else known.silent
        more = f" ({silent} more times in between)" if silent else ""
        others = f" ({self._others} times with other causes)" if self._others else ""
        self._log.warning("%s%s%s", cause, more, others)
        self._causes, self._others = {**recent, cause: _Kind(now)}, 0
        return True

    def over(self) -> None:
        """It is; the next one begins anew."""
        self._causes.clear()
