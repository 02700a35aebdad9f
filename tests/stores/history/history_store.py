"""A local history as a store like any other, for tests: what is written is committed and readable at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from qilu.contract.ack_codes import AckCode, Refusal
from qilu.contract.reading import BlockSchema, Poll, Reading
from qilu.stores.confirmation import Confirmation, Mark, Write, same_incarnation
from qilu.stores.sqlite.history.files import Kind
from qilu.stores.sqlite.history.folder import HistoryFolder
from qilu.stores.sqlite.history.keys import DAY_MS
from qilu.stores.sqlite.history.retention import Bounds
from qilu.stores.sqlite.history.upkeep import Upkeep
from qilu.stores.sqlite.history.writer import HistoryWriter, blocks_of
from qilu.stores.validation import unstorable_reason

ENDLESS = Bounds(dict.fromkeys(Kind, 10**6 * DAY_MS), 10**9)


class HistoryStore:
    """Writes into a folder; `now_ms` is the known clock."""

    durability_delay = 0.0
    identity = "history"

    def __init__(
        self,
        folder: Path,
        bounds: Bounds = ENDLESS,
        now_ms: Callable[[], int] = lambda: 2**43,
        min_free: int = 0,
    ) -> None:
        self.folder = HistoryFolder(folder, bounds, now_ms, min_free)
        self.writer = HistoryWriter(self.folder)
        self.upkeep = Upkeep(self.folder)

    async def __aenter__(self) -> Self:
        self.folder.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.folder.close()

    async def write(self, polls: Sequence[Poll]) -> Mapping[int, Refusal]:
        refused = {
            index: problem
            for index, poll in enumerate(polls)
            if (problem := unstorable_reason(poll) or _bad_name(poll)) is not None
        }
        self.take([poll for index, poll in enumerate(polls) if index not in refused])
        return refused

    def take(self, polls: Sequence[Poll]) -> int:
        """How many readings were new."""
        readings: dict[BlockSchema, list[Reading]] = {}
        for poll in polls:
            for reading in poll.readings:
                readings.setdefault(reading.columns, []).append(reading)
        return self.writer.commit(blocks_of(readings))

    def roll_up(self) -> None:
        """All that is due."""
        for _ in self.upkeep.run():
            pass

    async def mark(self) -> Mark:
        return Mark(self.identity)

    async def confirm(self, writes: Sequence[Write]) -> Sequence[Confirmation]:
        return same_incarnation(writes, await self.mark())


def _bad_name(poll: Poll) -> Refusal | None:
    """Names that are no texts: no gateway has them, and a history leaves them out."""
    for columns in (reading.columns for reading in poll.readings):
        origin = columns.origin
        names = (origin.edge, origin.device, origin.profile, origin.line, columns.group, *columns.points)
        try:
            "".join(names).encode()
        except UnicodeEncodeError as error:
            return Refusal(AckCode.BAD_NAME, str(error))
    return None
