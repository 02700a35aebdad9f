"""Why the certificate of a server is not trusted: what it contains, who was expected, what to do."""

# ruff: noqa: SLF001

from __future__ import annotations

import asyncio
import socket
import ssl
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

_NOT_YET_VALID, _EXPIRED = 9, 10
_OTHER_NAME = (62, 64)  # of a host, of an address
_MAX_NAMES = 3
_MAX_CHARACTERS = 100  # of a name in a certificate, which anybody may have written


@dataclass(frozen=True, slots=True)
class Trust:
    """Which server is expected, by which authority, and the settings for that."""

    host: str
    port: int
    host_key: str
    ca: Path | None
    """File of the authorities that are trusted; None: those of the operating system."""
    ca_key: str


async def explain_distrust(trust: Trust, error: ssl.SSLCertVerificationError, timeout_s: float) -> str:
    """The problem and its remedy, to follow the address; reads the server's certificate once more."""
    content = await asyncio.to_thread(read_certificate, trust.host, trust.port, timeout_s)
    return distrust(trust, error, content, datetime.now(UTC))


def read_certificate(host: str, port: int, timeout_s: float) -> Mapping[str, Any]:
    """What the certificate of this server contains, as `SSLSocket.getpeercert` has it; empty: not known.

    Nothing is sent over the connection, which trusts nobody. Blocks for at most two `timeout_s` or so.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with (
            socket.create_connection((host, port), timeout_s) as raw,
            context.wrap_socket(raw, server_hostname=host) as connection,
            tempfile.NamedTemporaryFile("w", suffix=".pem") as file,
        ):
            file.write(ssl.DER_cert_to_PEM_cert(connection.getpeercert(binary_form=True) or b""))
            file.flush()
            # The one decoder of the standard library for a certificate that is not trusted.
            content: Mapping[str, Any] = ssl._ssl._test_decode_cert(file.name)  # type: ignore[attr-defined]
            return content
    except (OSError, ValueError, AttributeError):
        return {}


def distrust(
    trust: Trust, error: ssl.SSLCertVerificationError, content: Mapping[str, Any], now: datetime
) -> str:
    """As `explain_distrust`; `content`: of the certificate, as far as it is known."""
    clock = f"the clock of this machine shows {now.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    if error.verify_code == _NOT_YET_VALID:
        valid_from = f" (from {_shown(content['notBefore'])})" if "notBefore" in content else ""
        return f"its certificate is not valid yet{valid_from}, and {clock}; if that is wrong, set it (NTP)"
    if error.verify_code == _EXPIRED:
        end = f" (at {_shown(content['notAfter'])})" if "notAfter" in content else ""
        return f"its certificate has expired{end}; {clock}; renew the certificate, or set the clock"
    if error.verify_code in _OTHER_NAME:
        names = ", ".join(_shown(name) for _, name in content.get("subjectAltName", ())) or "other names"
        return f"its certificate is for {names}, not for {trust.host!r}; correct {trust.host_key}"
    issuer = f" its issuer is {_name(content['issuer'])};" if content.get("issuer") else ""
    return f"its certificate is not trusted ({error.verify_message});{issuer} {_authority(trust)}"


def _authority(trust: Trust) -> str:
    """Whom we trust, and what to write instead."""
    if trust.ca is None:
        return (
            f"{trust.ca_key} names no file, so the authorities of the operating system are trusted; name the"
            f" PEM file of that issuer: {trust.ca_key}: FILE"
        )
    known = ssl.create_default_context(cafile=trust.ca).get_ca_certs()
    names = ", ".join(_name(certificate["subject"]) for certificate in known[:_MAX_NAMES]) or "no authority"
    return f"{trust.ca} ({trust.ca_key}) contains {names}; name the PEM file of that issuer there"


def _name(parts: Any) -> str:
    """A name of X.509 in one line: CN=..., O=..."""
    return ", ".join(_parts(parts)) or "an empty name"


def _parts(parts: Any) -> Iterator[str]:
    short = {"commonName": "CN", "organizationName": "O", "organizationalUnitName": "OU"}
    for relative in parts:
        for key, value in relative:
            if key in short:
                yield f"{short[key]}={_shown(value)}"


def _shown(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)[:_MAX_CHARACTERS]
