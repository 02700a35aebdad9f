"""Requests to a store's server: one session, every failure to get an answer is an UnreachableError."""

from __future__ import annotations

import base64
import ssl
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Self, TypeVar

import aiohttp
import msgspec

from qilu.contract.errors import ConfigError, TimedOutError, UnreachableError
from qilu.contract.record_codec import MALFORMED
from qilu.runtime.certificates import Trust, explain_distrust
from qilu.runtime.network_errors import describe_network_error
from qilu.runtime.redaction import redacted
from qilu.stores.influx.bounded_response import ACCEPTED, BoundedResponse, TooLongError
from qilu.stores.settings import InfluxSettings

_LONGEST_WAIT = 60.0
"""Seconds; a server that wants more is asked again all the same, or one wrong header stops us for days."""

_TIMED_OUT = (408, 504)  # of a proxy, whose own time was over
_LONGEST_TEXT = 4096
"""Characters of an error that are looked at: patterns are tried on it."""


_Shape = TypeVar("_Shape")


class TooLongResponseError(UnreachableError):
    """The answer was longer than is read; a question for less of it can be answered."""


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    body: bytes = b""
    headers: Mapping[str, str] | None = None

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def from_store(self) -> bool:
        """Whether this error is of a server of line protocol, and not of a proxy in front of it.

        By a header of InfluxDB's, which VictoriaMetrics sends too (its words are plain text), or by JSON.
        """
        named = any(name.lower().startswith("x-influxdb-") for name in self.headers or ())
        return named or not self._fields.keys().isdisjoint(("error", "code"))

    @property
    def error_text(self) -> str:
        fields = self._fields
        words = str(fields.get("error") or fields.get("message") or self._text)
        return redacted(words[:_LONGEST_TEXT])  # what stands in front of it may repeat our token

    @property
    def reason(self) -> str:
        """Its text, short enough for a log line."""
        title = _title(self.error_text)
        words = self.error_text if title is None else f"{title} (a web page, no words of a store)"
        return f"HTTP {self.status}: {' '.join(words.split())[:300]}"

    def header(self, name: str) -> str | None:
        """The header of this name, if there is one."""
        return None if self.headers is None else self.headers.get(name)

    @property
    def _text(self) -> str:
        return self.body.decode(errors="replace").strip()

    @property
    def _fields(self) -> Mapping[str, Any]:
        """The body, where it is an object of JSON; else nothing."""
        try:
            decoded = msgspec.json.decode(self._text)
        except MALFORMED:
            return {}
        return decoded if isinstance(decoded, dict) else {}

    def json(self, shape: type[_Shape]) -> _Shape:
        """The body, decoded; UnreachableError when it has another shape, so that no store answered."""
        try:
            return msgspec.json.decode(self.body, type=shape)
        except MALFORMED as error:
            raise UnreachableError(f"the store sent an unexpected response: {error}") from error

    def json_lines(self, shape: type[_Shape]) -> list[_Shape]:
        """The body, one document in each line, decoded as `json` does."""
        return [Reply(self.status, line).json(shape) for line in self.body.splitlines()]

    def unreachable(self, who: str) -> UnreachableError:
        """The error of a reply that may be different next time."""
        kind = TimedOutError if self.status in _TIMED_OUT else UnreachableError
        return kind(f"{who} answered {self.reason}", retry_after=self._retry_after())

    def _retry_after(self) -> float | None:
        """Seconds that the server asks us to wait (RFC 9110 10.2.3: a number, or a date by its own clock)."""
        after = (self.header("Retry-After") or "").strip()
        if after.isdecimal():
            return min(float(after), _LONGEST_WAIT)
        try:
            now = parsedate_to_datetime(self.header("Date") or "")
            seconds = (parsedate_to_datetime(after) - now).total_seconds()
        except (ValueError, TypeError, OverflowError):
            return None
        return min(max(seconds, 0.0), _LONGEST_WAIT)


def _title(page: str) -> str | None:
    """The title of a web page, found in one pass; None where the text has none."""
    lower = page.lower()
    start = lower.find("<title>")
    end = lower.find("</title>", start)
    return page[start + len("<title>") : end] if 0 <= start < end else None


def authorization(settings: InfluxSettings) -> str | None:
    """The header with the credentials; None where the settings have none. Reads secrets again."""
    token = settings.token()
    if token is not None:
        return f"{'Bearer' if settings.server == 'victoriametrics' else 'Token'} {token}"
    if settings.username is None:
        return None
    pair = f"{settings.username}:{settings.password() or ''}".encode()
    return f"Basic {base64.b64encode(pair).decode()}"


def tls(settings: InfluxSettings) -> ssl.SSLContext:
    """Whom to trust: the operating system's authorities, or the one that the settings name."""
    try:
        return ssl.create_default_context(cafile=settings.ca)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"{settings.ca} cannot be used: {error}", key="store.ca", remedy="name a PEM file of an authority"
        ) from error


class Http:
    """One server. Entering opens a session, leaving closes it; nothing is sent by either."""

    def __init__(self, settings: InfluxSettings, replies: type[BoundedResponse] = BoundedResponse) -> None:
        self._settings = settings
        self._replies = replies
        self._stack = AsyncExitStack()
        self._session: aiohttp.ClientSession

    async def __aenter__(self) -> Self:
        who = authorization(self._settings)
        self._session = await self._stack.enter_async_context(
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=tls(self._settings)),
                timeout=aiohttp.ClientTimeout(total=self._settings.timeout),
                headers=ACCEPTED if who is None else {**ACCEPTED, "Authorization": who},
                auto_decompress=False,
                response_class=self._replies,
            )
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def ask(
        self,
        method: str,
        path: str,
        parameters: Mapping[str, str] | None = None,
        *,
        body: bytes | None = None,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """The server's answer, whatever its status; UnreachableError when there is none."""
        url = f"{self._settings.url}{path}"
        try:
            async with self._session.request(
                method,
                url,
                params=parameters,
                data=form if body is None else body,
                headers=headers,
                allow_redirects=False,
            ) as response:
                return Reply(response.status, await response.read(), response.headers)
        except TooLongError as error:
            raise TooLongResponseError(f"{url}: {error}") from error
        except aiohttp.ClientConnectorCertificateError as error:
            raise await self._distrust(error) from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise no_response(url, error) from error

    async def _distrust(self, error: aiohttp.ClientConnectorCertificateError) -> UnreachableError:
        settings = self._settings
        trust = Trust(error.host, error.port or 443, "store.url", settings.ca, "store.ca")
        problem = str(error)
        if isinstance(error.certificate_error, ssl.SSLCertVerificationError):
            problem = await explain_distrust(trust, error.certificate_error, settings.timeout)
        return UnreachableError(f"{settings.url}: {problem}")


def no_response(url: str, error: BaseException) -> UnreachableError:
    if isinstance(error, aiohttp.ClientConnectorError):
        error = error.os_error
    if isinstance(error, TimeoutError):
        return TimedOutError(
            f"{url}: no response within store.timeout: the store or the line to it is slow, or the store is"
            " down; raise store.timeout, or set store.gzip: true"
        )
    why = describe_network_error(error) if isinstance(error, OSError) else str(error) or type(error).__name__
    return UnreachableError(f"{url}: {why}; start the store, or correct store.url")
