"""The one door between the spool and the file system: all of it in one directory, names instead of paths."""

from __future__ import annotations

import errno
import os
import shutil
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, Protocol

from qilu.contract.errors import ConfigError, UnreachableError, describe_os_error
from qilu.runtime.private_files import (
    FILE_MODE,
    FOLDER_MODE,
    SharedFolderError,
    check_open_folder,
    make_folder,
    open_file,
    replace_file,
)

OWNER = "owner"
"""The file that names the process which opened the spool last."""
_PASSING = (
    errno.EIO,
    errno.ENOSPC,
    errno.EDQUOT,
    errno.ENFILE,
    errno.EMFILE,
    errno.ENOMEM,
    errno.EBUSY,
    errno.EROFS,
)
"""Errors of the system that may be over at the next start, and are no wrong setting."""
_EFFECTIVE = os.access in os.supports_effective_ids
_BINARY: int = getattr(os, "O_BINARY", 0)  # Windows would otherwise translate line ends


class Stat(NamedTuple):
    """Bytes of a file, and when it was last written (ms, UTC)."""

    size: int
    written_ms: int


class AppendFile(Protocol):
    """A file that only grows. OSError when the disk refuses."""

    def append(self, data: bytes) -> int:
        """Hand `data` over in one call; returns the bytes taken, which are not all on a full disk."""

    def truncate(self, size: int) -> None: ...

    def sync(self) -> None:
        """Return once everything appended survives a power cut, but for the file's name."""

    def close(self) -> None: ...


class Files(Protocol):
    """One directory. OSError when the disk refuses; FileNotFoundError when a name is gone."""

    def open(self) -> None:
        """Make the directory if needed and hold it alone.

        ConfigError when that cannot be, UnreachableError when it may be possible later.
        """

    def present(self) -> bool:
        """Whether the directory that is held still has its name; False when it was removed or replaced."""

    def open_again(self) -> None:
        """Make a directory that is not present any more, and hold it; ConfigError when that cannot be."""

    def close(self) -> None: ...

    def names(self) -> Sequence[str]: ...

    def stat(self, name: str) -> Stat: ...

    def create(self, name: str) -> AppendFile:
        """A new empty file; FileExistsError when there is one."""

    def append(self, name: str, data: bytes) -> None:
        """Add to the end of a small file, made when it is not there."""

    def read(self, name: str, position: int, length: int) -> bytes:
        """Up to `length` bytes from `position`, fewer at the end of the file."""

    def replace(self, name: str, data: bytes) -> None:
        """Give `name` this content: a killed process leaves the old or the new one, a power cut anything."""

    def rename(self, name: str, to: str) -> None: ...

    def unlink(self, name: str) -> None: ...

    def sync(self, name: str) -> None:
        """Return once the content of a file, whoever wrote it, survives a power cut."""

    def sync_names(self) -> None:
        """Return once every name made or removed so far survives a power cut."""

    def free(self) -> int:
        """Bytes that the file system would still take."""


class OsAppendFile:
    """A raw file descriptor."""

    __slots__ = ("_fd",)

    def __init__(self, path: str) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | _BINARY, FILE_MODE)

    def append(self, data: bytes) -> int:
        return os.write(self._fd, data)

    def truncate(self, size: int) -> None:
        os.ftruncate(self._fd, size)

    def sync(self) -> None:
        os.fsync(self._fd)

    def close(self) -> None:
        os.close(self._fd)


