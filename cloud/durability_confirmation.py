"""Asks the store, a horizon after each write, whether it has kept it, and acknowledges what it has."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext

from cloud.acks import AckBuffer, StreamKey
from cloud.maturity import MAX_DURABILITY_DELAYS, ConfirmationQueue, Settlement
from qilu.contract.ack_codes import AckCode, Refusal
from qilu.contract.errors import UnreachableError
from qilu.contract.reading import Poll
from qilu.stores.confirmation import Mark, Write, traces
from qilu.stores.interfaces import Store

_ROUNDS = 3
"""Times in a horizon at which the store is asked about what has become ripe since."""


class Durability:
    """Of the writes into one store. `refuse` and `complain` are those of the ingester."""

    def __init__(
        self,
        store: Store,
        acks: AckBuffer,
        refuse: Callable[[StreamKey, dict[int, Refusal]], None],
        complain: Callable[[str, str], None],
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._acks = acks
        self._refuse = refuse
        self._complain = complain
        self._clock = clock
        self._queue = ConfirmationQueue(store.durability_delay)

    @property
    def records(self) -> int:
        """Records that are stored and not known to be durable."""
        return self._queue.records

    def took(
        self,
        mark: Mark,
        polls: Sequence[Poll],
        names: Sequence[tuple[StreamKey, int]],
        refused: Mapping[int, Refusal],
    ) -> None:
        """The store has just taken `polls` but the refused ones; `mark` is from before that."""
        if self._store.durability_delay:
            kept = [index for index in range(len(polls)) if index not in refused]
            write = Write(mark, traces([polls[index] for index in kept]))
            self._queue.add(write, [names[index] for index in kept], self._clock())

    async def run(self, round_: Callable[[], AbstractContextManager[None]] = nullcontext) -> None:
        """Ask and acknowledge, until cancelled; return at once where there is no horizon.

        Each round is made within a `round_`.
        """
        while self._store.durability_delay:
            await asyncio.sleep(self._store.durability_delay / _ROUNDS)
            with round_():
                await self._ask()

    async def _ask(self) -> None:
        asked = self._queue.take_due(self._clock())
        if not asked:
            return
        try:
            confirmations = await self._store.confirm([pending.write for pending in asked])
        except UnreachableError as error:
            self._complain("confirm", f"store {self._store.identity}: nothing becomes durable: {error}")
            why = Refusal(AckCode.STORE_IN_DOUBT, f"the store could not be asked what it has kept: {error}")
            settled = self._queue.postpone(asked, why, self._clock())
        else:
            settled = self._queue.settle(asked, confirmations, self._clock())
        self._acknowledge(settled)

    def _acknowledge(self, settled: Settlement) -> None:
        if settled.example is not None:
            self._complain(
                "doubt",
                f"store {self._store.identity}: {settled.doubtful} records are stored but not durable, and"
                f" deferred {MAX_DURABILITY_DELAYS * self._store.durability_delay:g} s after their write"
                " if that lasts:"
                f" {settled.example.text}",
            )
        for named, offsets in settled.durable.items():
            self._acks.durable(named, offsets)
        for named, refused in settled.deferred.items():
            self._refuse(named, refused)
