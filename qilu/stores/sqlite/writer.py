"""Writes polls into a store file: one thread, one transaction per call."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Self, TypeVar

import msgspec

from qilu.contract.accounting import POINT_INFO
from qilu.contract.ack_codes import AckCode, Refusal, RefusalError
from qilu.contract.errors import ConfigError, UnreachableError
from qilu.contract.point_info import FIELDS, infos_of
from qilu.contract.reading import Poll, Reading
from qilu.stores.confirmation import Confirmation, Mark, Write, same_incarnation
from qilu.stores.sqlite.column_ids import ColumnIds
from qilu.stores.sqlite.files import StoreFiles
from qilu.stores.sqlite.maintenance import Maintenance
from qilu.stores.sqlite.rollups import MINUTE_MS
from qilu.stores.sqlite.schema import claim, identity_of, open_writing, unreachable
from qilu.stores.validation import unstorable_reason

_Result = TypeVar("_Result")
_Row = tuple[int, int, str, str | None]
_INSERT = "INSERT OR IGNORE INTO readings VALUES (?, ?, ?, ?)"
_DESCRIBE = (
    f"INSERT INTO point_info VALUES (?, ?, ?, ?{', ?' * len(FIELDS)}) ON CONFLICT DO UPDATE SET"
    f" time_ms = excluded.time_ms, {', '.join(f'{field} = excluded.{field}' for field in FIELDS)}"
    " WHERE excluded.time_ms >= time_ms"
)
_KNOWN_MINUTES = 100_000
_encoder = msgspec.json.Encoder()
_log = logging.getLogger(__name__)


class SqliteStore:
    """A `Store` in one file. What `write` returned survives a crash and a power cut, so its horizon is 0."""

    durability_delay = 0.0

    def __init__(
        self,
        file: Path,
        *,
        name: str | None = None,
        group: str | None = None,
        retention: float | None = None,
        rollups: float | None = None,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.identity = ""
        self._name = name
        self._file = file
        self._group = group
        self._upkeep = Maintenance(file, retention, rollups, wall, monotonic)
        self._maintenance: Future[None] | None = None
        self._stale: set[tuple[int, int]] = set()
        self._thread: ThreadPoolExecutor
        self._lock: sqlite3.Connection
        self._connection: sqlite3.Connection
        self._files: StoreFiles | None = None
        self._ids = ColumnIds()

    async def __aenter__(self) -> Self:
        # A thread of its own: a slow disk must not stop the event loop, and SQLite wants one writer.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sqlite-writer")
        try:
            await self._in_thread(self._open)
        except BaseException:
            self._thread.shutdown(wait=False)
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        # Queued behind a write that is still under way, so that even a cancelled one ends whole.
        closing = self._thread.submit(self._close)
        self._thread.shutdown(wait=False)
        await asyncio.wrap_future(closing)

    async def write(self, polls: Sequence[Poll]) -> Mapping[int, Refusal]:
        """One transaction: when it returns, all polls but the refused ones are on the disk."""
        if self._maintenance is not None and self._maintenance.done():
            self._maintenance.result()  # a bug in there must not stay in there
        refused = await self._in_thread(self._write, polls)
        if self._upkeep.due and (self._maintenance is None or self._maintenance.done()):
            self._maintenance = self._thread.submit(self._keep_up)
        return refused

    async def mark(self) -> Mark:
        """Always the same: a crash takes nothing back."""
        return Mark(self.identity)

    async def confirm(self, writes: Sequence[Write]) -> Sequence[Confirmation]:
        """All is kept that was written."""
        return same_incarnation(writes, await self.mark())

    async def _in_thread(self, work: Callable[..., _Result], *arguments: object) -> _Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)

    def _open(self) -> None:
        self._lock = claim(self._file, self._group)
        try:
            self._connect()
        except BaseException:
            self._lock.close()
            raise
        self.identity = self._name or identity_of(self._connection)

    def _close(self) -> None:
        try:
            self._connection.close()
        finally:
            self._lock.close()

    def _keep_up(self) -> None:
        if self._files is not None:
            self._stale.difference_update(self._upkeep.run_slice(self._connection))

    def _write(self, polls: Sequence[Poll]) -> dict[int, Refusal]:
        refused: dict[int, Refusal] = {}
        # No files: a log was lost, and the store could not be opened again at once.
        files = self._files or self._connect_again()
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            rows: list[_Row] = []
            for index, poll in enumerate(polls):
                problem = unstorable_reason(poll) or self._add(poll, rows)
                if problem is not None:
                    refused[index] = problem
            self._connection.executemany(_INSERT, rows)
            self._mark_stale(rows)
            self._connection.execute("COMMIT")
        except BaseException as error:
            self._undo()
            if isinstance(error, sqlite3.Error):
                raise unreachable(self._file, error) from error
            raise
        self._check_files(files)
        return refused

    def _check_files(self, files: StoreFiles) -> None:
        if not files.in_place:
            raise UnreachableError(
                f"store {self._file}: the file was removed, or another stands in its place; "
                "put it back, or start this program again to go on with what is there"
            )
        lost = files.lost_logs()
        if lost:
            self._save_log(", ".join(map(str, lost)))

    def _save_log(self, lost: str) -> None:
        """Put what is only in the lost log into the store's file, and go on with a new log."""
        try:
            busy, _, _ = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            if busy:
                raise UnreachableError(
                    f"store {self._file}: {lost} was removed or replaced, and another program reads the"
                    " store: nothing is durable until that program ends"
                )
            self._files = None
            self._connection.close()
        except sqlite3.Error as error:
            raise unreachable(self._file, error) from error
        self._connect_again()
        _log.error(
            "store %s: %s was removed or replaced. Nothing is lost: its records were put into the store and a"
            " new one was made. Stop what removes files beside a store in use",
            self._file,
            lost,
        )

    def _connect(self) -> StoreFiles:
        self._connection = open_writing(self._file, self._group)
        self._files = StoreFiles(self._file)
        return self._files

    def _connect_again(self) -> StoreFiles:
        try:
            return self._connect()
        except ConfigError as error:  # as long as the ingester runs it can be put right
            raise UnreachableError(str(error)) from error

    def _mark_stale(self, rows: Sequence[_Row]) -> None:
        minutes = {(columns_id, time_ms - time_ms % MINUTE_MS) for columns_id, time_ms, _, _ in rows}
        new = minutes - self._stale
        if new:
            self._connection.executemany(
                "INSERT OR IGNORE INTO stale (columns_id, minute_ms) VALUES (?, ?)", new
            )
            if len(self._stale) > _KNOWN_MINUTES:
                self._stale.clear()
            self._stale |= new

    def _undo(self) -> None:
        self._ids.forget()  # those that were made in this transaction are gone with it
        self._stale.clear()
        if self._connection.in_transaction:  # SQLite may have rolled back by itself, as on a full disk
            self._connection.execute("ROLLBACK")

    def _add(self, poll: Poll, rows: list[_Row]) -> Refusal | None:
        """Add the rows of a poll; why there are none, where one of its names is no text."""
        try:
            if poll.origin.profile == POINT_INFO:
                return self._describe(poll)
            rows += [self._row(reading) for reading in poll.readings]
        except UnicodeEncodeError as error:
            return Refusal(AckCode.BAD_NAME, str(error))
        return None

    def _describe(self, poll: Poll) -> Refusal | None:
        """Keep the descriptions of points, where no newer ones are there."""
        edge, device = poll.origin.key
        try:
            self._connection.executemany(
                _DESCRIBE,
                [
                    (edge, device, point, reading.time_ms, *msgspec.structs.astuple(info))
                    for reading in poll.readings
                    for point, info in infos_of(reading)
                ],
            )
        except RefusalError as error:
            return error.refusal
        return None

    def _row(self, reading: Reading) -> _Row:
        columns_id = self._ids.of(self._connection, reading.columns)
        reasons = _encoder.encode(dict(reading.reasons)).decode() if reading.reasons else None
        return columns_id, reading.time_ms, _encoder.encode(reading.values).decode(), reasons
