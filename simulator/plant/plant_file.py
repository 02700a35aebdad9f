"""The keys of a plant's file: its machines, where they listen, what feeds what, and the shifts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from typing import Annotated, Literal, NamedTuple

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from qilu.contract.display.names import numbered
from qilu.contract.limits import PlaceName
from qilu.contract.profile import Label, Name
from qilu.contract.units import Duration, Period, format_duration
from qilu.contract.validation import FrozenModel, Problem, display, raise_problems, validation_error
from qilu.web.settings import WebSettings, on_port
from simulator.network_faults.catalogue import AnyNetworkFault
from simulator.playback.settings import PlaybackSettings
from simulator.sensors.settings import Quality, Sensors
from simulator.serving.settings import Framing, IdentitySettings, LatencySettings, SerialSettings
from simulator.signals.settings import AnySignal

DeviceName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=64)]
MAX_STEP = 10.0
LAST_UNIT = 247  # the last address of the Modbus specification


def parse_time_of_day(text: object) -> int:
    """Minutes since midnight of "HH:MM", up to 24:00."""
    hours, _, minutes = str(text).partition(":")
    if not (
        hours.isdecimal()
        and minutes.isdecimal()
        and int(minutes) < 60
        and int(hours) * 60 + int(minutes) <= 1440
    ):
        raise validation_error(f"{display(text)} is not a time of day", 'write "HH:MM", such as "08:00"')
    return int(hours) * 60 + int(minutes)


TimeOfDay = Annotated[
    int,
    BeforeValidator(parse_time_of_day),
    WithJsonSchema({"type": "string", "pattern": r"^\d{1,2}:\d{2}$", "examples": ["08:00"]}),
]


def _host(host: str) -> str:
    """Nothing would be every address of the machine, for all its network to write to."""
    if not host:
        raise validation_error(
            "is empty", "give 127.0.0.1 for this machine alone, or 0.0.0.0 for its network too"
        )
    return host


Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class DailyPeriod(FrozenModel):
    """A part of the day; `end` at or before `start` is on the next day."""

    start: TimeOfDay
    """Time of day at which it starts, such as "08:00"."""
    end: TimeOfDay
    """Time of day at which it ends; at or before `start` on the next day."""
    days: tuple[Weekday, ...] = WEEKDAYS
    """Days on which it starts; default: all."""

    def holds(self, minute: float, weekday: int) -> bool:
        """Whether a minute of the day (0 to 1440) is in it; weekday: 0 is Monday."""
        today, yesterday = (WEEKDAYS[(weekday - ago) % 7] in self.days for ago in (0, 1))
        if self.start < self.end:
            return today and self.start <= minute < self.end
        return (today and minute >= self.start) or (yesterday and minute < self.end)


class MachineSettings(FrozenModel):
    """One machine of the plant, or with `replicas` a row of the same: NAME-1, NAME-2 and so on."""

    device: DeviceName
    """Its name."""
    machine: str
    """The name of its device profile; where the simulator has physics of that name, they move its points."""
    map: str = ""
    """The device profile under whose registers it is served; default: the one of its own name."""
    port: int = Field(default=0, ge=1, le=65535)
    """Of TCP; 0 stands for none, where there is a serial line."""
    serial: SerialSettings | None = None
    """The serial line on which it speaks RTU, in place of a port."""
    framing: Framing = "tcp"
    """Of the port: Modbus TCP, or RTU frames over TCP. All devices of a port have the same."""
    unit_id: int = Field(default=1, ge=0, le=255)
    """Its unit id."""
    label: Label = Label()
    """What people call it, as `{zh: TEXT, en: TEXT}`; replicas have their number behind it."""
    ignore_unit_id: bool = False
    """Whether it replies to every unit id, as many TCP devices do; it is then alone on its port."""
    readable_addresses: int = Field(default=0, ge=0, le=65536)
    """So many addresses of each table, from 0 on, can be read; those without a point read 0."""
    line: str = ""
    """The production line it stands in."""
    place: PlaceName = ""
    """Where it stands, for whoever has to walk there."""
    replicas: int | None = Field(default=None, ge=1, le=100_000)
    """So many of it, with names from DEVICE-1 on."""
    units_per_port: int = Field(default=LAST_UNIT, ge=1, le=LAST_UNIT)
    """Replicas have ascending unit ids; after so many the next port follows, again with `unit_id`."""
    feeds: tuple[str, ...] = ()
    """Devices, rows of replicas or lines that it supplies, or whose consumption it measures as a meter."""
    writable: bool = True
    """Whether clients may write; else every write is refused."""
    latency: LatencySettings | None = None
    """How long it takes before it carries a request out; default: no time."""
    identity: IdentitySettings = IdentitySettings()
    """Its device identification (function 43/14)."""
    parameters: Mapping[Name, float] = {}
    """Constants of its physics, and scales of its registers, that are not the default."""
    signals: Mapping[Name, AnySignal] = {}
    """How points move, for a machine without physics of its own; other points have defaults."""
    playback: PlaybackSettings | None = None
    """A recording that it shows in place of physics; points that it does not have move by signals."""
    sensors: Sensors | None = None
    """`real`, `ideal`, or by point the numbers of its sensor; default: those of the plant."""
    network_faults: tuple[AnyNetworkFault, ...] = ()
    """What its wire does wrong, as docs/faults.md explains."""

    @property
    def profile(self) -> str:
        """The name of the device profile under which it is served."""
        return self.map or self.machine

    @property
    def wire_place(self) -> int | str:
        """The port at which its first device is, or the path of its serial line."""
        return self.port if self.serial is None else str(self.serial.path)

    @model_validator(mode="after")
    def _check(self) -> MachineSettings:
        if self.port and self.serial is not None:
            raise_problems([Problem(("serial",), "a port is given too", "leave one of them out")])
        if not self.port and self.serial is None:
            remedy = "give a free TCP port such as 5020, or a serial line"
            raise_problems([Problem(("port",), "is missing", remedy)])
        return self


class BufferSettings(FrozenModel):
    """A place for parts between the machines `after` which and `before` which it stands."""

    after: tuple[str, ...] = ()
    """Devices, rows of replicas or lines that fill it; without any, it is only emptied."""
    before: tuple[str, ...] = ()
    """Those that empty it; without any, it is only filled."""
    capacity: int = Field(ge=1)
    """Parts for which it has room."""
    filled: int = Field(default=0, ge=0)
    """Parts in it when the plant starts."""

    @model_validator(mode="after")
    def _check(self) -> BufferSettings:
        if self.filled > self.capacity:
            raise validation_error(
                f"{self.filled} parts do not fit into {self.capacity} places", "fill it with fewer"
            )
        return self


class VoltageDipSettings(FrozenModel):
    """The mains voltage is lower by `depth` (a share) for a while; every machine of the plant sees it."""

    start: Duration
    """Simulated time since the start of the plant."""
    duration: Period
    """How long it lasts."""
    depth: float = Field(gt=0, lt=1)
    """The share of its voltage that the mains lose."""


Growth = Literal["linear", "quadratic", "exponential", "intermittent"]
GROWTHS: tuple[Growth, ...] = ("linear", "quadratic", "exponential", "intermittent")


class FaultSettings(FrozenModel):
    """A fault of one device; times are simulated ones since the start of the plant."""

    device: str
    """What it strikes: a device, a row of replicas or a line."""
    fault: str
    """One of its model, of a sensor, or `reboot`."""
    start: Duration
    """When it starts to grow."""
    ramp: Duration = 0.0
    """How long it grows, until it has its full severity."""
    growth_shape: Growth = "quadratic"
    """How the fault of a machine grows over its ramp; `intermittent` comes and goes, ever more often."""
    duration: Period | None = None
    """From its start to its repair; without it, it stays."""
    severity: float = Field(default=1.0, gt=0, le=1)
    """How bad it becomes; 1 is as bad as it can be."""
    point: str | None = None
    """For faults of a sensor."""
    magnitude: float | None = None
    """Of a drift after its ramp and of spikes in the point's unit; the number of a stuck bit."""

    @model_validator(mode="after")
    def _check(self) -> FaultSettings:
        if self.duration is not None and self.duration < self.ramp:
            over, ramp = format_duration(self.duration), format_duration(self.ramp)
            text = f"it is over after {over}, and grows for {ramp}"
            remedy = "give a longer duration or a shorter ramp, or a lower severity"
            raise_problems([Problem(("duration",), text, remedy)])
        return self


