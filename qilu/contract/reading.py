"""What a machine reported: values with their time and their quality, and the place of the machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

Value = float | int | bool | str | None
"""One decoded value; None where there is none to trust."""


class Quality(StrEnum):
    """How far a value can be trusted, in the words of OPC UA."""

    GOOD = "good"
    UNCERTAIN = "uncertain"
    BAD = "bad"


class Reason(StrEnum):
    """Why a value is not good; `code` is what a store keeps in `<point>__q`."""

    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    ILLEGAL_ADDRESS = "illegal_address"
    ILLEGAL_FUNCTION = "illegal_function"
    DEVICE_FAILURE = "device_failure"
    DEVICE_BUSY = "device_busy"
    GATEWAY_PATH = "gateway_path"
    PROTOCOL_ERROR = "protocol_error"
    SENTINEL = "sentinel"
    OUT_OF_LIMITS = "out_of_limits"
    NOT_A_NUMBER = "not_a_number"
    UNDECODABLE = "undecodable"
    INTERNAL_ERROR = "internal_error"
    NOT_POLLED = "not_polled"
    CLOCK_UNCERTAIN = "clock_uncertain"
    RESTARTED = "restarted"
    """The device came back a moment ago, and its values are not trusted yet."""
    STALE = "stale"
    """It did not change for so long that it may be frozen."""

    @property
    def code(self) -> int:
        """The number of this reason in a store: 1 and up; 0 would mean good and is never written."""
        return _CODES[self]

    @property
    def quality(self) -> Quality:
        """UNCERTAIN keeps its value, BAD has none."""
        return Quality.UNCERTAIN if self in _UNCERTAIN else Quality.BAD

    @classmethod
    def of_code(cls, code: int) -> Reason:
        """The reason with this number; ValueError when there is none."""
        try:
            return _REASONS[code]
        except KeyError:
            raise ValueError(f"{code} is not the code of a reason") from None


# Written out, not enumerated: a store keeps these numbers for years.
_CODES: Mapping[Reason, int] = {
    Reason.TIMEOUT: 1,
    Reason.UNREACHABLE: 2,
    Reason.ILLEGAL_ADDRESS: 3,
    Reason.ILLEGAL_FUNCTION: 4,
    Reason.DEVICE_FAILURE: 5,
    Reason.DEVICE_BUSY: 6,
    Reason.GATEWAY_PATH: 7,
    Reason.PROTOCOL_ERROR: 8,
    Reason.SENTINEL: 9,
    Reason.OUT_OF_LIMITS: 10,
    Reason.NOT_A_NUMBER: 11,
    Reason.UNDECODABLE: 12,
    Reason.INTERNAL_ERROR: 13,
    Reason.NOT_POLLED: 14,
    Reason.CLOCK_UNCERTAIN: 15,
    Reason.RESTARTED: 16,
    Reason.STALE: 17,
}
_UNCERTAIN = frozenset((Reason.CLOCK_UNCERTAIN, Reason.STALE))
_REASONS: Mapping[int, Reason] = {code: reason for reason, code in _CODES.items()}

ALL_GOOD: Mapping[int, Reason] = MappingProxyType({})
"""The one shared `reasons` of every reading in which all values are good."""


class DeviceKey(NamedTuple):
    """What identifies a device: two edges may each have one of the same name, and these are two machines."""

    edge: str
    device: str

    def __str__(self) -> str:
        return f"{self.edge}/{self.device}"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where readings come from; a store makes these its tags. Empty text means: not given."""

    edge: str
    device: str
    profile: str
    enterprise: str = ""
    site: str = ""
    line: str = ""

    @property
    def key(self) -> DeviceKey:
        """The device without what may change: its profile and its place."""
        return DeviceKey(self.edge, self.device)


@dataclass(frozen=True, slots=True, weakref_slot=True)
class BlockSchema:
    """What the values of a reading mean: built once with the read plan, shared by all its readings.

    What others keep for each of them belongs into weak mappings, so that it lasts as long as they do.
    """

    origin: Origin
    group: str
    points: tuple[str, ...]


class Reading(NamedTuple):  # made for every block of every turn: three times as fast as a frozen dataclass
    """One block of one device at one instant.

    `time_ms` is UTC, the middle between request and reply. `values` has one entry per `columns.points`.
    `reasons` is sparse: index of a value -> why it is not good. A value of BAD quality is None.
    """

    columns: BlockSchema
    time_ms: int
    values: tuple[Value, ...]
    reasons: Mapping[int, Reason] = ALL_GOOD

    def quality(self, index: int) -> Quality:
        """The quality of the value at `index`."""
        reason = self.reasons.get(index)
        return Quality.GOOD if reason is None else reason.quality


class TimeTrust(StrEnum):
    """How far the clock can be trusted that gave readings their time."""

    KNOWN = "known"
    HELD = "held"
    """In doubt, and not for long: the times are provisional and not sent before they are corrected."""
    UNCERTAIN = "uncertain"
    """In doubt for so long that the readings are sent, marked as `clock_uncertain`."""


class EpochTag(NamedTuple):
    """A stretch of time without a step of the clock; the times of a poll are all of one epoch.

    `number` is the monotonic time at its begin in ms, 1 or more, different for each epoch of a process;
    `offset_ms`: the UTC of the epoch minus the monotonic time.
    """

    number: int
    trust: TimeTrust
    offset_ms: int


class Poll(NamedTuple):
    """One poll group of one device, one turn of its schedule; becomes one record of the spool.

    `due_ms` is UTC, when the schedule wanted it. `readings` has at least one entry, and all of them share
    their origin and group. `skipped` polls before it were missed; a record does not have them.
    `epoch` is the one of all its times, None where that is of no interest.
    """

    due_ms: int
    readings: tuple[Reading, ...]
    skipped: int = 0
    epoch: EpochTag | None = None

    @property
    def origin(self) -> Origin:
        return self.readings[0].columns.origin

    @property
    def size(self) -> int:
        """How many values it carries, good or not: what performance and completeness are counted in."""
        return sum(len(reading.values) for reading in self.readings)
