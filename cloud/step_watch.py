"""Which steps of an ingester are under way, and which of them has not ended for longer than it may take."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class _Step:
    name: str
    longest_s: float
    since: float


@dataclass(frozen=True, slots=True)
class StepWatch:
    """The steps under way. `clock`: seconds, monotonic."""

    clock: Callable[[], float]
    _steps: dict[object, _Step] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str, longest_s: float) -> Iterator[None]:
        """Around one step; `name` is that of a message, such as "a write"."""
        token = object()
        self._steps[token] = _Step(name, longest_s, self.clock())
        try:
            yield
        finally:
            del self._steps[token]

    def problem(self) -> str | None:
        """The step that has not ended in time; None while each does, and while there is none."""
        now = self.clock()
        for step in self._steps.values():
            if now - step.since > step.longest_s:
                return f"{step.name} has not ended for {step.longest_s:.0f} s"
        return None
