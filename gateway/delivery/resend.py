"""The request to a running gateway that it sends all deferred records again at once: a file in its spool."""

from __future__ import annotations

import os
from pathlib import Path

from qilu.runtime.private_files import open_file

_FILE = "resend"


def request_resend(directory: Path) -> None:
    """Ask the gateway whose spool is in `directory`; OSError when the file cannot be made."""
    os.close(open_file(directory / _FILE, os.O_WRONLY | os.O_CREAT))


def take_resend_request(directory: Path) -> bool:
    """Whether there was a request; it is taken."""
    try:
        (directory / _FILE).unlink()
    except OSError:
        return False
    return True
