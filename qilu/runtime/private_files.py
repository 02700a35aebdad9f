"""Folders and files for one user: whatever the umask, and without following a link or waiting at a pipe."""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

FOLDER_MODE = 0o700
FILE_MODE = 0o600
_FLAGS: int = (
    getattr(os, "O_BINARY", 0)  # Windows would otherwise translate line ends
    | getattr(os, "O_NONBLOCK", 0)  # opening a pipe would otherwise wait for its other end
    | getattr(os, "O_NOFOLLOW", 0)
)


class SharedFolderError(PermissionError):
    """Another user may change what is in a folder; `remedy`: what to do."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(errno.EPERM, problem)
        self.remedy = remedy


def make_folder(folder: Path) -> list[Path]:
    """Make it, and all that is missing above it; returns what was made, the folder itself first."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    for path in reversed(missing):
        with suppress(FileExistsError):  # another process was faster
            path.mkdir(mode=FOLDER_MODE)
    folder.mkdir(exist_ok=True)  # FileExistsError where a file has its name
    return missing


def check_folder(folder: Path) -> None:
    """SharedFolderError where another user may write into it; it may itself be reached through a link."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        check_open_folder(descriptor)
    finally:
        os.close(descriptor)


def check_open_folder(descriptor: int) -> None:
    """The same of a folder that is open."""
    if sys.platform == "win32":
        return
    status = os.fstat(descriptor)
    if status.st_uid != os.geteuid():
        raise SharedFolderError(
            f"it belongs to user id {status.st_uid}, and this process runs as {os.geteuid()}",
            "run as its owner, change its owner (chown), or name another folder",
        )
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise SharedFolderError(
            "other users may write to it",
            "remove what is not yours in it and run chmod go-w on it, or name another folder",
        )


def open_file(path: str | Path, flags: int) -> int:
    """A descriptor of a file, for `open(opener=...)`; an OSError where something else has its name."""
    descriptor = os.open(path, flags | _FLAGS, FILE_MODE)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "is no file, but a folder, a pipe or a device", str(path))
    return descriptor


def open_named(path: str | Path, flags: int) -> int:
    """A descriptor of a file that a person named, for `open(opener=...)`; a new one is for its owner alone.

    What may hold readings is written through it. A link is followed: the name is the person's own.
    """
    return os.open(path, flags | getattr(os, "O_BINARY", 0), FILE_MODE)


def write_named(path: Path, text: str) -> None:
    """Give a file that a person has named this content."""
    with open(path, "w", encoding="utf-8", opener=open_named) as file:
        file.write(text)


def is_file(path: Path) -> bool:
    """Whether it is there, and neither a link nor a pipe."""
    return path.is_file() and not path.is_symlink()


def read_file(path: Path) -> bytes:
    """What it has; an OSError where something else has its name."""
    with open(path, "rb", opener=open_file) as file:
        return file.read()


def replace_file(path: Path, data: bytes, *, sync: bool = False) -> None:
    """Give it this content: a killed process leaves the old or the new one. `sync`: a power cut, too."""
    new = path.with_name(f"{path.name}.new")
    with open(new, "wb", opener=open_file) as file:
        file.write(data)
        if sync:
            file.flush()
            os.fsync(file.fileno())
    new.replace(path)


@contextmanager
def acting_as_owner(folder: Path) -> Iterator[None]:
    """As root: with the rights of the owner of `folder`, whose service has to read what is made there."""
    if sys.platform == "win32" or os.geteuid() != 0:
        yield
        return
    status, group = folder.stat(), os.getegid()
    os.setegid(status.st_gid)
    os.seteuid(status.st_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)
