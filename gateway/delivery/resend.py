"""The request to a running gateway that it sends all deferred records again at once: a file in its spool."""

from __future__ import annotations

from pathlib import Path

_FILE = "resend"


def request_resend(directory: Path) -> None:
    """Ask the gateway whose spool is in `directory`; OSError when the file cannot be made."""
    (directory / _FILE).touch()


def take_resend_request(directory: Path) -> bool:
    """Whether there was a request; it is taken."""
    try:
        (directory / _FILE).unlink()
    except OSError:
        return False
    return True