class OsFiles:
    """A directory of the real file system, held by one process at a time through flock."""

    def __init__(
        self, directory: Path, *, remedy: str = "stop it, or give each gateway a directory of its own"
    ) -> None:
        """`remedy`: what to do when another process holds the directory."""
        self._directory = directory
        self._remedy = remedy
        self._lock: int | None = None

    def open(self) -> None:
        directory = self._directory
        try:
            for path in make_folder(directory):
                _sync_directory(path.parent)
            if not os.access(directory, os.R_OK | os.W_OK | os.X_OK, effective_ids=_EFFECTIVE):
                raise PermissionError(errno.EACCES, "not allowed to read and write here")
            self._lock = _hold(directory)
        except BlockingIOError as error:
            raise _held_by_another(directory, self._remedy) from error
        except OSError as error:
            raise _not_usable(directory, error) from error
        try:
            self.replace(OWNER, b"%d\n" % os.getpid())  # only for the message of whoever comes second
        except OSError:
            pass

    def present(self) -> bool:
        if self._lock is None or sys.platform == "win32":  # which removes no folder with an open file
            return self._lock is not None
        try:
            return os.path.samestat(os.fstat(self._lock), os.stat(self._directory))
        except OSError as error:
            return not isinstance(error, FileNotFoundError | NotADirectoryError)

    def open_again(self) -> None:
        if self._lock is not None and _nearest(self._directory).st_dev != os.fstat(self._lock).st_dev:
            remedy = "mount its disk again and restart the gateway"
            raise ConfigError("is on another file system now", file=self._directory, remedy=remedy)
        old = self._lock
        self.open()
        if old is not None:
            os.close(old)

    def close(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def names(self) -> Sequence[str]:
        return os.listdir(self._directory)

    def stat(self, name: str) -> Stat:
        result = os.lstat(self._path(name))
        return Stat(result.st_size, result.st_mtime_ns // 1_000_000)

    def create(self, name: str) -> AppendFile:
        return OsAppendFile(self._path(name))

    def append(self, name: str, data: bytes) -> None:
        with open(self._path(name), "ab", opener=open_file) as file:
            file.write(data)

    def read(self, name: str, position: int, length: int) -> bytes:
        fd = open_file(self._path(name), os.O_RDONLY)
        try:
            os.lseek(fd, position, os.SEEK_SET)
            return os.read(fd, length)
        finally:
            os.close(fd)

    def replace(self, name: str, data: bytes) -> None:
        replace_file(self._directory / name, data)

    def rename(self, name: str, to: str) -> None:
        os.replace(self._path(name), self._path(to))

    def unlink(self, name: str) -> None:
        os.unlink(self._path(name))

    def sync(self, name: str) -> None:
        flags = os.O_RDWR if sys.platform == "win32" else os.O_RDONLY
        fd = open_file(self._path(name), flags)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def sync_names(self) -> None:
        _sync_directory(self._directory)

    def free(self) -> int:
        return shutil.disk_usage(self._directory).free

    def _path(self, name: str) -> str:
        return f"{self._directory}{os.sep}{name}"


class ReadOnlyFiles(OsFiles):
    """The same directory looked at while another process may hold it: opening holds nothing."""

    def open(self) -> None:
        if not self._directory.is_dir():
            raise ConfigError("is no directory", file=self._directory, remedy="name the directory of a spool")
        with suppress(PermissionError):  # reported by the reader that continues
            names = self.names()
            if OWNER not in names and not any(name.endswith(".segment") for name in names):
                remedy = "name the directory that a gateway's settings have under spool, or these settings"
                raise ConfigError("holds no spool", file=self._directory, remedy=remedy)

    def free_files(self) -> int:
        """Files that the file system would still take; a great number where it has no such bound."""
        if sys.platform == "win32":
            return sys.maxsize
        result = os.statvfs(self._directory)
        return result.f_favail if result.f_files else sys.maxsize


def _nearest(directory: Path) -> os.stat_result:
    """What the system reports of a directory, or of the nearest one above it that exists."""
    for path in (directory, *directory.absolute().parents):
        with suppress(OSError):
            return path.stat()
    return os.stat(os.sep)


def _sync_directory(directory: Path) -> None:
    if sys.platform == "win32":  # has no such call
        return
    fd = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _hold(directory: Path) -> int:
    """A descriptor that holds the directory until it is closed, however the process ends.

    The directory itself is locked and not a file in it, because that needs no space on a full disk.
    """
    if sys.platform == "win32":
        import msvcrt

        fd = os.open(directory / "lock", os.O_RDWR | os.O_CREAT)
        try:
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        except OSError as error:
            os.close(fd)
            raise BlockingIOError(errno.EAGAIN, "held") from error
        return fd
    import fcntl

    fd = os.open(directory, os.O_RDONLY)
    try:
        check_open_folder(fd)
        os.fchmod(fd, FOLDER_MODE)  # one of an earlier version was open to all: they could hold it, too
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        raise
    return fd


def _held_by_another(directory: Path, remedy: str) -> UnreachableError:
    try:
        owner = f"process {int((directory / OWNER).read_text())}"
    except (OSError, ValueError):
        owner = "another process"
    return UnreachableError(f"{directory}: {owner} holds this spool; {remedy}")


def _not_usable(directory: Path, error: OSError) -> ConfigError | UnreachableError:
    if error.errno in _PASSING:
        remedy = "look at the disk, or raise the limit of open files"
        return UnreachableError(f"{directory}: {error.strerror}; {remedy}")
    if isinstance(error, SharedFolderError):
        remedy = error.remedy
    elif isinstance(error, PermissionError):
        user = f"user id {os.geteuid()}" if sys.platform != "win32" else "this user"
        remedy = f"let {user} read and write it (chown -R), or name another spool directory"
    elif isinstance(error, NotADirectoryError | FileExistsError):
        remedy = "a file stands in its place: name another spool directory"
    else:
        remedy = "name a directory on a local, writable disk"
    return ConfigError(f"cannot be a spool: {describe_os_error(error)}", file=directory, remedy=remedy)
