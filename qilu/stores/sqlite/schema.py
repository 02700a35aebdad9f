"""The tables of a store file, who may open it, and what an error of SQLite means to us.

A reading is one row: its values as one JSON list in the order of its columns' points. Rows lie in the order
of their arrival, which makes appending cheap; the unique index finds those of one device and keeps a reading
that comes twice from being stored twice. `samples` and `minute_samples` show one value per row to people and
to Grafana. `minutes` and `stale`: see minutes.py.
"""

from __future__ import annotations

import secrets
import sqlite3
from pathlib import Path

from qilu.contract.errors import ConfigError, UnreachableError
from qilu.contract.point_info import FIELDS
from qilu.stores.sqlite.access import make_file, prepare_folder, set_access

APPLICATION_ID = 0x51494C55
"""Kept in the file as `application_id`: QILU."""
VERSION = 1
"""Kept in the file as `user_version`."""

NAMES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE origins (
    id INTEGER PRIMARY KEY, edge TEXT NOT NULL, device TEXT NOT NULL, profile TEXT NOT NULL,
    enterprise TEXT NOT NULL, site TEXT NOT NULL, line TEXT NOT NULL,
    UNIQUE (edge, device, profile, enterprise, site, line)
);
CREATE TABLE columns (
    id INTEGER PRIMARY KEY, origin_id INTEGER NOT NULL REFERENCES origins, poll_group TEXT NOT NULL,
    points TEXT NOT NULL,
    UNIQUE (origin_id, poll_group, points)
);
"""
"""What readings are of: the tables that a store file and a file of a history share."""
_TABLES = f"""{NAMES}
CREATE TABLE readings (
    columns_id INTEGER NOT NULL REFERENCES columns, time_ms INTEGER NOT NULL, "values" TEXT NOT NULL,
    reasons TEXT,
    UNIQUE (columns_id, time_ms)
);
CREATE TABLE minutes (
    columns_id INTEGER NOT NULL REFERENCES columns, time_ms INTEGER NOT NULL, summaries TEXT NOT NULL,
    UNIQUE (columns_id, time_ms)
);
CREATE TABLE stale (
    minute_ms INTEGER NOT NULL, columns_id INTEGER NOT NULL, PRIMARY KEY (minute_ms, columns_id)
) WITHOUT ROWID;
CREATE VIEW samples AS
    SELECT origins.edge, origins.device, origins.profile, readings.time_ms,
           json_extract(columns.points, '$[' || item.key || ']') AS point, item.value AS value,
           json_extract(readings.reasons, '$."' || item.key || '"') AS reason
    FROM readings JOIN columns ON columns.id = readings.columns_id
                  JOIN origins ON origins.id = columns.origin_id, json_each(readings."values") AS item;
CREATE VIEW minute_samples AS
    SELECT origins.edge, origins.device, origins.profile, minutes.time_ms,
           json_extract(columns.points, '$[' || item.key || ']') AS point,
           json_extract(item.value, '$[0]') AS count,
           json_extract(item.value, '$[1]') / nullif(json_extract(item.value, '$[0]'), 0) AS mean,
           json_extract(item.value, '$[2]') AS low, json_extract(item.value, '$[3]') AS high,
           json_extract(item.value, '$[4]') AS last
    FROM minutes JOIN columns ON columns.id = minutes.columns_id
                 JOIN origins ON origins.id = columns.origin_id, json_each(minutes.summaries) AS item;
