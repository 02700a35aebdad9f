"""The keys of a device profile, each with its type and default."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, WithJsonSchema

from qilu.contract.profile.point import Address, Copies, Label, Point, table_in_address
from qilu.contract.profile.point_rules import CheckedPoint
from qilu.contract.profile.types import DEFAULT_GROUP, Name, Order, ProfileName, ScaleNumber, Table, WordOrder
from qilu.contract.units import Duration, Period
from qilu.contract.validation import FrozenModel

STANDARD_REGISTERS, STANDARD_BITS = 125, 2000
"""What one read may ask; source: MODBUS Application Protocol Specification V1.1b3, sections 6.1 to 6.4."""


class AddressRange(FrozenModel):
    """Addresses of one table from `first` to `last`, both included, zero-based."""

    model_config = ConfigDict(json_schema_extra=table_in_address)

    table: Table
    """Not needed where addresses name it, as Modicon's do."""
    first: Address = Field(ge=0, le=65535)
    last: Address = Field(ge=0, le=65535)

    def overlaps(self, table: Table, first: int, last: int) -> bool:
        """True when it shares an address with `first` to `last` of `table`."""
        return self.table is table and self.first <= last and first <= self.last

    def holds(self, point: Point) -> bool:
        """True when every address of the point is in it."""
        return self.table is point.table and self.first <= point.address and point.last <= self.last


def _moved(ranges: Iterable[AddressRange], by: int) -> tuple[AddressRange, ...]:
    return tuple(
        AddressRange(table=each.table, first=each.first + by, last=each.last + by) for each in ranges
    )


class DeviceLimits(FrozenModel):
    """What one request to the device may ask; the defaults are the limits of the Modbus specification."""

    max_registers: int = Field(default=STANDARD_REGISTERS, ge=1, le=1000)
    """Registers in one read. More than 125 only where the manual allows it, and over Modbus TCP only."""
    max_bits: int = Field(default=STANDARD_BITS, ge=1, le=16_000)
    """Coils or discrete inputs in one read. More than 2000 likewise."""
    max_gap: int | None = Field(default=None, ge=0, le=65535)
    """Addresses between points that are read through, at most; by default as many as it is worth."""
    message_spacing: Duration = 0.0
    """Seconds between a reply and the next request."""
    unreadable: tuple[AddressRange, ...] = ()
    """Addresses that no request may touch, not even to read what stands around them in one go."""
    read_whole: tuple[AddressRange, ...] = ()
    """Addresses that one request has to read exactly so: any other read of them brings wrong values."""

    def max_block(self, table: Table) -> int:
        """How many addresses of `table` one read may ask."""
        return self.max_bits if table.holds_bits else self.max_registers

    def standard_block(self, table: Table) -> int:
        """The same on a serial line, whose frames have room for the limits of the specification only."""
        return min(self.max_block(table), STANDARD_BITS if table.holds_bits else STANDARD_REGISTERS)

    @property
    def max_reply_bytes(self) -> int:
        """Bytes of the longest reply to a read, without its function and byte count."""
        return max(2 * self.max_registers, (self.max_bits + 7) // 8)


class Structure(Copies):
    """Points that stand in the registers several times, such as those of each of 12 strings of panels.

    Where one of them refers to another of them (`overlaps`, `scale`), its copy refers to the other's copy.
    """

    points: tuple[CheckedPoint, ...] = Field(min_length=1)
    """Those of the first copy."""


def _points_or_structures(schema: dict[str, Any]) -> None:
    schema["required"].remove("points")


class ProfileFile(FrozenModel):
    """The keys of a device profile."""

    model_config = ConfigDict(json_schema_extra=_points_or_structures)

    profile: ProfileName
    """Also its file's name, and the measurement in a store."""
    title: Label = Label()
    """For people."""
    source: str = ""
    """Where the register map is from."""
    addressing: Annotated[
        Literal["zero_based"], WithJsonSchema({"enum": ["zero_based", "modicon"], "default": "zero_based"})
    ] = "zero_based"
    """A file may use `modicon`; its addresses are translated when it is read."""
    byte_order: Order = "big"
    word_order: WordOrder = "big"
    """Both orders are the defaults of the points."""
    limits: DeviceLimits = DeviceLimits()
    """What one request may ask of the device."""
    parameters: Mapping[Name, ScaleNumber] = {}
    """Names and defaults; the gateway's settings may set them for each device."""
    groups: Mapping[Name, Period] = Field(default={DEFAULT_GROUP: 1.0}, min_length=1)
    """Poll group -> seconds; the first one is the default of the points."""
    locate: Literal["sunspec"] | None = None
    """`sunspec`: where `identity` reads wrong, the model is searched by a walk over all models."""
    points: tuple[CheckedPoint, ...]
    """All that can be read or written; a profile needs them or `structures`."""
    structures: tuple[Structure, ...] = ()
    """Points that stand there several times; they are spelled out and follow `points` when it is read."""

    def point(self, name: str) -> Point:
        """The point of this name; KeyError when there is none."""
        for point in self.points:
            if point.name == name:
                return point
        raise KeyError(name)

    def moved(self, by: int) -> Self:
        """The same map, so many addresses further; ValueError where that is no address."""
        points = tuple(point.model_copy(update={"address": point.address + by}) for point in self.points)
        if not all(point.address >= 0 and point.last < 65536 for point in points):
            raise ValueError(f"moved by {by}, points of {self.profile} have no address")
        move = {
            "unreadable": _moved(self.limits.unreadable, by),
            "read_whole": _moved(self.limits.read_whole, by),
        }
        return self.model_copy(update={"points": points, "limits": self.limits.model_copy(update=move)})

    def points_of(self, group: str) -> tuple[Point, ...]:
        """The points that are read in `group`, in the order of the file."""
        return tuple(point for point in self.points if point.readable and point.group == group)
