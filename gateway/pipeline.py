"""The whole gateway on one screen: what a source polls goes through the processors into the spool.

source ▶ processors ▶ spool ▶ delivery (outbox ▶ sink)
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gateway.components import Processor, Source, Spool
from gateway.delivery import Delivery
from qilu.contract.errors import UnreachableError
from qilu.contract.reading import Poll, Reading, Reason
from qilu.contract.wire import encode_record
from qilu.runtime.backoff import Backoff

_log = logging.getLogger(__name__)

_RETRY = 0.25
"""Seconds between two tries to append to a spool that is full."""


@dataclass(slots=True)
class Tally:
    """What went through since the start, for the status."""

    polls: int = 0
    points: int = 0
    bad_points: int = 0
    suppressed_points: int = 0
    blocked: int = 0
    """Records that had to wait for room in the spool."""


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Everything a gateway does while it runs.

    `sync`: seconds between commits, None for one after each record. `now_ms`: UTC, to date what a source that
    failed did not read.
    """

    sources: Sequence[Source]
    processors: Sequence[Processor]
    spool: Spool
    delivery: Delivery
    tally: Tally
    sync: float | None
    backoff: Callable[[], Backoff]
    now_ms: Callable[[], int]

    async def run(self, stop: asyncio.Event, grace: float) -> None:
        """Collect until `stop`, then deliver what is left for at most `grace` seconds; or until cancelled.

        Whatever is not durable then stays in the spool and is delivered next time.
        """
        async with self.spool, asyncio.TaskGroup() as tasks:
            keeping = tasks.create_task(self._commit(), name="commit the spool")
            delivering = tasks.create_task(self.delivery.run(), name="deliver")
            await self._collect_all(stop)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(grace):
                    await self.delivery.emptied()
            delivering.cancel()
            keeping.cancel()

    async def _collect_all(self, stop: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as tasks:
            collecting = [
                tasks.create_task(self._collect(source), name=f"collect from {source.name}")
                for source in self.sources
            ]
            await stop.wait()
            for task in collecting:
                task.cancel()

    async def _collect(self, source: Source) -> None:
        backoff = self.backoff()
        while True:
            try:
                async with source, contextlib.aclosing(source.polls()) as polls:
                    async for poll in polls:
                        await self._keep(poll)
                        backoff.reset()
            except Exception:  # noqa: BLE001 - the one supervisor boundary: one odd device must not stop the others
                _log.exception("%s: internal error, this source starts again", source.name)
                for poll in _all_bad(source, self.now_ms()):
                    await self._keep(poll)
            await asyncio.sleep(backoff.next())

    async def _keep(self, poll: Poll) -> None:
        kept: Sequence[Poll] = (poll,)
        for processor in self.processors:
            kept = [after for before in kept for after in processor.process(before)]
        self._count(poll, kept)
        for one in kept:
            body = encode_record(one)
            while (record := self.spool.append(body)) is None:
                self.tally.blocked += 1
                await asyncio.sleep(_RETRY)
            if self.sync is None:
                await self._commit_now()
            self.delivery.appended(record)

    async def _commit(self) -> None:
        while True:
            await asyncio.sleep(_RETRY if self.sync is None else self.sync)
            await self._commit_now()

    async def _commit_now(self) -> None:
        try:
            await self.spool.commit()
        except UnreachableError as error:
            _log.error("%s: a power cut could now cost more than the interval of commits", error)

    def _count(self, poll: Poll, kept: Sequence[Poll]) -> None:
        tally = self.tally
        tally.polls += 1
        size = poll.size
        tally.points += size
        tally.bad_points += sum(len(reading.reasons) for reading in poll.readings)
        tally.suppressed_points += size - sum(one.size for one in kept)


def _all_bad(source: Source, now_ms: int) -> list[Poll]:
    """One poll per block that the source should have read, all of it `internal_error`."""
    return [
        Poll(
            now_ms,
            (
                Reading(
                    columns,
                    now_ms,
                    (None,) * len(columns.points),
                    dict.fromkeys(range(len(columns.points)), Reason.INTERNAL_ERROR),
                ),
            ),
        )
        for columns in source.columns()
    ]