"""


_INFO_COLUMNS = ", ".join(
    f"{field} {'REAL' if field in ('period_s', 'normal_min', 'normal_max') else 'TEXT'}" for field in FIELDS
)
_POINT_INFO = f"""
CREATE TABLE IF NOT EXISTS point_info (
    edge TEXT NOT NULL, device TEXT NOT NULL, point TEXT NOT NULL, time_ms INTEGER NOT NULL, {_INFO_COLUMNS},
    PRIMARY KEY (edge, device, point)
) WITHOUT ROWID
"""
"""What each point is, as its edge reported it last."""


def open_writing(file: Path, group: str | None = None) -> sqlite3.Connection:
    """A connection that may write, to a file of the present version, made if there is none.

    Other users may not read it, but those of `group`.

    Every commit is on the disk when it returns (WAL, synchronous=FULL). ConfigError, UnreachableError.
    """
    try:
        prepare_folder(file.parent, group)
        make_file(file, group)
        connection = sqlite3.connect(file, isolation_level=None, check_same_thread=False, timeout=5)
    except (OSError, sqlite3.Error) as error:
        raise not_usable(file, error) from error
    try:
        check_version(connection, file)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA journal_size_limit = 67108864")
        if connection.execute("PRAGMA user_version").fetchone()[0] == 0:
            _create(connection)
        connection.execute(_POINT_INFO)
        set_access(file, group)
        return connection
    except (OSError, sqlite3.Error) as error:
        connection.close()
        raise not_usable(file, error) from error
    except ConfigError:
        connection.close()
        raise


def claim(file: Path, group: str | None = None) -> sqlite3.Connection:
    """The right to be the one writer of `file`, held until the connection closes or its process ends.

    UnreachableError when another has it, which may be for a moment only. The lock is SQLite's own, on a file
    beside the store that only its owner may read: the same on every system, ended with its process, and in no
    reader's way.
    """
    try:
        prepare_folder(file.parent, group)
        make_file(beside := Path(f"{file}-writer"))
        lock = sqlite3.connect(beside, isolation_level=None, check_same_thread=False, timeout=0)
    except (OSError, sqlite3.Error) as error:
        raise not_usable(file, error) from error
    try:
        lock.execute("BEGIN EXCLUSIVE")
        return lock
    except sqlite3.Error as error:
        lock.close()
        if error_code(error) == sqlite3.SQLITE_BUSY:
            raise UnreachableError(
                f"{file}: another process already writes this store; end the other ingester or demo, or give"
                " this one another file; several may share a server such as InfluxDB, but not a file"
            ) from error
        raise not_usable(file, error) from error


def identity_of(connection: sqlite3.Connection) -> str:
    """The id that the store was given when its file was made."""
    return str(connection.execute("SELECT value FROM meta WHERE key = 'identity'").fetchone()[0])


def unreachable(file: Path, error: sqlite3.Error) -> UnreachableError:
    """What a failed read or write of an open store is to its caller: to be tried again."""
    hint = {
        sqlite3.SQLITE_FULL: "the disk is full: free some space",
        sqlite3.SQLITE_IOERR: "the disk refuses: see the system's log, and whether it is full",
        sqlite3.SQLITE_CORRUPT: f"the file is damaged: {_REPAIR}",
        sqlite3.SQLITE_NOTADB: f"the file is damaged: {_REPAIR}",
        sqlite3.SQLITE_BUSY: "another program holds a lock on the file",
        sqlite3.SQLITE_READONLY: "the file may not be written: correct its permissions",
    }.get(error_code(error), "it will be tried again")
    return UnreachableError(f"store {file}: {error}; {hint}")


_FORMER_TABLES = frozenset(("meta", "origins", "columns", "readings", "minutes", "stale"))
_REPAIR = "move it away and start anew, or repair a copy with `sqlite3 FILE .recover`"


def _create(connection: sqlite3.Connection) -> None:
    connection.executescript(f"BEGIN IMMEDIATE;{_TABLES}")
    connection.execute("INSERT INTO meta VALUES ('identity', ?)", (f"sqlite-{secrets.token_hex(8)}",))
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {VERSION}")
    connection.execute("COMMIT")


def check_version(connection: sqlite3.Connection, file: Path) -> None:
    """ConfigError where the file is no store, or one of another version; an empty database passes."""
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
    if application == APPLICATION_ID and version != VERSION:
        raise ConfigError(
            f"the store has version {version}, this program knows version {VERSION}",
            file=file,
            remedy="use the newer program that wrote it, or another file",
        )
    if application == APPLICATION_ID or not (application or version or tables):
        return
    if version and tables.issuperset(_FORMER_TABLES):
        raise ConfigError(
            "this store was written before the first release, in a format that this version does not read",
            file=file,
            remedy="move it away, and the ingester makes a new one; the version that wrote it can query it",
        )
    raise ConfigError("this is a database, but no store of Qilu", file=file, remedy="name another file")


def not_usable(file: Path, error: OSError | sqlite3.Error) -> ConfigError | UnreachableError:
    """What a failure to open means: to be tried again where time may heal it, else a wrong setting."""
    if file.is_dir():
        return ConfigError("is a folder, and no store", file=file, remedy="name a file in it")
    if isinstance(error, sqlite3.Error):
        code = error_code(error)
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            return ConfigError("this file is damaged, or no store", file=file, remedy=_REPAIR)
        if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_BUSY):
            return unreachable(file, error)
    return ConfigError(
        f"the store cannot be opened: {(getattr(error, 'strerror', None) or str(error)).lower()}",
        file=file,
        remedy=getattr(error, "remedy", "name a file in a folder that this user may write"),
    )


def error_code(error: sqlite3.Error) -> int:
    """The primary code; extended ones carry it in their low byte."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF
