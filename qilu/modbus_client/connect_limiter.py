"""How many endpoints one process connects to at once: a factory's machines return all together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

MAX_CONCURRENT_CONNECTS = 50


class ConnectLimiter:
    """Shared by all links of a process. Endpoints that failed last time get half of the limit at most: hosts
    which swallow every attempt keep no sound one waiting that just closed an idle connection."""

    def __init__(self, limit: int = MAX_CONCURRENT_CONNECTS) -> None:
        self._any = asyncio.Semaphore(limit)
        self._failing = asyncio.Semaphore(max(1, limit // 2))

    @asynccontextmanager
    async def connecting(self, *, failed: bool) -> AsyncIterator[None]:
        """Wait until one more may connect, the longest waiting first. `failed`: the last attempt did."""
        if failed:
            async with self._failing, self._any:
                yield
        else:
            async with self._any:
                yield
