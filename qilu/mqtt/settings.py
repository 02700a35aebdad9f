"""The settings of a broker: its address, the user, and the authorities to trust."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, model_validator

from qilu.config.settings_file import read_secret
from qilu.config.tls import TlsSettings
from qilu.contract.hosts import is_loopback
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
            f"{display(text)} is the address of a websocket",
            "use the broker's own port for MQTT, or write its name as host and its path as websocket: /PATH",
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


def _address(text: str) -> str:
    """`HOST[:PORT]` of a broker."""
    host, port = (text, "") if "://" in text else _without_port(text)
    _host(host)
    if port and not (port.isdecimal() and 1 <= int(port) <= 65535):
        raise validation_error(f"{display(text)} has no port from 1 to 65535", "write HOST or HOST:PORT")
    return text


def _path(text: str) -> str:
    if re.fullmatch(r"/[!-~]*", text) is None:
        raise validation_error(f"{display(text)} is no path", "write it as the broker has it, such as /mqtt")
    return text


BrokerAddress = Annotated[str, Field(min_length=1), AfterValidator(_address)]
BrokerAddresses = Annotated[tuple[BrokerAddress, ...], Field(min_length=1, max_length=16)]


class AllHosts(FrozenModel):
    """Brokers that pass nothing on to each other."""

    all: BrokerAddresses
    """HOST[:PORT] of each; an ingester keeps a link to every one of them."""


def _kind_of_hosts(value: object) -> str:
    return "all" if isinstance(value, dict | AllHosts) else "one"


Hosts = Annotated[
    Annotated[BrokerAddresses, Tag("one")] | Annotated[AllHosts, Tag("all")], Discriminator(_kind_of_hosts)
]


class ProxySettings(FrozenModel):
    """An HTTP proxy that lets connections through to the broker (CONNECT)."""

    host: Annotated[str, Field(min_length=1), AfterValidator(_host)]
    """Its name or address."""
    port: Annotated[int, Field(ge=1, le=65535)] = 3128
    """Its port."""
    username: str | None = None
    """As whom to ask it; default: as nobody. The proxy gets name and password unencrypted."""
    password_file: Path | None = None
    """A file that holds the password and nothing else."""

    def password(self) -> str | None:
        """The password, read anew each time; ConfigError when it is not there."""
        return read_secret(self.password_file, None, key="mqtt.proxy.password_file")


class MqttSettings(FrozenModel):
    """One broker. Passwords stand in a file or in the environment, never here."""

    host: Annotated[str, Field(min_length=1), AfterValidator(_host)] = "127.0.0.1"
    """Name or address of the broker, without a scheme and a port."""
    port: Annotated[int, Field(ge=1, le=65535)] = PORT
    """Default: 1883, with tls 8883."""
    hosts: Hosts | None = None
    """HOST[:PORT] of several brokers, in place of host and port: a link goes to one of them and moves on
    where that fails. For an ingester `{all: [...]}`: a link to each."""
    websocket: Annotated[str, AfterValidator(_path)] | None = None
    """Path at which the broker takes MQTT over WebSocket, such as /mqtt.
    Default: MQTT alone."""
    proxy: ProxySettings | None = None
    """The HTTP proxy through which the broker is reached; default: none."""
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
        named = isinstance(values, dict) and ("port" in values or values.get("hosts") is not None)
        if isinstance(values, dict) and not named and values.get("tls") is not None:
            return {**values, "port": TLS_PORT}
        return values

    @model_validator(mode="after")
    def _makes_sense(self) -> MqttSettings:
        problems = []
        if self.hosts is not None:
            problems += [
                Problem((key,), "the broker is named twice", f"keep hosts, or {key}")
                for key in ("host", "port")
                if key in self.model_fields_set
            ]
        if self.proxy is not None and self.proxy.password_file and self.proxy.username is None:
            problems.append(Problem(("proxy",), "a password without a user", "add username: NAME"))
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
    def brokers(self) -> tuple[MqttSettings, ...]:
        if self.hosts is None:
            return (self,)
        addresses = self.hosts.all if isinstance(self.hosts, AllHosts) else self.hosts
        default = PORT if self.tls is None else TLS_PORT
        pairs = [_without_port(address) for address in addresses]
        return tuple(
            self.model_copy(update={"hosts": None, "host": host, "port": int(port or default)})
            for host, port in pairs
        )

    @property
    def links_to_all(self) -> bool:
        """Whether each broker has a link of its own."""
        return isinstance(self.hosts, AllHosts)

    @property
    def address(self) -> str:
        """HOST:PORT, for people; of each broker where there are several."""
        if self.hosts is not None:
            return ", ".join(broker.address for broker in self.brokers)
        return f"{self.host}:{self.port}"

    @property
    def on_loopback(self) -> bool:
        """Whether the broker is on this machine, and what goes to it on no network."""
        if self.hosts is not None:
            return all(broker.on_loopback for broker in self.brokers)
        if self.proxy is not None:
            return False
        return is_loopback(self.host)

    def password(self) -> str | None:
        """The password, read anew each time so that it can be changed; ConfigError when it is not there."""
        key = "mqtt.password_file" if self.password_env is None else "mqtt.password_env"
        return read_secret(self.password_file, self.password_env, key=key)
