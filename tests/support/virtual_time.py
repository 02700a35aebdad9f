"""A loop on which an hour of time-outs and backoffs takes milliseconds and always goes the same way.

Its clock stands still while anything is ready to run, and jumps to the next timer when nothing is. Work in
threads (asyncio.to_thread) takes no virtual time: the clock waits for it. Real sockets do not fit, because
the clock would jump while the bytes are on their way: use in-memory transports.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from functools import wraps
from typing import Any, ParamSpec, TypeVar, TypeVarTuple

P = ParamSpec("P")
T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_STUCK_AFTER = 5.0
"""Real seconds without any event after which a test that waits for nothing at all is ended."""


class StuckError(AssertionError):
    """Every task waits, no timer is set and no thread works: nothing would ever happen again."""


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """`time()` begins at 1000 and moves by itself only when every task waits for a timer."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.threads_at_work = 0
        super().__init__(_JumpingSelector(self))

    def time(self) -> float:
        return self.now

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts
    ) -> asyncio.Future[T]:
        future = super().run_in_executor(executor, func, *args)
        self.threads_at_work += 1
        future.add_done_callback(self._thread_done)
        return future

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """As the original, without its time-out: joining threads takes no virtual time either."""
        self.threads_at_work += 1
        try:
            await super().shutdown_default_executor()
        finally:
            self.threads_at_work -= 1

    def _thread_done(self, _: asyncio.Future[Any]) -> None:
        self.threads_at_work -= 1


class _JumpingSelector(selectors.DefaultSelector):
    """Never waits for a timer: where the loop asks it to, the loop's clock jumps instead."""

    def __init__(self, loop: VirtualTimeLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if self._loop.threads_at_work or timeout is None:
            ready = super().select(_STUCK_AFTER)
            if not ready and not self._loop.threads_at_work:
                raise StuckError("every task waits, and nothing is scheduled that could wake one")
            return ready
        self._loop.now += timeout
        return []


def run(main: Coroutine[Any, Any, T]) -> T:
    """The result of `main`, run on virtual time."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main)


def virtual_time(test: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, T]:
    """Runs an async test on a loop of its own with virtual time. Its fixtures have to be synchronous ones."""

    @wraps(test)
    def synchronous(*args: P.args, **kwargs: P.kwargs) -> T:
        return run(test(*args, **kwargs))

    return synchronous
