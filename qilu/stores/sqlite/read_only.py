"""Opens a store file for reading only: beside its writer, or a copy that nobody may write."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from qilu.contract.errors import ConfigError, UnreachableError
from qilu.stores.sqlite.schema import VERSION, check_version, error_code, not_usable

_NO_WRITE = frozenset((sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY))


def open_reading(file: Path) -> sqlite3.Connection:
    """A connection that only reads, and never blocks the writer. ConfigError, UnreachableError.

    A file in a folder that this user may not write is readable too, with or without its write-ahead log.
    """
    if not file.exists():
        raise _no_store(file)
    try:
        try:
            return _connect(file, "mode=ro")
        except sqlite3.Error as error:
            if error_code(error) not in _NO_WRITE:
                raise
            return _connect_copy(file)
    except sqlite3.Error as error:
        raise _not_readable(file, error) from error


def _connect_copy(file: Path) -> sqlite3.Connection:
    """Without locks and without the shared index of the log, for which the folder would have to be writable.

    Whoever writes the store meanwhile has made that index: then the ordinary way succeeds.
    """
    log = Path(f"{file}-wal")
    if log.exists() and log.stat().st_size:
        return _connect(file, "mode=ro&vfs=unix-none", "PRAGMA locking_mode = EXCLUSIVE")
    return _connect(file, "mode=ro&immutable=1")


def _connect(file: Path, how: str, *pragmas: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{file.absolute().as_uri()}?{how}",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        timeout=5,
    )
    try:
        for pragma in pragmas:
            connection.execute(pragma)
        check_version(connection, file)
        if connection.execute("PRAGMA user_version").fetchone()[0] != VERSION:
            raise _no_store(file)
        return connection
    except BaseException:
        connection.close()
        raise


def _no_store(file: Path) -> ConfigError:
    return ConfigError(
        "there is no store yet", file=file, remedy="start the ingester that fills it, or correct the path"
    )


def _not_readable(file: Path, error: sqlite3.Error) -> ConfigError | UnreachableError:
    if error_code(error) in _NO_WRITE:
        return ConfigError(
            f"the store cannot be read: {error}",
            file=file,
            remedy="let this user read the file, its -wal and its -shm, or copy them to a folder of its own",
        )
    return not_usable(file, error)
