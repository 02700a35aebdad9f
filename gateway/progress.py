"""Whether the tasks of a gateway move on: each has a time within which it shows progress again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

MARGIN_S = 30.0
"""Seconds that every task may take beyond its own longest step."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """How long a task may go without progress.

    `seconds`: its longest wait, without the margin. `steps` counts what happens within one of its steps:
    while that rises the task moves on.
    """

    seconds: float
    steps: Callable[[], int] = lambda: 0


@dataclass(slots=True)
class _Mark:
    moved_at: float
    steps: int


@dataclass(frozen=True, slots=True)
class Progress:
    """The tasks that run and when each last moved on. A task without a deadline is not watched."""

    deadlines: Mapping[str, Deadline] = field(default_factory=dict)
    """Name of the task -> its deadline."""
    clock: Callable[[], float] = time.monotonic
    """Seconds, monotonic."""
    _marks: dict[str, _Mark] = field(default_factory=dict)

    @contextmanager
    def watching(self, task: str) -> Iterator[Callable[[], None]]:
        """While a task runs; the function that it gets is to be called at the end of each step."""
        deadline = self.deadlines.get(task)
        if deadline is None:
            yield lambda: None
            return
        mark = self._marks[task] = _Mark(self.clock(), deadline.steps())

        def moved() -> None:
            mark.moved_at, mark.steps = self.clock(), deadline.steps()

        try:
            yield moved
        finally:
            self._marks.pop(task, None)

    def problem(self) -> str | None:
        """The task that has not moved on for longest, beyond its deadline; None where all are in time."""
        now, late = self.clock(), dict[str, float]()
        for task, mark in self._marks.items():
            deadline = self.deadlines[task]
            if (steps := deadline.steps()) != mark.steps:
                mark.moved_at, mark.steps = now, steps
            if now - mark.moved_at > deadline.seconds + MARGIN_S:
                late[task] = now - mark.moved_at
        if not late:
            return None
        worst = max(late, key=late.__getitem__)
        beside = f", and {len(late) - 1} other tasks" if len(late) > 1 else ""
        return f"the task `{worst}`{beside} has made no progress for {late[worst]:.0f} s"
