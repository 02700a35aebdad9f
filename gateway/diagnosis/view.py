"""The view: what a gateway is doing at one instant, frozen. Data only; `gateway.diagnosis.observer` makes it.

Times are ms (UTC) by the clock of the edge, 0 where they are not known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from gateway.interfaces import Blockage
from qilu.contract.ack_codes import AckCode
from qilu.contract.profile import Label
from qilu.contract.reading import Reason, TimeTrust

NO_LABEL = Label()
"""Of what has only its id."""


class Level(StrEnum):
    NORMAL = "normal"
    WARNING = "warning"
    FAULT = "fault"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class DeviceView:
    """One device. `online` is None before its first poll; `reason` is why it is offline, since `since_ms`."""

    device: str
    label: Label = NO_LABEL
    place: str = ""
    line: str = ""
    line_label: Label = NO_LABEL
    profile: str = ""
    endpoint: str = ""
    """Host and port, or the path of a serial port."""
    serial: bool = False
    unit_id: int = 1
    points: int = 0
    period_s: float = 0.0
    """Of its fastest poll group."""
    online: bool | None = True
    since_ms: int = 0
    reason: Reason | None = None
    out_of_limits: Sequence[str] = ()
    """Points whose last value was out of the limits of the profile; empty where nobody watches values."""
    refused_points: int = 0
    """Points that the device refused of late, so that they are not polled."""


@dataclass(frozen=True, slots=True)
class BrokerView:
    """The link to the broker; `since_ms`: when it was connected or disconnected."""

    connected: bool = True
    address: str = ""
    since_ms: int = 0
    access_refused: bool = False
    """The broker refused the user, the password or the certificate."""
    problem: str = ""
    disconnects: int = 0


@dataclass(frozen=True, slots=True)
class StoreView:
    """One trusted store. `last_ack_ms` is 0 when it has not acknowledged anything since the start."""

    store: str
    last_ack_ms: int = 0
    announced: bool = False
    """An ingester of the store announced itself on this link."""


@dataclass(frozen=True, slots=True)
class SpoolView:
    records: int = 0
    size_bytes: int = 0
    max_bytes: int = 0
    hours_left: float | None = None
    """Until a bound, with what was collected of late; None where that is not known."""
    oldest_age_s: float = 0.0
    blocked: Blockage | None = None
    blocked_since_ms: int = 0
    drops_oldest: bool = True
    dropped: int = 0
    dropped_recently: int = 0
    """In the last ten minutes."""
    held: int = 0
    quarantined: int = 0
    quarantined_recently: int = 0
    quarantine_dropped: int = 0
    deferred: Mapping[AckCode, int] = field(default_factory=dict)
    rejections: Mapping[AckCode, int] = field(default_factory=dict)
    """Code -> records rejected with it since the start."""

    @property
    def used_share(self) -> float:
        """Of `max_bytes`, 0 to 1."""
        return self.size_bytes / self.max_bytes if self.max_bytes else 0.0


@dataclass(frozen=True, slots=True)
class GatewayView:
    edge: str
    now_ms: int
    started_ms: int = 0
    devices: Sequence[DeviceView] = ()
    broker: BrokerView = BrokerView()
    stores: Sequence[StoreView] = ()
    spool: SpoolView = SpoolView()
    clock: TimeTrust = TimeTrust.KNOWN
    clock_since_ms: int = 0
    frees_on_broker: bool = False
    waiting_since_ms: int = 0
    """Since when records wait for an acknowledgement while the broker is connected; 0: none does."""
    ack_timeout_s: float = 30.0
    """After which an acknowledgement is late."""
    last_durable_ms: int = 0
    durable_records: int = 0
    durable_delay_s: float | None = None
    """Median time of recent records from the poll until they were durable."""
    skipped_recently: int = 0
    """Polls in the last ten minutes that did not take place, because the endpoint was still busy."""
    busiest_endpoint: str = ""
    """Where most of these were skipped."""
    polls: int = 0
    values: int = 0
    polls_per_s: float = 0.0

    @property
    def uptime_s(self) -> float:
        """Seconds since it started to collect."""
        return max(self.now_ms - self.started_ms, 0) / 1000
