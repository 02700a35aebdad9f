"""What the user writes about equipment that speaks Modbus: one endpoint and the devices behind it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from qilu.config.tls import TlsSettings
from qilu.contract.limits import PlaceName
from qilu.contract.profile import Label, Name, ProfileName, ScaleNumber
from qilu.contract.topics import TopicName
from qilu.contract.units import Duration, Period
from qilu.contract.validation import FrozenModel, Problem, raise_problems
from qilu.modbus_client.endpoint import Endpoint, Framing, parse_endpoint
from qilu.modbus_client.local_echo import EchoSetting
from qilu.modbus_client.options import ClientOptions
from qilu.runtime.extras import missing_module

__all__ = ["DeviceSettings", "Endpoint", "Framing", "ModbusSettings", "Quirks", "parse_endpoint"]


def _url(url: str) -> str:
    parse_endpoint(url)
    return url


MAX_IN_FLIGHT = 16
"""Requests that may be open together on one connection."""


class DeviceSettings(FrozenModel):
    """One device behind an endpoint."""

    device: TopicName
    """Its name everywhere: in topics, stores and logs; unique on the edge."""
    unit_id: int = Field(default=1, ge=0, le=255)
    """Its unit id. Devices with one unit id are parts of one unit, each with a profile of its own."""
    profile: ProfileName
    """The device profile with its points."""
    label: Label = Label()
    """What people call it, as `{zh: TEXT, en: TEXT}`; shown beside its name."""
    line: PlaceName = ""
    """The production line it stands in."""
    place: PlaceName = ""
    """Where it stands, for whoever has to walk there."""
    parameters: Mapping[Name, ScaleNumber] = {}
    """This device's own numbers for the parameters of its profile."""
    poll_periods: Mapping[Name, Period] = {}
    """Poll group -> seconds, where they differ from the profile's."""
    timeout: Period | None = None
    """Seconds from a request to its reply, where it differs from the source's."""
    settling_polls: int = Field(default=0, ge=0, le=1000)
    """Successful polls after an offline period until values of the device count as good."""


class Quirks(FrozenModel):
    """What an endpoint does wrong and is forgiven: each of these takes a check away."""

    ignore_transaction_id: bool = False
    """Replies carry foreign transaction ids: a reply that arrives while one request is open belongs to it."""
    accepted_unit_ids: tuple[Annotated[int, Field(ge=0, le=255)], ...] = ()
    """Unit ids that its replies may carry in place of the one that was asked."""
    lenient_replies: bool = False
    """Modbus TCP: replies may have one byte too many, or announce it, and exceptions another function."""
    local_echo: EchoSetting = "auto"
    """RTU: whether the adapter returns every request before its reply; `auto` finds out."""


class ModbusSettings(FrozenModel):
    """One endpoint: one connection, which its devices share."""

    type: Literal["modbus"]
    url: Annotated[str, AfterValidator(_url)]
    """`tcp://HOST[:PORT]`, `rtu+tcp://HOST:PORT` or `rtu:///dev/ttyUSB0?baudrate=9600&parity=N&stopbits=1`;
    also `tls://HOST[:802]`, `udp://HOST[:PORT]`, `rtu+udp://HOST:PORT`, `ascii+tcp://HOST:PORT` and `ascii:///dev/ttyUSB0`."""
    tls: TlsSettings | None = None
    """Certificates of an endpoint `tls://`; default: trust the authorities of the system."""
    connect_timeout: Period = 3.0
    """Seconds that an attempt to connect may take."""
    timeout: Period = 1.0
    """Seconds from a request to its reply."""
    retries: int = Field(default=1, ge=0, le=5)
    """How often a request to a unit in service is repeated in the same poll cycle after a timeout."""
    message_spacing: Duration = 0.0
    """Seconds between a reply and the next request."""
    connect_delay: Duration = 0.0
    """Seconds between the connection and the first request."""
    max_in_flight: int = Field(default=1, ge=1, le=MAX_IN_FLIGHT)
    """Requests that may be open at once; more than 1 only where the device is known to allow it."""
    close_after_poll: bool = False
    """Give the connection back after each poll: for devices that serve one client only."""
    quirks: Quirks = Quirks()
    """What its replies have wrong and is forgiven."""
    devices: tuple[DeviceSettings, ...]
    """Those behind it, each with a unit id of its own."""

    @property
    def endpoint(self) -> Endpoint:
        return parse_endpoint(self.url)

    @property
    def client_options(self) -> ClientOptions:
        """What the Modbus client needs to know of this."""
        quirks = self.quirks
        return ClientOptions(
            self.url,
            self.timeout,
            self.connect_timeout,
            self.connect_delay,
            self.tls or TlsSettings(),
            self.max_in_flight,
            quirks.ignore_transaction_id,
            frozenset(quirks.accepted_unit_ids),
            quirks.local_echo,
            quirks.lenient_replies,
        )

    @model_validator(mode="after")
    def _check(self) -> ModbusSettings:
        problems = []
        if not self.devices:
            problems.append(Problem(("devices",), "there is no device to poll", "name at least one"))
        units: dict[int, str] = {}
        known: set[tuple[int, str]] = set()
        names: set[str] = set()
        for index, device in enumerate(self.devices):
            if (device.unit_id, device.profile) in known:
                text = (
                    f"unit {device.unit_id} with profile {device.profile} is already {units[device.unit_id]}"
                )
                remedy = "give each device its own unit id, or its own part of the unit as a profile"
                problems.append(Problem(("devices", index, "unit_id"), text, remedy))
            known.add((device.unit_id, device.profile))
            if device.device in names:
                text = f"there is already a device {device.device}"
                problems.append(Problem(("devices", index, "device"), text, "rename one of them"))
            units.setdefault(device.unit_id, device.device)
            names.add(device.device)
        raise_problems([*problems, *self._unanswerable(units)])
        return self

    def _unanswerable(self, units: Mapping[int, str]) -> list[Problem]:
        """Settings with which a reply could be taken for another's."""
        problems = []
        if self.max_in_flight > 1 and self.endpoint.framing != "tcp":
            framing = self.endpoint.framing.upper()
            text = f"{framing} frames carry no transaction id, so one request may be open at a time"
            problems.append(Problem(("max_in_flight",), text, "remove `max_in_flight`"))
        elif self.max_in_flight > 1 and self.quirks != Quirks():
            text = "with quirks, one request may be open at a time: replies could not be distinguished"
            problems.append(Problem(("max_in_flight",), text, "remove `max_in_flight`, or the quirks"))
        whole = self.endpoint.framing != "tcp" or self.endpoint.transport == "udp"
        if self.quirks.lenient_replies and whole:
            text = "a reply here ends with its checksum or its datagram, so none is too long"
            problems.append(Problem(("quirks", "lenient_replies"), text, "remove `lenient_replies`"))
        if self.endpoint.framing == "ascii" and (missing := missing_module("pymodbus")) is not None:
            problems.append(Problem(("url",), missing.problem, missing.remedy or ""))
        if self.tls is not None and self.endpoint.transport != "tls":
            text = f"{self.url} is not encrypted"
            problems.append(Problem(("tls",), text, "write tls://HOST:PORT as url, or remove `tls`"))
        for index, unit in enumerate(self.quirks.accepted_unit_ids):
            if unit in units and len(units) > 1:
                text = f"unit {unit} is {units[unit]}, whose replies would be taken for those of others"
                remedy = "remove it, or give that device an endpoint of its own"
                problems.append(Problem(("quirks", "accepted_unit_ids", index), text, remedy))
        return problems
