"""What an ingester writes into the store about itself, and which edges should report, by its settings."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator, Sequence

from cloud.observation import IngesterView
from qilu.contract.cloud_reports import fleet_columns, ingester_columns
from qilu.contract.errors import UnreachableError
from qilu.contract.reading import BlockSchema, Poll, Reading
from qilu.stores.interfaces import Store

_log = logging.getLogger(__name__)


class SelfReport:
    """Writes a report every `period_s` seconds, past the queue: one that fails is left out.

    `look` gives the present view, `lag_s` for how long records wait for the store without a pause.
    """

    def __init__(
        self,
        store: Store,
        ingester: str,
        expected: Sequence[str],
        look: Callable[[], IngesterView],
        lag_s: Callable[[], float],
        *,
        period_s: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._own = ingester_columns(ingester)
        self._expected = [fleet_columns(edge) for edge in expected]
        self._look = look
        self._lag_s = lag_s
        self._period_s = period_s
        self._clock = clock
        self._wall = wall
        self._started_at = clock()

    async def run(self) -> None:
        """Report until cancelled."""
        while True:
            await asyncio.sleep(self._period_s)
            try:
                await self._store.write(list(self._polls()))
            except UnreachableError as error:
                _log.debug("the report of this ingester is left out: %s", error)

    def _polls(self) -> Iterator[Poll]:
        time_ms = int(self._wall() * 1000)
        yield _poll(self._own, time_ms, self._values())
        for columns in self._expected:
            yield _poll(columns, time_ms, (1,))

    def _values(self) -> tuple[float, ...]:
        view = self._look()
        tally = view.tally
        return (
            round(self._clock() - self._started_at, 1), view.queued_records, round(self._lag_s(), 1),
            tally.records, tally.points, tally.rejected, tally.deferred, tally.lost_values,
            tally.overflow + tally.discarded, view.unconfirmed_records,
        )  # fmt: skip


def _poll(columns: BlockSchema, time_ms: int, values: tuple[float, ...]) -> Poll:
    return Poll(time_ms, (Reading(columns, time_ms, values),))
