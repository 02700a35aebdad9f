"""What a TaskGroup raises, taken apart, and what it forgets."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import TypeVar

from qilu.contract.errors import UnreachableError

_Error = TypeVar("_Error", bound=BaseException)


def leaves(group: BaseExceptionGroup[_Error]) -> Iterator[_Error]:
    """The single errors of a group, however deep, in their order."""
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from leaves(error)
        else:
            yield error


def longest_wait(lost: BaseExceptionGroup[UnreachableError]) -> float:
    """Seconds that the far sides asked us to wait, the longest of them; 0 where none did."""
    return max(error.retry_after or 0.0 for error in leaves(lost))


def heed_cancellation() -> None:
    """To be called where the errors of a TaskGroup were caught and the task goes on.

    CancelledError if the task was told to end: before Python 3.13 that is lost when a task of the group fails
    at the same moment (python/cpython#116720).
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
