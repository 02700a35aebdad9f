"""Keeps one endpoint connected: connects when it is needed, and backs off with jitter while it cannot."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable
from functools import partial
from random import Random
from types import TracebackType
from typing import Self

from qilu.contract.errors import ConfigError, UnreachableError
from qilu.modbus_client.connect_limiter import ConnectLimiter
from qilu.modbus_client.connection import Connection
from qilu.modbus_client.datagrams import dial_udp
from qilu.modbus_client.endpoint_state import EndpointState
from qilu.modbus_client.link_state import LINK, LinkEvent, LinkState
from qilu.modbus_client.options import ClientOptions
from qilu.modbus_client.reconnect_policy import ReconnectPolicy
from qilu.modbus_client.serial_port import dial_serial
from qilu.modbus_client.stats import ClientStats
from qilu.modbus_client.transaction import LateReply
from qilu.modbus_client.untagged_connection import UntaggedConnection
from qilu.runtime.backoff import Backoff
from qilu.runtime.certificates import Trust, explain_distrust
from qilu.runtime.log_throttle import LogThrottle
from qilu.runtime.network_errors import describe_network_error
from qilu.runtime.timers import Timers

_log = logging.getLogger(__name__)

KEEPALIVE = {"TCP_KEEPIDLE": 20, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3}
"""Seconds of silence before a probe, between probes, and probes before the connection is given up."""
USER_TIMEOUT_MS = 10_000  # sent and not acknowledged for so long: the far side is gone

TLS_EXPLAIN_S = 2.0
"""Seconds to read the certificate of a device that is not trusted once more, for the message."""

_DEAF = (
    "connections are accepted, and no request gets a reply: check unit ids; for a device that needs time"
    " after a connection set `connect_delay`, such as 5s"
)

Dial = Callable[[ClientOptions, Callable[[], Connection]], Awaitable[Connection]]
"""Connects and returns the protocol that it made; OSError when that is not possible."""


async def dial(options: ClientOptions, factory: Callable[[], Connection]) -> Connection:
    """A connection of whatever kind the endpoint asks for."""
    match options.endpoint.transport:
        case "serial":
            return await dial_serial(options.endpoint, factory)
        case "udp":
            return await dial_udp(options.endpoint, factory)
        case "tls":
            return await dial_tls(options, factory)
        case "tcp":
            return await dial_tcp(options, factory)


async def connect(dial: Dial, options: ClientOptions, factory: Callable[[], Connection]) -> Connection:
    """As `dial`, within `connect_timeout`; UnreachableError, with a text for people, where that fails."""
    try:
        async with asyncio.timeout(options.connect_timeout):
            return await dial(options, factory)
    except TimeoutError:
        raise UnreachableError(f"no connection within {options.connect_timeout:g} s") from None
    except (socket.gaierror, UnicodeError) as error:  # UnicodeError: no host could have such a name
        why = getattr(error, "strerror", None) or str(error)
        problem = f"the host {options.endpoint.host} is not found ({why}); check its name in the url"
        raise UnreachableError(problem) from error
    except OSError as error:
        raise UnreachableError(error.strerror or str(error)) from error


async def dial_tls(options: ClientOptions, factory: Callable[[], Connection]) -> Connection:
    """A TLS connection; OSError with the remedy where the device is not trusted, or does not trust us.

    The certificates are read anew each time, so that they can be exchanged.
    """
    endpoint, tls = options.endpoint, options.tls
    try:
        context = await asyncio.to_thread(tls.context, "tls")
    except ConfigError as error:
        raise OSError(errno.EINVAL, str(error)) from error
    try:
        return await dial_tcp(options, factory, context)
    except ssl.SSLCertVerificationError as error:
        trust = Trust(endpoint.host, endpoint.port, "url", tls.ca, "tls.ca")
        raise OSError(errno.EACCES, await explain_distrust(trust, error, TLS_EXPLAIN_S)) from error
    except ssl.SSLError as error:
        problem = f"no TLS connection ({error.reason or error}); check that this port speaks Modbus over TLS"
        raise OSError(errno.EPROTO, problem) from error


async def dial_tcp(
    options: ClientOptions, factory: Callable[[], Connection], context: ssl.SSLContext | None = None
) -> Connection:
    """A TCP connection that notices by itself when the far side has gone without a word."""
    try:
        transport, connection = await asyncio.get_running_loop().create_connection(
            factory, options.endpoint.host, options.endpoint.port, ssl=context
        )
    except (socket.gaierror, ssl.SSLError):
        raise
    except OSError as error:
        raise OSError(
            error.errno, f"{describe_network_error(error)}; check host and port in the url"
        ) from error
    sock: socket.socket | None = transport.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in {**KEEPALIVE, "TCP_USER_TIMEOUT": USER_TIMEOUT_MS}.items():
            if hasattr(socket, option):  # not every platform has them all
                sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
    return connection


def new_connection(
    options: ClientOptions,
    stats: ClientStats,
    late: LateReply,
    endpoint: EndpointState,
    timers: Timers | None = None,
) -> Connection:
    """One of the kind that the options ask for, not connected yet."""
    kind = Connection if options.has_transaction_ids else UntaggedConnection
    return kind(options, stats, late, endpoint, timers)


class EndpointConnector:
    """At most one connection and one attempt at a time. Used with `async with`, again if need be."""

    def __init__(
        self,
        options: ClientOptions,
        backoff: Backoff,
        stats: ClientStats,
        late: LateReply,
        random: Random,
        dial: Dial = dial,
        limiter: ConnectLimiter | None = None,
        timers: Timers | None = None,
    ) -> None:
        """`limiter` and `timers`: shared with the other links of the process."""
        self.state = LINK.start
        endpoint = EndpointState(options, random)
        self._make = partial(new_connection, options, stats, late, endpoint, timers or Timers())
        self._options = options
        self._tasks: asyncio.TaskGroup | None = None  # owns the attempt
        self._policy = ReconnectPolicy(backoff)
        self._stats = stats
        self._dial = dial
        self._limiter = limiter or ConnectLimiter()
        self._complaints = LogThrottle(_log)
        self._connection: Connection | None = None
        self._attempt: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._tasks = await asyncio.TaskGroup().__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        if (tasks := self._tasks) is not None:
            self._tasks = None
            await tasks.__aexit__(kind, error, trace)

    @property
    def problem(self) -> str:
        """Why there was no connection, for people; empty once one has brought a reply."""
        return self._policy.problem

    @property
    def deaf_for(self) -> float:
        """Seconds from the present connection to its first reply, where requests before it timed out."""
        return self._connection.record.deaf_for if self._connection is not None else 0.0

    def on_the_line(self, request: bytes) -> float:
        """Seconds that this request and its reply take on the line itself."""
        return self._options.wire_time(request)

    @property
    def connection(self) -> Connection | None:
        """The connection, where there is one that can be used now."""
        connection = self._connection
        return connection if connection is not None and connection.usable else None

    async def connected(self, until: float) -> Connection | None:
        """The connection, made now if need be; None where that takes longer than `until` (the loop's clock),
        where it fails, where somebody waited for it already, or where the backoff is not over."""
        if (connection := self.connection) is not None:
            return connection
        self._classify_disconnect()
        now = asyncio.get_running_loop().time()
        if self.state is LinkState.CONNECTING or now < self._policy.not_before:
            return None
        self._on(LinkEvent.NEEDED)
        assert self._tasks is not None, "a connector connects inside its `async with`"
        self._attempt = self._tasks.create_task(self._connect(), name=f"connect to {self._options.url}")
        await asyncio.wait((self._attempt,), timeout=max(0.0, until - now))
        return self.connection

    def close(self) -> None:
        """Hang up and stop connecting."""
        if self._attempt is not None:
            self._attempt.cancel()
        self.disconnect()

    def disconnect(self) -> None:
        """Give the connection back; the next use connects again, at once."""
        if (connection := self.connection) is not None:
            connection.close()
            connection.record.closed_by_us = True
            self._classify_disconnect()

    def _classify_disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        record = connection.record
        problem = self._policy.ended(record)
        if problem is not None:
            self._failed(problem)
            return
        if record.replies and record.problem:
            self._warn("broken", f"{record.problem}; connecting anew")
        self._on(LinkEvent.ENDED)

    async def _connect(self) -> None:
        options = self._options
        try:
            async with self._limiter.connecting(failed=bool(self.problem)):
                connection = await connect(self._dial, options, self._make)
            try:
                await asyncio.sleep(options.connect_delay)
            except asyncio.CancelledError:
                connection.close()
                raise
        except UnreachableError as error:
            self._failed(str(error))
        else:
            connection.record.max_timeouts = self._policy.max_timeouts
            if self._policy.is_deaf:
                self._warn("deaf", _DEAF)
            self._stats.reconnects += self._stats.connects > 0
            self._stats.connects += 1
            self._connection = connection
            self._on(LinkEvent.CONNECTED)
        finally:
            self._attempt = None
            if self.state is LinkState.CONNECTING:  # cancelled
                self._on(LinkEvent.ENDED)

    def _on(self, event: LinkEvent) -> None:
        self.state = LINK.after(self.state, event)

    def _warn(self, kind: str, text: str) -> None:
        now = asyncio.get_running_loop().time()
        self._complaints.warn(kind, f"{self._options.url}: {text}", now)

    def _failed(self, problem: str) -> None:
        self._on(LinkEvent.FAILED)
        # Told once: the same every few seconds for a week would hide all else.
        level = logging.DEBUG if self.problem else logging.WARNING
        wait = self._policy.failed(problem, asyncio.get_running_loop().time())
        self._stats.failed_connects += 1
        _log.log(level, "%s: %s; trying again, the next time in %.1f s", self._options.url, problem, wait)
