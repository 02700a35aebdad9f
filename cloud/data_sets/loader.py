"""Writes a data set into a store, once or several times, moved in time."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from random import Random

from cloud.data_sets.data_set import DataSet, columns_of
from cloud.isolation import write_isolated
from qilu.contract.ack_codes import Refusal
from qilu.contract.errors import UnreachableError
from qilu.contract.known_columns import KnownColumns
from qilu.contract.point_info import rows as description_rows
from qilu.contract.reading import Poll, Reading
from qilu.runtime.backoff import Backoff
from qilu.stores.interfaces import Store

MAX_BATCH_VALUES = 20_000
"""Values that are written together: what one copy of them takes in memory is the bound of the loader."""
TRIES = 10
"""Writes of one batch, before a store that is away ends the load."""
_DAY_MS = 86_400_000
_MAX_REFUSALS = 5
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Copies:
    """How often a data set is written, and how far each copy is moved (ms)."""

    shift_ms: int = 0
    repeat: int = 1

    def moves(self, length_ms: int) -> Sequence[int]:
        """The shift of each copy: they follow each other without a gap."""
        return [self.shift_ms + number * length_ms for number in range(self.repeat)]


@dataclass(slots=True)
class LoadResult:
    polls: int = 0
    values: int = 0
    refused: int = 0
    """Polls that the store refused."""
    refusals: tuple[str, ...] = ()
    """The first few of these."""

    def refuse(self, text: str) -> None:
        self.refused += 1
        if len(self.refusals) < _MAX_REFUSALS:
            self.refusals = (*self.refusals, text)


async def load(
    data: DataSet, store: Store, copies: Copies, *, random: Random, show: Callable[[int], None]
) -> LoadResult:
    """Write descriptions and readings; `show` is told the number of polls of the data set that are done.

    The store may have some of them already: it keeps one of each. UnreachableError: it was away for long.
    """
    loaded = LoadResult()
    moves = copies.moves(data.extent.length_ms)
    for batch in _batches(_descriptions(data, moves)):
        await _write(store, batch, loaded, random)
    done = 0
    for batch in _batches(data.polls()):
        for move in moves:
            moved = batch if move == 0 else [_moved(poll, move) for poll in batch]
            await _write(store, moved, loaded, random)
            loaded.polls += len(moved)
            loaded.values += sum(poll.size for poll in moved)
        done += len(batch)
        show(done)
    return loaded


async def _write(store: Store, batch: Sequence[Poll], loaded: LoadResult, random: Random) -> None:
    backoff = Backoff(random)
    for number in range(1, TRIES + 1):
        try:
            refused = await write_isolated(store, batch)
        except UnreachableError as error:
            if number == TRIES:
                raise
            _log.warning("store %s: %s; trying again", store.identity, error)
            await asyncio.sleep(backoff.next(error.retry_after))
        else:
            for index, refusal in refused.items():
                loaded.refuse(_refusal(batch[index], refusal))
            return


def _refusal(poll: Poll, refusal: Refusal) -> str:
    origin = poll.origin
    return f"{origin.edge}/{origin.device} at {poll.due_ms}: {refusal.code}: {refusal.text}"


def _batches(polls: Iterator[Poll]) -> Iterator[Sequence[Poll]]:
    batch: list[Poll] = []
    values = 0
    for poll in polls:
        if batch and values + poll.size > MAX_BATCH_VALUES:
            yield batch
            batch, values = [], 0
        batch.append(poll)
        values += poll.size
    if batch:
        yield batch


def _descriptions(data: DataSet, moves: Sequence[int]) -> Iterator[Poll]:
    """Of each device at the begin of the first copy, once a day, and at the end of the last one."""
    first_ms, end_ms = data.extent.first_ms + moves[0], data.extent.end_ms + moves[-1]
    known = KnownColumns()
    days = math.ceil((end_ms - first_ms) / _DAY_MS)
    times = list(dict.fromkeys(chain((first_ms + day * _DAY_MS for day in range(days)), (end_ms - 1,))))
    for description in data.descriptions():
        columns_of(known, description.origin, "", tuple(point for point, _ in description.infos))
        for columns, values in description_rows(description.origin, description.infos):
            for time_ms in times:
                yield Poll(time_ms, (Reading(columns, time_ms, values),))


def _moved(poll: Poll, move: int) -> Poll:
    readings = tuple(reading._replace(time_ms=reading.time_ms + move) for reading in poll.readings)
    return poll._replace(due_ms=poll.due_ms + move, readings=readings)
