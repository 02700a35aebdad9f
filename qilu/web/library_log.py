"""Requests that are no HTTP: one throttled line in place of a traceback for each."""

from __future__ import annotations

import logging
import time

from qilu.contract.text_escaping import plain
from qilu.runtime.log_throttle import LogThrottle

_MAX_CHARACTERS = 200


class _ThrottleFilter(logging.Filter):
    """Lets nothing through, and logs what it was elsewhere."""

    def __init__(self, log: logging.Logger) -> None:
        super().__init__()
        self._throttle = LogThrottle(log)

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        cause = plain(str(error) if error is not None else record.getMessage())[:_MAX_CHARACTERS]
        self._throttle.warn("malformed", f"{plain(record.getMessage())}: {cause}", time.monotonic())
        return False


def library_log() -> logging.Logger:
    """The log that the HTTP library of a new server writes to, throttled."""
    log = logging.getLogger(f"{__name__}.requests")
    log.filters.clear()
    log.addFilter(_ThrottleFilter(logging.getLogger(__name__)))
    return log
