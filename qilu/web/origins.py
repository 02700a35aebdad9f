"""Which names of this server a request may use: against DNS rebinding and requests of other sites; pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from qilu.web.exchange import RefusalError

LOOPBACK_NAMES = frozenset(("localhost", "127.0.0.1", "::1"))
_AUTHORITY = re.compile(r"(?:\[(?P<six>[0-9a-f:.]+)\]|(?P<host>[^\[\]:/@\s]+))(?::(?P<port>\d{1,5}))?")
_ORIGIN = re.compile(r"https?://(?P<authority>[^/]+)")
_DEFAULT_PORTS = ("80", "443")


@dataclass(frozen=True, slots=True)
class _Authority:
    host: str
    port: str

    @property
    def name(self) -> str:
        return f"{self.host}:{self.port}" if self.port else self.host


def _authority(text: str | None) -> _Authority | None:
    if text is None or (match := _AUTHORITY.fullmatch(text.lower())) is None:
        return None
    port = match["port"] or ""
    return _Authority((match["six"] or match["host"]).rstrip("."), "" if port in _DEFAULT_PORTS else port)


def check_names(headers: Mapping[str, str], names: Collection[str], local_address: str | None) -> None:
    """RefusalError where Host or Origin are not ours. `headers` have names in lower case.

    Loopback names are allowed with any port, which is how `ssh -L` arrives; an address only where it is
    that of the connection (`local_address`), since a rebound name is never an address; other names only
    where the settings list them.
    """
    host = _authority(headers.get("host"))
    if host is None or not _is_ours(host, names, local_address):
        shown = repr(headers.get("host", ""))[:80]
        raise RefusalError(421, "host", f"{shown} is no name of this server", "add the name to hosts:")
    fetch_site = headers.get("sec-fetch-site", "none")
    navigation = headers.get("sec-fetch-mode") == "navigate"
    if "origin" not in headers:
        if fetch_site in ("cross-site", "same-site") and not navigation:
            raise _foreign("another site")
        return
    match = _ORIGIN.fullmatch(headers["origin"])
    origin = _authority(match["authority"]) if match else None
    if origin is None or (origin != host and origin.name not in names):
        raise _foreign(repr(headers["origin"])[:80])


def _is_ours(host: _Authority, names: Collection[str], local_address: str | None) -> bool:
    if host.host in LOOPBACK_NAMES or host.name in names:
        return True
    try:
        address = ipaddress.ip_address(host.host)
        return local_address is not None and address == ipaddress.ip_address(local_address.partition("%")[0])
    except ValueError:
        return False


def _foreign(origin: str) -> RefusalError:
    return RefusalError(
        403, "origin", f"a page of {origin} may not use this server", "add its name to hosts:"
    )
