"""Settings of a web server: its address, its prefix, its names, TLS and tokens."""

from __future__ import annotations

import re
import ssl
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, model_validator

from qilu.contract.errors import ConfigError
from qilu.contract.hosts import is_loopback
from qilu.contract.lookalikes import host_problem
from qilu.contract.validation import FrozenModel, display, validation_error

PORT = 8080
_ADDRESS = re.compile(r"(?:\[(?P<six>[0-9a-fA-F:.]+)\]|(?P<host>[^\[\]:/]+))(?::(?P<port>\d{1,5}))?")
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?(?::\d{1,5})?")


def _listen(value: object) -> object:
    """HOST:PORT, a port alone on loopback, or a host alone with the default port."""
    text = str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""
    if text.isdecimal():
        text = f"127.0.0.1:{text}"
    match = _ADDRESS.fullmatch(text)
    if match is None or int(match["port"] or PORT) > 65535:
        raise validation_error(
            f"{display(value)} is no address", f"write HOST:PORT, such as 127.0.0.1:{PORT}"
        )
    if match["host"] and (problem := host_problem(match["host"])):
        raise validation_error(problem, f"write HOST:PORT, such as 127.0.0.1:{PORT}")
    host = f"[{match['six']}]" if match["six"] else match["host"]
    return f"{host}:{match['port'] or PORT}"


def _base(text: str) -> str:
    path = "/" + text.strip("/")
    if not re.fullmatch(r"(?:/[A-Za-z0-9._~-]+)*/?", path) or ".." in path:
        raise validation_error(f"{display(text)} is no path", "write the proxy's prefix, such as /edge-1/")
    return path if path == "/" else path + "/"


def _name(text: str) -> str:
    lower = text.strip().lower()
    if not _NAME.fullmatch(lower):
        remedy = "write the name as a browser's address line has it, such as edge-1.example.com or NAME:PORT"
        raise validation_error(f"{display(text)} is no host name", remedy)
    return lower.removesuffix(":80").removesuffix(":443")


class WebTlsSettings(FrozenModel):
    """Encrypts the connections of browsers."""

    cert: Path
    """The server's certificate with its chain (PEM)."""
    key: Path | None = None
    """Its key (PEM); default: in the file of the certificate."""

    def context(self) -> ssl.SSLContext:
        """The context of the server; ConfigError naming the file that cannot be used. Reads the files."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            # An encrypted key would otherwise ask on the terminal, where nobody sits.
            context.load_cert_chain(self.cert, self.key, password=lambda: "")
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
            remedy = "name PEM files that this user may read; cert and key must belong together"
            raise ConfigError(str(reason), file=self.cert, key="tls.cert", remedy=remedy) from error
        return context


class WebSettings(FrozenModel):
    """Where a web server listens, and who may use it."""

    listen: Annotated[str, BeforeValidator(_listen)] = f"127.0.0.1:{PORT}"
    """Address and port. An address other than loopback demands a token."""
    base: Annotated[str, AfterValidator(_base)] = "/"
    """Prefix of the paths below a reverse proxy, such as /edge-1/."""
    hosts: tuple[Annotated[str, AfterValidator(_name)], ...] = ()
    """Names under which browsers reach the server, with NAME:PORT where the port is neither 80 nor 443.
    Loopback names and the address itself are always allowed. A name here demands a token."""
    tls: WebTlsSettings | None = None
    """Encrypts the connections; default: none."""
    tokens: Path | None = None
    """File with the hashes of the tokens, made by `qilu console token`; default: beside the other data."""
    demand_token: bool = False
    """Demand a token also on loopback, where other users of this machine could connect."""

    @model_validator(mode="before")
    @classmethod
    def _defaults(cls, values: Any) -> Any:
        return {} if values is None else values

    @property
    def host(self) -> str:
        """The address without its port and without brackets."""
        return self.listen.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        """The port; 0 is any free one."""
        return int(self.listen.rpartition(":")[2])

    def url(self, port: int | None = None) -> str:
        """The address for a program on this machine; `port` where a free one was taken."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)
        host = f"[{host}]" if ":" in host else host
        return f"{'http' if self.tls is None else 'https'}://{host}:{port or self.port}{self.base}"

    @property
    def on_loopback(self) -> bool:
        """Whether only programs on this machine can connect."""
        return is_loopback(self.host)

    @property
    def needs_token(self) -> bool:
        """Whether a caller without a token may do nothing."""
        return self.demand_token or bool(self.hosts) or not self.on_loopback


def on_port(port: int) -> WebSettings:
    """A port of this machine alone; 0: any free one."""
    return WebSettings(listen=f"127.0.0.1:{port}")
