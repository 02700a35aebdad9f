"""Mutated messages on their way through the ingester's queue into a store, and what must hold on that way."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from cloud.queue import Batch, IngestQueue
from qilu.contract.errors import DataError
from qilu.contract.reading import DeviceKey
from qilu.contract.topics import Lane
from qilu.stores.interfaces import Reader, Store
from tests.fuzz.mutations import message, mutated

HONEST = DeviceKey("honest", "honest-press")
MINUTE_MS = 60_000
_SPAN_MS = 3_600_000


class Fuzz:
    """Sends mutants as one edge and sound messages as another; every failure is an exception or an assert.

    `now_ms`: the time by the store's clock. The sound records lie some minutes before it.
    """

    def __init__(self, store: Store, now_ms: int, seed: int) -> None:
        self._store = store
        self._begin_ms = now_ms - 10 * MINUTE_MS
        self._chance = Random(seed)
        self._queue = IngestQueue(records=100, batch_bytes=1_000_000, backlog_bytes=64_000, room=64_000_000)
        self.mutants = 0
        self.refused = 0
        self.honest = 0

    async def send(self, mutants: int) -> None:
        """So many mutants, and two sound records."""
        for _ in range(mutants):
            sound = message("flood", 7, self._chance.randint(0, 10**6), 3, self._begin_ms)
            try:
                self._queue.add(self._chance.choice(list(Lane)), "flood", mutated(sound, self._chance))
            except DataError:
                self.refused += 1
        self.mutants += mutants
        self._queue.add(Lane.LIVE, "honest", message("honest", 1, self.honest, 2, self._begin_ms))
        self.honest += 2
        stored = 0
        while self._queue.pending:
            stored += await self._write(self._queue.take())
        assert stored == 2, "a sound record was not stored"

    async def _write(self, batch: Batch) -> int:
        """Every record is stored or refused under its name; returns how many sound ones are stored."""
        refused = await self._store.write(batch.polls)
        self.refused += len(refused) + sum(map(len, batch.rejected.values()))
        assert all(0 <= index < len(batch.polls) for index in refused)
        assert not any(named.edge == "honest" for named in (*batch.refused(refused), *batch.rejected))
        return sum(len(some) for named, some in batch.stored(refused).items() if named.edge == "honest")

    async def ask(self, reader: Reader, shown: Callable[[int], str]) -> None:
        """Every question about the sound device is answered rightly, and about the others at all."""
        devices = await reader.devices()
        assert HONEST in [device.key for device in devices]
        span = self._begin_ms - _SPAN_MS, self._begin_ms + _SPAN_MS
        for device in self._chance.sample(devices, min(len(devices), 5)):
            assert shown(device.last_ms)
            for point in (await reader.points(device.key))[:3]:
                for every in (None, 1000, MINUTE_MS):
                    await reader.samples(device.key, point, *span, every)
            await reader.count(device.key, device.profile, *span)
            await reader.latest(device.key)
        force = await reader.samples(HONEST, "force", *span)
        assert [one.value for one in force] == [81.5] * self.honest
        for every in (1000, MINUTE_MS):
            means = await reader.samples(HONEST, "force", *span, every)
            assert {one.value for one in means} == {81.5}
