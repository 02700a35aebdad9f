"""Warnings that may come by the thousand: the first of each kind is told, then how many there were."""

from __future__ import annotations

import logging
from dataclasses import dataclass

EVERY = 60.0
"""Seconds between two lines about one kind of trouble."""


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
    once in EVERY seconds."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._cause = ""
        self._kind = _Kind(0.0)

    def tell(self, cause: str, now: float) -> None:
        """It was met once more; the time is of a monotonic clock."""
        if cause == self._cause and now - self._kind.told_at < EVERY:
            self._kind.silent += 1
            return
        more = f" ({self._kind.silent} more times in between)" if cause == self._cause else ""
        self._log.warning("%s%s", cause, more)
        self._cause, self._kind = cause, _Kind(now)

    def over(self) -> None:
        """It is; the next one begins anew."""
        self._cause = ""
