"""Who a caller is: by a session's cookie, a token in a header, or by being on this machine."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from qilu.contract.errors import ConfigError
from qilu.runtime.log_throttle import LogThrottle
from qilu.web.exchange import Caller, RefusalError, Role
from qilu.web.sessions import SESSION_S, LockOut, Sessions
from qilu.web.tokens import ROLES, Token, TokenFile, matching

WALL_S = 400 * 86_400
"""Seconds for which a browser keeps the cookie of a wall; more is cut by browsers."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Login:
    """A session that has begun: the cookie's value and how long the browser keeps it."""

    caller: Caller
    cookie: str
    max_age_s: int


class AccessControl:
    """Decides on each request; `monotonic`: a clock in seconds."""

    def __init__(self, tokens: TokenFile, *, needs_token: bool, monotonic: Callable[[], float]) -> None:
        self._tokens = tokens
        self._needs_token = needs_token
        self._monotonic = monotonic
        self._sessions = Sessions()
        self._lock_out = LockOut()
        self._throttle = LogThrottle(_log)

    def caller(self, headers: Mapping[str, str], cookie: str | None, address: str) -> Caller:
        """Who sends the request. RefusalError: a token that is wrong, or too many wrong ones."""
        if not self._needs_token:
            return Caller(Role.OPERATOR, "local", address)
        scheme, _, credentials = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            token = self._checked(credentials.strip(), address)
            return Caller(ROLES[token.role], token.name, address)
        if cookie is not None and (known := self._of_cookie(cookie, address)) is not None:
            return known
        return Caller(Role.NOBODY, "", address)

    def _of_cookie(self, cookie: str, address: str) -> Caller | None:
        """A session whose token is still valid, or the token of a wall."""
        tokens = self._valid_tokens()
        session = self._sessions.find(cookie, self._monotonic())
        if session is not None:
            known = any(token.name == session.token for token in tokens)
            return Caller(session.role, session.token, address) if known else None
        token = matching(tokens, cookie)
        return Caller(Role.WALL, token.name, address) if token and token.role == "wall" else None

    def lasts(self, caller: Caller, cookie: str | None) -> bool:
        """Whether this caller may still do what it might when it connected."""
        if not self._needs_token:
            return True
        if cookie is not None and (known := self._of_cookie(cookie, caller.address)) is not None:
            return known.name == caller.name
        by_cookie = cookie is not None
        return not by_cookie and any(token.name == caller.name for token in self._valid_tokens())

    def log_in(self, text: str, address: str) -> Login:
        """Begin a session with a token. RefusalError: it is wrong, or too many were."""
        token = self._checked(text, address)
        caller = Caller(ROLES[token.role], token.name, address)
        if token.role == "wall":  # survives a restart of the server, where nobody sits to type it again
            return Login(caller, text, WALL_S)
        cookie = self._sessions.start(caller.role, token.name, self._monotonic())
        return Login(caller, cookie, int(SESSION_S))

    def log_out(self, cookie: str) -> None:
        self._sessions.end(cookie)

    def _checked(self, text: str, address: str) -> Token:
        now = self._monotonic()
        if (wait := self._lock_out.wait_s(address, now)) > 0:
            seconds = str(int(wait) + 1)
            remedy = f"wait {seconds} s"
            headers = {"Retry-After": seconds}
            raise RefusalError(
                429, "locked_out", "too many wrong tokens from this address", remedy, headers=headers
            )
        token = matching(self._valid_tokens(), text)
        if token is None:
            self._lock_out.failed(address, now)
            self._throttle.warn("token", f"a wrong token came from {address}", now)
            raise RefusalError(401, "token", "the token is not valid", "make one: qilu console token viewer")
        self._lock_out.succeeded(address)
        return token

    def _valid_tokens(self) -> tuple[Token, ...]:
        try:
            return tuple(self._tokens.tokens())
        except ConfigError as error:
            self._throttle.warn("file", f"no token is valid: {error}", self._monotonic())
            return ()
