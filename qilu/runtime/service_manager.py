"""What a process tells systemd, or a container: that it is ready, and that it still works."""

from __future__ import annotations

import asyncio
import faulthandler
import logging
import os
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from qilu.runtime.log_throttle import LogThrottle

INTERVAL_S = 10.0
"""Seconds between two messages to the watchdog of systemd; at most half of what the unit sets."""
RECHECK_S = 1.0
"""Seconds until a check that failed is repeated: so is an outage of 40 s over before WatchdogSec=60 is."""
START_EXTENSION_S = 60
"""Seconds by which each message extends the time that systemd grants to a start."""

ALIVE_FILE = "QILU_ALIVE_FILE"
"""The environment variable that names a file, which is touched with each message: for a container's check."""

Check = Callable[[], str | None]
"""Why this process does not work as it should, for people; None while it does. It must not wait."""

_log = logging.getLogger(__name__)


def notify(state: str, environ: Mapping[str, str] = os.environ) -> None:
    """Send systemd `state`, e.g. "READY=1", "STOPPING=1", "WATCHDOG=1"; nothing happens where none listens.

    Protocol: sd_notify(3), one datagram to the socket in $NOTIFY_SOCKET, `@` standing for the NUL of an
    abstract name.
    """
    address = environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as channel:
        try:
            channel.sendto(state.encode(), address)
        except OSError as error:
            _log.debug("systemd was not notified of %s: %s", state, error)


class ServiceManager:
    """The messages of one process to systemd, from its start to its end."""

    def __init__(self, checks: Sequence[Check], environ: Mapping[str, str] = os.environ) -> None:
        """`checks`: all of them have to pass before the watchdog gets its next message."""
        self._checks = checks
        self._environ = environ
        self._starting = True
        self._complaints = LogThrottle(_log)

    def ready(self) -> None:
        """The start is over; said once, however often it is called."""
        if self._starting:
            self._starting = False
            notify("READY=1", self._environ)

    async def feed_watchdog(self) -> None:
        """Tell systemd regularly that this process works, until cancelled.

        A loop that is blocked sends nothing, and a check that fails keeps the message back: systemd ends the
        process after WatchdogSec and starts it again. A start takes as long as it needs while this runs.
        """
        interval_s = _interval_s(self._environ)
        if "WATCHDOG_USEC" in self._environ:
            faulthandler.enable(sys.__stderr__ or sys.stderr)  # SIGABRT of systemd then shows where it hangs
        while True:
            problems = [problem for check in self._checks if (problem := check()) is not None]
            if problems:
                text = f"{'; '.join(problems)}: until this is over the watchdog of systemd is not fed"
                self._complaints.warn("watchdog", text, time.monotonic())
                await asyncio.sleep(min(RECHECK_S, interval_s))
                continue
            extension = f"\nEXTEND_TIMEOUT_USEC={START_EXTENSION_S * 1_000_000}" if self._starting else ""
            notify(f"WATCHDOG=1{extension}", self._environ)
            self._touch()
            await asyncio.sleep(interval_s)

    def _touch(self) -> None:
        if file := self._environ.get(ALIVE_FILE):
            try:
                Path(file).touch()
            except OSError as error:
                self._complaints.warn("alive", f"{ALIVE_FILE}: {error}", time.monotonic())


def _interval_s(environ: Mapping[str, str]) -> float:
    limit_us = environ.get("WATCHDOG_USEC", "")
    return min(INTERVAL_S, int(limit_us) / 2_000_000) if limit_us.isdigit() and int(limit_us) else INTERVAL_S
