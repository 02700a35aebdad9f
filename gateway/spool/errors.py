"""Errors of commands that the disk, or its rights, keep from a spool."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.spool.checkpoint import CHECKPOINT, decode_checkpoint
from gateway.spool.filesystem import Files
from gateway.spool.recovery import RecoveryResult, recover
from qilu.contract.errors import ConfigError, describe_os_error


@contextmanager
def explain_os_errors(directory: Path) -> Iterator[None]:
    """A ConfigError with the place and the remedy, where the system refuses something inside."""
    try:
        yield
    except PermissionError as error:
        remedy = "run this as the user of the gateway"
        raise ConfigError("may not be used", file=error.filename or directory, remedy=remedy) from error
    except OSError as error:
        raise ConfigError(
            f"cannot be used: {describe_os_error(error)}",
            file=error.filename or directory,
            remedy="check the disk, and that no folder has the name of the file",
        ) from error


def recover_pending(files: Files) -> RecoveryResult:
    """What is in a spool and not durable yet, as far as its files show."""
    recovered = recover(files)
    for stream, offsets in decode_checkpoint(content(files, CHECKPOINT)).items():
        recovered.kept.subtract(stream, offsets)
    return recovered


def content(files: Files, name: str) -> bytes:
    """A whole small file; empty when it is not there."""
    try:
        return files.read(name, 0, files.stat(name).size)
    except FileNotFoundError:
        return b""
