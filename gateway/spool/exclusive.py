"""What every command does that changes a spool: hold its directory, so that no gateway runs on it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.spool.errors import explain_os_errors
from gateway.spool.filesystem import OsFiles, ReadOnlyFiles
from gateway.spool.former_files import refuse_former_files
from qilu.runtime.private_files import acting_as_owner


@contextmanager
def changing(directory: Path) -> Iterator[OsFiles]:
    """The files of a spool, held alone.

    UnreachableError while a gateway runs on it, ConfigError when there is none.
    """
    remedy = "stop the gateway, run this command again, and start the gateway"
    files = OsFiles(directory, remedy=remedy)
    with explain_os_errors(directory):
        ReadOnlyFiles(directory).open()  # must be there: nothing is made
        refuse_former_files(directory)
        with acting_as_owner(directory):
            files.open()
            try:
                yield files
            finally:
                files.close()
