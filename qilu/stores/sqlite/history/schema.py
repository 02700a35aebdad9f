"""The tables of a history file, and how it is opened.

A file grows at its end: rows are keyed by time first, so that a commit writes what is new and hardly anything
else. `slots` has a row for each quarter of an hour (raw) or day (minutes; in a file of quarters by its last
quarter) in which some columns have anything, and whether it has still to be rolled up.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from qilu.contract.errors import QiluError
from qilu.stores.sqlite.access import make_file, prepare_folder
from qilu.stores.sqlite.schema import NAMES, error_code

APPLICATION_ID = 0x51494C48
"""Kept in the file as `application_id`: QILH."""
VERSION = 1
"""Kept in the file as `user_version`."""

_TABLES = f"""{NAMES}
CREATE TABLE blocks (id INTEGER PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE rollups (id INTEGER PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE slots (id INTEGER PRIMARY KEY, stale INTEGER NOT NULL);
"""
_NO_WRITE = frozenset((sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY))
_TORN = frozenset((sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB))


class TornFileError(QiluError):
    """A file of a history that cannot be read, or is none of this version."""

    def __init__(self, file: Path, why: str) -> None:
        super().__init__(f"{file}: {why}")
        self.file = file


def open_for_writing(file: Path) -> sqlite3.Connection:
    """A connection that may write, to a file that is made where there is none.

    TornFileError where it cannot be read; sqlite3.Error and OSError where the disk refuses.
    """
    prepare_folder(file.parent, None)
    make_file(file)
    connection = sqlite3.connect(file, isolation_level=None, check_same_thread=False, timeout=5)
    try:
        version = _version(connection, file)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA journal_size_limit = 1000000")
        connection.execute("PRAGMA cache_size = -4000")
        if version == 0:
            connection.executescript(f"BEGIN IMMEDIATE;{_TABLES}")
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {VERSION}")
            connection.execute("COMMIT")
        return connection
    except sqlite3.Error as error:
        connection.close()
        raise torn(file, error) from error
    except BaseException:
        connection.close()
        raise


def open_for_reading(file: Path) -> sqlite3.Connection:
    """A connection that only reads, beside the writer. As `open_for_writing`; FileNotFoundError."""
    if not file.exists():
        raise FileNotFoundError(file)
    try:
        return _connect(file, "mode=ro")
    except sqlite3.Error as error:
        log = Path(f"{file}-wal")
        if error_code(error) not in _NO_WRITE or (log.exists() and log.stat().st_size):
            raise torn(file, error) from error
    try:  # a copy in a folder that this user may not write
        return _connect(file, "mode=ro&immutable=1")
    except sqlite3.Error as error:
        raise torn(file, error) from error


def _connect(file: Path, how: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{file.absolute().as_uri()}?{how}",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        timeout=5,
    )
    try:
        if _version(connection, file) == 0:
            raise FileNotFoundError(file)  # made a moment ago, and empty
        return connection
    except BaseException:
        connection.close()
        raise


def torn(file: Path, error: sqlite3.Error) -> TornFileError | sqlite3.Error:
    """The error to raise: whether the file is damaged, or the disk refuses."""
    return TornFileError(file, str(error)) if error_code(error) in _TORN else error


def _version(connection: sqlite3.Connection, file: Path) -> int:
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if (application, version) in ((APPLICATION_ID, VERSION), (0, 0)):
        return version
    raise TornFileError(file, "no file of a history of this version")
