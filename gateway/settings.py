"""The settings of an edge, checked: its name, what it polls, where the records go."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from gateway.clock import CLOCK_HOLD
from gateway.delivery.limits import Limits
from gateway.history.settings import HistorySettings
from gateway.processors import ProcessorSettings
from gateway.sinks.mqtt import BROKER
from gateway.sources.modbus.settings import ModbusSettings
from gateway.spool.segment import MAX_EDGE_BYTES
from gateway.spool.settings import SpoolSettings
from qilu.config.error_texts import suggestion
from qilu.contract.accounting import PROFILES
from qilu.contract.display.units import DisplayUnit
from qilu.contract.limits import MAX_MESSAGE_BYTES, PlaceName, StoreName
from qilu.contract.profile import Label
from qilu.contract.topics import TopicName
from qilu.contract.units import ByteSize, Duration, Period
from qilu.contract.validation import FrozenModel, Problem, raise_problems, validation_error
from qilu.modbus_client.connect_limiter import MAX_CONCURRENT_CONNECTS
from qilu.mqtt.settings import MqttSettings
from qilu.web.settings import WebSettings


def _edge_name(name: str) -> str:
    if len(name.encode()) > MAX_EDGE_BYTES:
        raise validation_error(f"longer than {MAX_EDGE_BYTES} bytes of UTF-8", "choose a shorter name")
    return name


class TrustedStore(FrozenModel):
    """A store whose acknowledgements count."""

    name: StoreName
    """Its id."""
    key_file: Path | None = None
    """A file with the key of this edge for this store, a line each where there are two during a rotation.
    With it only signed acknowledgements count."""


class DeliverySettings(FrozenModel):
    """When a record counts as delivered, and how records travel."""

    free_on: Literal["store", "broker"] = "store"
    """`store`: kept until an ingester reports it as durable. `broker`: until the broker acknowledges it."""
    trusted_stores: tuple[StoreName | TrustedStore, ...] = ()
    """Stores that are trusted, each as its id or as `{name: ID, key_file: FILE}`; any one of them suffices.
    Needed with `free_on: store`."""
    batch_by: Literal["edge", "device"] = "edge"
    """One topic for the edge, or one for each device; records of one topic share messages."""
    linger: Duration = 0.1
    """Seconds that a live record may wait for others to travel with."""
    max_message_bytes: Annotated[ByteSize, Field(le=MAX_MESSAGE_BYTES // 2)] = 64_000
    """Bytes of records in one message, at most, and less where a broker ends the link at it; a longer record
    travels alone."""
    max_backlog_rate: Annotated[ByteSize, Field(gt=0)] | None = None
    """Bytes per second of late records, at most, where others need the line too; default: all it can take."""
    resend_timeout: Period = 10.0
    """Sent again at this age when a later one is stored; after three times this in any case."""

    @model_validator(mode="after")
    def _check(self) -> DeliverySettings:
        if self.free_on == "store" and not self.trusted_stores:
            text = "no store is trusted, so nothing would ever count as delivered"
            remedy = "name the store's id as `qilu ingest` prints it, or use `free_on: broker`"
            raise_problems([Problem(("trusted_stores",), text, remedy)])
        return self

    @property
    def trusted(self) -> tuple[str, ...]:
        """The ids whose answers count."""
        names = [store if isinstance(store, str) else store.name for store in self.trusted_stores]
        return tuple(names) if self.free_on == "store" else (BROKER,)

    @property
    def unsigned_stores(self) -> tuple[str, ...]:
        """The trusted stores whose acknowledgements need no signature."""
        return tuple(name for name in self.trusted if name != BROKER and name not in self.key_files)

    @property
    def key_files(self) -> dict[str, Path]:
        """Store -> the file of its keys, for those that have to sign."""
        stores = [store for store in self.trusted_stores if isinstance(store, TrustedStore)]
        return {store.name: store.key_file for store in stores if store.key_file is not None}

    @property
    def limits(self) -> Limits:
        return Limits(
            message=self.max_message_bytes,
            reorder_timeout=self.resend_timeout,
            ack_timeout=3 * self.resend_timeout,
        )


class DisplayUnitSettings(FrozenModel):
    """How values of a unit are shown: value * factor + offset."""

    unit: Annotated[str, Field(min_length=1, max_length=20)]
    """What stands behind the number."""
    factor: float = 1.0
    """What a value is multiplied by."""
    offset: float = 0.0
    """What is added after that."""


class ConsoleSettings(WebSettings):
    """The console of this edge in a browser, with its API and its metrics."""

    language: Literal["zh", "en"] | None = None
    """The language of the page; default: that of the browser."""
    display_units: Mapping[str, DisplayUnitSettings] = {}
    """Unit of a profile -> how its values are shown, in place of the usual unit of the language."""

    def units(self) -> Mapping[str, DisplayUnit]:
        """`display_units` as the tables of units have them."""
        return {
            name: DisplayUnit(shown.unit, shown.factor, shown.offset)
            for name, shown in self.display_units.items()
        }


class GatewaySettings(FrozenModel):
    """One edge: a file of these settings is all that `qilu gateway` needs."""

    edge: Annotated[TopicName, AfterValidator(_edge_name)]
    """Its name in topics, stores and logs; no two gateways of a broker have the same."""
    enterprise: PlaceName = ""
    """Whose machines these are; sent to the store with every reading."""
    site: PlaceName = ""
    """Where they stand; sent to the store with every reading."""
    label: Label = Label()
    """What people call this edge, as `{zh: TEXT, en: TEXT}`; shown beside its name."""
    profiles: Path | None = None
    """A folder of device profiles of your own; those that come with Qilu are known anyway."""
    spool: SpoolSettings
    """Where records are kept until a store reports them as durable."""
    mqtt: MqttSettings = MqttSettings()
    """The broker."""
    delivery: DeliverySettings
    """When a record counts as delivered, and how records travel."""
    processors: tuple[ProcessorSettings, ...] = ()
    """What happens to values before they are kept, one after the other."""
    lines: Mapping[PlaceName, Label] = {}
    """What people call the production lines, as `{LINE: {zh: TEXT, en: TEXT}}`; shown in place of it."""
    sources: tuple[ModbusSettings, ...] = Field(min_length=1)
    """The endpoints that are polled, with the devices behind them."""
    console: ConsoleSettings | None = None
    """The console in a browser: `{}` for 127.0.0.1:8080; default: none."""
    clock: Literal["steady", "synchronised"] = "steady"
    """Where no time service can be asked: `steady` believes a clock without steps, `synchronised` none."""
    clock_hold: Duration = CLOCK_HOLD
    """Seconds for which records wait for a system clock in doubt; then they are sent as uncertain."""
    history: HistorySettings | None = None
    """Readings that stay on this machine for charts and queries; without the key none do."""
    max_concurrent_connects: int = Field(default=MAX_CONCURRENT_CONNECTS, ge=1)
    """Endpoints that may be connected to at the same time; the others wait their turn."""
    status_interval: Period = 10.0
    """Seconds between two readings of the gateway's own state."""
    accounting_interval: Annotated[Period, Field(ge=1)] = 60.0
    """Length of one accounting interval, in seconds."""

    @property
    def history_folder(self) -> Path:
        """Where the local history is, if there is one."""
        directory = None if self.history is None else self.history.directory
        return directory or self.spool.directory.parent / "history"

    @model_validator(mode="after")
    def _check(self) -> GatewaySettings:
        problems = []
        seen: dict[str, str] = {self.edge: "the name of the edge, which reports its own health"}
        for number, source in enumerate(self.sources):
            for index, device in enumerate(source.devices):
                if device.device in seen:
                    text = f"{device.device} is already {seen[device.device]}"
                    place = ("sources", number, "devices", index, "device")
                    problems.append(Problem(place, text, "give every device of the edge its own name"))
                if device.profile in PROFILES:
                    text = f"{device.profile} is the profile of the edge's own health"
                    place = ("sources", number, "devices", index, "profile")
                    problems.append(Problem(place, text, "give the device's profile another name"))
                seen.setdefault(device.device, f"a device of {source.url}")
        places: dict[tuple[str, int], int] = {}
        for number, source in enumerate(self.sources):
            end = source.endpoint.host, source.endpoint.port
            if end in places:
                text = f"sources.{places[end]} is the same endpoint, and its devices share a connection"
                problems.append(Problem(("sources", number, "url"), text, "move its devices there"))
            places.setdefault(end, number)
        known = {device.line for source in self.sources for device in source.devices if device.line}
        problems += [
            Problem(("lines", line), "no device is on this line", suggestion(line, sorted(known)))
            for line in self.lines
            if line not in known
        ]
        if self.mqtt.links_to_all:
            remedy = "write hosts: [HOST, HOST]; it moves on where one has no ingester"
            problems.append(Problem(("mqtt", "hosts"), "a gateway has one link at a time", remedy))
        if self.delivery.free_on == "broker" and self.mqtt.protocol != "5":
            text = "by MQTT 3.1.1 a broker acknowledges also a message that it refuses: its records are lost"
            remedy = 'set `protocol: "5"`, or `delivery: {free_on: store}`'
            problems.append(Problem(("mqtt", "protocol"), text, remedy))
        raise_problems(problems)
        return self
