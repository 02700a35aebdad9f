"""Who may read a store file and the files of SQLite beside it: the owner, and a group if one is named."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from pathlib import Path

from qilu.contract.errors import ConfigError
from qilu.runtime.private_files import FILE_MODE, check_folder, make_folder, open_file

_BESIDE = ("", "-wal", "-shm", "-journal")
_GROUP_FOLDER = 0o2750
"""With the bit that gives new files the group of their folder."""
_GROUP_FILE = 0o640


def prepare_folder(folder: Path, group: str | None) -> None:
    """Make it where there is none. OSError where others may write to it.

    ConfigError where there is no such group, or this user is not of it.
    """
    is_new = make_folder(folder)
    check_folder(folder)
    if is_new and group is not None:
        _give(folder, group, _GROUP_FOLDER)


def make_file(file: Path, group: str | None = None) -> None:
    """Make it where there is none. OSError where a link or a pipe has its name."""
    if not os.path.lexists(file):
        os.close(open_file(file, os.O_RDWR | os.O_CREAT | os.O_EXCL))
    set_access(file, group)


def set_access(file: Path, group: str | None) -> None:
    """The same rights for what SQLite has made beside it."""
    # No file is opened here: closing it would end the locks that this process has on it.
    for path in (Path(f"{file}{suffix}") for suffix in _BESIDE):
        if not os.path.lexists(path):
            continue
        if not stat.S_ISREG(path.lstat().st_mode):
            raise OSError(f"{path} is no file, but a link, a pipe or a folder")
        if group is not None:
            _give(path, group, _GROUP_FILE)
        elif path.stat().st_mode & 0o777 != FILE_MODE and sys.platform != "win32":
            path.chmod(FILE_MODE)


def _give(path: Path, group: str, mode: int) -> None:
    try:
        shutil.chown(path, group=group)
    except (LookupError, PermissionError) as error:
        raise ConfigError(
            f"its group cannot be {group!r}: {error}",
            file=path,
            remedy="name a group of which the user of the ingester is a member",
        ) from error
    path.chmod(mode)
