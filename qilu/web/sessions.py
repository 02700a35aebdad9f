"""Sessions of browsers and the lock-out of callers who guess; bounded tables, times are handed in."""

from __future__ import annotations

import hashlib
import ipaddress
import secrets
from collections import OrderedDict
from dataclasses import dataclass

from qilu.web.exchange import Role

SESSION_S = 12 * 3600.0
MAX_SESSIONS = 1024
MAX_ADDRESSES = 1024
FREE_FAILURES = 10
"""Wrong tokens of one address before it has to wait."""
FIRST_WAIT_S = 30.0
MAX_WAIT_S = 900.0
FORGOTTEN_AFTER_S = 3600.0


@dataclass(frozen=True, slots=True)
class Session:
    """Of a browser that has sent a token. `end`: on the clock of the caller."""

    role: Role
    token: str
    """The name of the token."""
    end: float


class Sessions:
    """At most MAX_SESSIONS; the oldest one ends when there are more. Ids are kept as hashes."""

    def __init__(self) -> None:
        self._sessions: OrderedDict[bytes, Session] = OrderedDict()

    def start(self, role: Role, token: str, now: float) -> str:
        """A new session; returns its id, which only its browser knows."""
        identity = secrets.token_urlsafe(32)
        self._sessions[_key(identity)] = Session(role, token, now + SESSION_S)
        while len(self._sessions) > MAX_SESSIONS:
            self._sessions.popitem(last=False)
        return identity

    def find(self, identity: str, now: float) -> Session | None:
        """The session with this id; None where it is unknown or over."""
        session = self._sessions.get(_key(identity))
        if session is not None and now >= session.end:
            del self._sessions[_key(identity)]
            return None
        return session

    def end(self, identity: str) -> None:
        """End it; nothing happens where there is none."""
        self._sessions.pop(_key(identity), None)


def _key(identity: str) -> bytes:
    return hashlib.sha256(identity.encode(errors="surrogatepass")).digest()


@dataclass(slots=True)
class _Failures:
    count: int
    last: float
    locked_until: float


class LockOut:
    """Addresses that sent wrong tokens: after FREE_FAILURES each further one doubles the wait."""

    def __init__(self) -> None:
        self._failures: OrderedDict[str, _Failures] = OrderedDict()

    def wait_s(self, address: str, now: float) -> float:
        """Seconds until this address may send a token again; 0: now."""
        failures = self._failures.get(_network(address))
        return 0.0 if failures is None else max(0.0, failures.locked_until - now)

    def failed(self, address: str, now: float) -> None:
        network = _network(address)
        failures = self._failures.pop(network, None)
        if failures is None or now - failures.last > FORGOTTEN_AFTER_S:
            failures = _Failures(0, now, now)
        failures.count += 1
        failures.last = now
        if (over := failures.count - FREE_FAILURES) >= 0:
            failures.locked_until = now + min(MAX_WAIT_S, FIRST_WAIT_S * 2.0 ** min(over, 10))
        self._failures[network] = failures
        while len(self._failures) > MAX_ADDRESSES:
            self._failures.popitem(last=False)

    def succeeded(self, address: str) -> None:
        self._failures.pop(_network(address), None)


def _network(address: str) -> str:
    """An IPv6 user has a whole /64."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if parsed.version == 6:
        return str(ipaddress.ip_network(f"{parsed}/64", strict=False))
    return str(parsed)
