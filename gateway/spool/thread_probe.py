"""Asks the thread that syncs a spool for a reply, so that a disk which never answers is noticed."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future


class ThreadProbe:
    """One question at a time to the thread of `executor`. `monotonic`: seconds."""

    def __init__(self, executor: Executor, monotonic: Callable[[], float]) -> None:
        self._executor = executor
        self._monotonic = monotonic
        self._asked_at = 0.0
        self._reply: Future[None] | None = None

    def problem(self) -> str | None:
        """None when the question before this one was answered, which also asks the next one."""
        if self._reply is None or self._reply.done():
            self._asked_at = self._monotonic()
            self._reply = self._executor.submit(_nothing)
            return None
        return f"the disk of the spool has not replied for {self._monotonic() - self._asked_at:.0f} s"


def _nothing() -> None:
    """The reply is that it ran."""
