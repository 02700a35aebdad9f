"""Tasks that fail together: what a group of them raises, taken apart, and one that never misses its end."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator, Mapping
from typing import Any, TypeVar

_Error = TypeVar("_Error", bound=BaseException)


def flatten(group: BaseExceptionGroup[_Error]) -> Iterator[_Error]:
    """The single errors of a group, however deep, in their order."""
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from flatten(error)
        else:
            yield error


async def run_together(works: Mapping[str, Coroutine[Any, Any, None]]) -> None:
    """Run all of them, by their names, until they end or one fails: then the others are cancelled.

    ExceptionGroup with what failed. To be cancelled comes first, also in the moment in which something fails:
    a TaskGroup forgets it then before Python 3.13 (python/cpython#116720), and `Task.cancelling` does not
    show it.
    """
    tasks = [asyncio.create_task(work, name=name) for name, work in works.items()]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    if failed := [end for end in ended if isinstance(end, Exception)]:
        raise ExceptionGroup(", ".join(works), failed)