class DevicePlacement(NamedTuple):
    """One device of the plant after replicas are counted out; `entry` is the index of its settings."""

    # port 0: on the serial line of its settings

    device: str
    port: int
    unit: int
    settings: MachineSettings
    entry: int
    label: Label


class PlantFile(FrozenModel):
    """The keys of a plant's file."""

    plant: str = "plant"
    """Its name, for people."""
    seed: int = 0
    """Another one makes other machines of the same kinds, and other noise."""
    step: Annotated[Period, Field(le=MAX_STEP)] = 0.1
    """Simulated seconds in one tick."""
    speed: float = Field(default=1.0, gt=0, le=10_000)
    """Simulated seconds in one real second."""
    start: datetime = datetime(2026, 6, 22, 8, 0)  # noqa: DTZ001  # the plant's own local time
    """The plant's own local time at its start."""
    host: Annotated[str, AfterValidator(_host)] = "127.0.0.1"
    """The address at which it listens; 0.0.0.0 lets the whole network in."""
    shifts: tuple[DailyPeriod, ...] = ()
    """When people work; without any the plant works day and night."""
    breaks: tuple[DailyPeriod, ...] = ()
    """When nobody works in a shift."""
    holidays: tuple[date, ...] = ()
    """Days on which nobody works, such as 2026-10-01."""
    control: Annotated[int, Field(ge=1, le=65535)] | WebSettings | None = None
    """A port of this machine alone at which `qilu plant` and a browser find the running plant, or
    `{listen: HOST:PORT, ...}` as for every page."""
    lines: Mapping[str, Label] = {}
    """What people call the production lines, as `{LINE: {zh: TEXT, en: TEXT}}`; shown in place of it."""
    sensors: Quality = "real"
    """`real`: readings have the noise, the lag and the drift of usual sensors; `ideal`: they are true."""
    machines: tuple[MachineSettings, ...] = Field(min_length=1)
    """All that it has."""
    buffers: tuple[BufferSettings, ...] = ()
    """Places for parts between machines."""
    faults: tuple[FaultSettings, ...] = ()
    """What goes wrong in machines and sensors."""
    network_faults: tuple[AnyNetworkFault, ...] = ()
    """What the wires of whole ports, or of all, do wrong."""
    voltage_dips: tuple[VoltageDipSettings, ...] = ()
    """When the voltage of the mains is low."""

    @property
    def control_settings(self) -> WebSettings | None:
        """Where the plant is controlled; None: nowhere."""
        return on_port(self.control) if isinstance(self.control, int) else self.control

    def placed(self) -> Iterator[DevicePlacement]:
        """Every device with its port and unit id, in the order of the file."""
        for entry, machine in enumerate(self.machines):
            if machine.replicas is None:
                yield DevicePlacement(
                    machine.device, machine.port, machine.unit_id, machine, entry, machine.label
                )
                continue
            per_port = min(machine.units_per_port, LAST_UNIT + 1 - max(machine.unit_id, 1))
            for index in range(machine.replicas):
                port, unit = machine.port + index // per_port, machine.unit_id + index % per_port
                if machine.serial is not None:
                    port, unit = 0, machine.unit_id + index
                label = numbered(machine.label, index + 1)
                yield DevicePlacement(f"{machine.device}-{index + 1}", port, unit, machine, entry, label)

    def devices_of(self, names: Iterable[str]) -> frozenset[str]:
        """The devices that are meant by names of devices, rows of replicas and lines."""
        named = set(names)
        return frozenset(
            placed.device
            for placed in self.placed()
            if named & {placed.device, placed.settings.device, placed.settings.line}
        )

    def fed_by(self, machine: MachineSettings) -> frozenset[str]:
        """The devices that a machine feeds, itself and its replicas never among them."""
        own = {placed.device for placed in self.placed() if placed.settings is machine}
        return self.devices_of(machine.feeds) - own
