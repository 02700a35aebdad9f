"""The settings of a broker: its address, the user, and the authorities to trust."""

from __future__ import annotations

import ipaddress
import os
import re
import ssl
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from qilu.config.settings_file import read_secret
from qilu.contract.errors import ConfigError, describe_os_error
from qilu.contract.lookalikes import host_problem
from qilu.contract.topics import Topics, topic_level
from qilu.contract.units import Period
from qilu.contract.validation import FrozenModel, Problem, display, raise_problems, validation_error

PORT = 1883
TLS_PORT = 8883


_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<rest>.*)", re.DOTALL)
_ENCRYPTED = ("mqtts", "ssl", "tls")


def _protocol(text: object) -> object:
    return str(text) if isinstance(text, int | float) and not isinstance(text, bool) else text


def _host(text: str) -> str:
    """A host name or an address, and nothing else: no scheme, user, port or path."""
    if problem := host_problem(text):
        raise validation_error(problem, "write the broker's name or address, such as 192.168.0.10")
    url = _URL.fullmatch(text)
    scheme, rest = (url["scheme"].lower(), url["rest"]) if url else ("", text)
    if scheme in ("ws", "wss", "http", "https"):
        raise validation_error(
            f"{display(text)} is the address of a websocket", "use the broker's own port for MQTT"
        )
    bare, port = _without_port(re.split(r"[/?]", rest.rpartition("@")[2], maxsplit=1)[0])
    if bare == text:
        return text
    lines = [f"host: {bare}", f"port: {port}" if port else "", "tls: {}" if scheme in _ENCRYPTED else ""]
    problem = f"{display(text)} is a URL" if url else f"{display(text)} is more than a host"
    raise validation_error(
        problem, "write " + ", and on lines of their own ".join(line for line in lines if line)
    )


def _without_port(text: str) -> tuple[str, str]:
    """Host and port of `HOST`, `HOST:PORT`, `[ADDRESS]:PORT` or an IPv6 address."""
    if match := re.fullmatch(r"\[(.*)\](?::(\d*))?", text):
        return match[1], match[2] or ""
    if text.count(":") == 1:
        host, _, port = text.partition(":")
        return host, port
    return text, ""


class TlsSettings(FrozenModel):
    """Encrypt the connection, and check the broker's certificate and name: that cannot be left out."""

    ca: Path | None = None
    """File of the authority to trust (PEM); default: those of the operating system."""
    cert: Path | None = None
    """Our own certificate (PEM), for brokers that ask for one."""
    key: Path | None = None
    """Its key (PEM)."""

    @model_validator(mode="after")
    def _key_needs_its_certificate(self) -> TlsSettings:
        if self.key is not None and self.cert is None:
            raise_problems(
                [Problem(("key",), "a key without its certificate", "name the certificate: cert: FILE")]
            )
        return self

    def context(self) -> ssl.SSLContext:
        """The context for a connection; ConfigError naming the file that cannot be used. Reads the files."""
        context = ssl.create_default_context() if self.ca is None else _trusting(self.ca)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.cert is not None:
            _present(context, self.cert, self.key)
        return context


class MqttSettings(FrozenModel):
    """One broker. Passwords stand in a file or in the environment, never here."""

    host: Annotated[str, Field(min_length=1), AfterValidator(_host)] = "127.0.0.1"
    """Name or address of the broker, without a scheme and a port."""
    port: Annotated[int, Field(ge=1, le=65535)] = PORT
    """Default: 1883, with tls 8883."""
    protocol: Annotated[Literal["5", "3.1.1"], BeforeValidator(_protocol)] = "5"
    """The version of MQTT that it speaks; with 3.1.1 ingesters cannot share."""
    username: str | None = None
    """As whom to connect; default: as nobody."""
    password_file: Path | None = None
    """A file that holds the password and nothing else."""
    password_env: str | None = None
    """The environment variable that holds the password, in place of a file."""
    tls: TlsSettings | None = None
    """Encrypts the connection; `{}` trusts the authorities of the operating system."""
    keepalive: Annotated[Period, Field(ge=2, le=3600)] = 10.0
    """A connection that carries nothing any more is noticed within these seconds and two more."""
    topic_prefix: str = "qilu"
    """All topics begin with it."""

    @model_validator(mode="before")
    @classmethod
    def _port_of_the_transport(cls, values: Any) -> Any:
        if isinstance(values, dict) and "port" not in values and values.get("tls") is not None:
            return {**values, "port": TLS_PORT}
        return values

    @model_validator(mode="after")
    def _makes_sense(self) -> MqttSettings:
        problems = []
        if self.password_file is not None and self.password_env is not None:
            problems.append(
                Problem(
                    ("password_env",), "the password is named twice", "keep password_file or password_env"
                )
            )
        if self.username is None and (self.password_file is not None or self.password_env is not None):
            problems.append(Problem(("username",), "a password without a user", "add username: NAME"))
        try:
            for part in self.topic_prefix.split("/"):
                topic_level(part)
        except ValueError as error:
            problems.append(
                Problem(("topic_prefix",), str(error), "use a word, such as qilu, or words joined by /")
            )
        raise_problems(problems)
        return self

    @property
    def topics(self) -> Topics:
        """The topics below `topic_prefix`."""
        return Topics(self.topic_prefix)

    @property
    def address(self) -> str:
        """HOST:PORT, for people."""
        return f"{self.host}:{self.port}"

    @property
    def on_loopback(self) -> bool:
        """Whether the broker is on this machine, and what goes to it on no network."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def password(self) -> str | None:
        """The password, read anew each time so that it can be changed; ConfigError when it is not there."""
        key = "mqtt.password_file" if self.password_env is None else "mqtt.password_env"
        return read_secret(self.password_file, self.password_env, key=key)


def _trusting(ca: Path) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca)
    except (OSError, ssl.SSLError) as error:
        raise _unusable(ca, "mqtt.tls.ca", error) from error


def _present(context: ssl.SSLContext, cert: Path, key: Path | None) -> None:
    for file, name in ((cert, "mqtt.tls.cert"), (key, "mqtt.tls.key")):
        if file is not None and not os.access(file, os.R_OK):
            problem = "cannot be read" if file.exists() else "no such file"
            raise ConfigError(problem, file=file, key=name, remedy="name a PEM file that this user may read")
    try:
        # An encrypted key would otherwise ask on the terminal, where nobody sits.
        context.load_cert_chain(cert, key, password=lambda: "")
    except (OSError, ssl.SSLError, ValueError) as error:
        raise _unusable(cert, "mqtt.tls.cert", error) from error


def _unusable(file: Path, key: str, error: Exception) -> ConfigError:
    if isinstance(error, ssl.SSLError):
        problem = f"not what TLS needs ({error.reason or error})"
        return ConfigError(
            problem, file=file, key=key, remedy="name a PEM file; cert and key must belong together"
        )
    reason = describe_os_error(error) if isinstance(error, OSError) else str(error)
    return ConfigError(reason, file=file, key=key, remedy="name a file that this user may read")
