"""What the user writes about equipment that speaks Modbus: one endpoint and the devices behind it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, NamedTuple
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from qilu.contract.invalid import Problem, invalid, refuse
from qilu.contract.profile import Name, ProfileName, ScaleNumber
from qilu.contract.quantities import Duration, Period
from qilu.contract.topics import level

DEFAULT_PORT = 502

Framing = Literal["tcp", "rtu"]
_SCHEMES: Mapping[str, Framing] = {"tcp": "tcp", "rtu+tcp": "rtu"}


class Endpoint(NamedTuple):
    """Where a device, or the gateway before several, listens; and how frames travel there."""

    framing: Framing
    host: str
    port: int


def parse_endpoint(url: str) -> Endpoint:
    """`tcp://HOST[:PORT]` or `rtu+tcp://HOST[:PORT]`; ValueError with the remedy for anything else."""
    remedy = "write tcp://192.168.0.10:502, or rtu+tcp://HOST:PORT where RTU frames travel over TCP"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise invalid(f"{url!r} is not an endpoint: {error}", remedy) from error
    if parts.scheme not in _SCHEMES:
        raise invalid(f"{url!r}: {parts.scheme or 'no scheme'} is no transport that is known", remedy)
    if not host or port == 0 or parts.path.strip("/") or parts.query or parts.username is not None:
        raise invalid(f"{url!r} is not an endpoint: a host and a port are expected, nothing else", remedy)
    return Endpoint(_SCHEMES[parts.scheme], host, DEFAULT_PORT if port is None else port)


def _url(url: str) -> str:
    parse_endpoint(url)
    return url


def _device_name(name: str) -> str:
    try:
        return level(name)
    except ValueError as error:
        raise invalid(str(error), "use letters, digits and hyphens, such as compressor-1") from error


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DeviceSettings(_Model):
    """One device behind an endpoint."""

    device: Annotated[str, AfterValidator(_device_name)]
    """Its name everywhere: in topics, stores and logs; unique on the edge."""
    unit: int = Field(default=1, ge=0, le=255)
    profile: ProfileName
    line: str = ""
    """The production line it stands in."""
    parameters: Mapping[Name, ScaleNumber] = {}
    """This device's own numbers for the parameters of its profile."""
    groups: Mapping[Name, Period] = {}
    """Poll group -> seconds, where they differ from the profile's."""


class ModbusSettings(_Model):
    """One endpoint: one connection, which its devices share."""

    type: Literal["modbus"]
    url: Annotated[str, AfterValidator(_url)]
    connect_timeout: Period = 3.0
    timeout: Period = 1.0
    """Seconds from a request to its reply."""
    request_gap: Duration = 0.0
    """Seconds of silence between a reply and the next request."""
    after_connect: Duration = 0.0
    """Seconds between the connection and the first request."""
    in_flight: int = Field(default=1, ge=1, le=16)
    """Requests that may be open at once; more than 1 only where the device is known to allow it."""
    close_after_poll: bool = False
    """Give the connection back after each turn: for devices that serve one client only."""
    devices: tuple[DeviceSettings, ...]

    @property
    def endpoint(self) -> Endpoint:
        return parse_endpoint(self.url)

    @model_validator(mode="after")
    def _check(self) -> ModbusSettings:
        problems = []
        if not self.devices:
            problems.append(Problem(("devices",), "there is no device to poll", "name at least one"))
        units: dict[int, str] = {}
        names: set[str] = set()
        for index, device in enumerate(self.devices):
            if device.unit in units:
                text = f"unit {device.unit} is already {units[device.unit]}"
                problems.append(Problem(("devices", index, "unit"), text, "give each device its own unit id"))
            if device.device in names:
                text = f"there is already a device {device.device}"
                problems.append(Problem(("devices", index, "device"), text, "rename one of them"))
            units.setdefault(device.unit, device.device)
            names.add(device.device)
        if self.endpoint.framing == "rtu" and self.in_flight > 1:
            text = "RTU frames carry no transaction id, so one request may be open at a time"
            problems.append(Problem(("in_flight",), text, "remove `in_flight`"))
        refuse(problems)
        return self
