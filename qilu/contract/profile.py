"""The device profile: what one model of machine says, and where in its registers it says it."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, model_validator

from qilu.contract import profile_checks
from qilu.contract.invalid import Loc, invalid, refuse
from qilu.contract.quantities import Duration, Period

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=64)]
ProfileName = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=64)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
# Within these bounds scaling any value of 64 bits can neither overflow nor divide by zero.
ScaleNumber = Annotated[float, Field(allow_inf_nan=False, ge=-1e30, le=1e30)]
Order = Literal["big", "little"]

DEFAULT_GROUP = "default"


class Model(BaseModel):
    """The ground of all models here: never changed after it was read, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Table(StrEnum):
    """The four address spaces of a Modbus device, in the words of its specification."""

    COIL = "coil"
    DISCRETE = "discrete"
    INPUT = "input"
    HOLDING = "holding"

    @property
    def holds_bits(self) -> bool:
        """True where one address is one bit, False where it is a register of 16."""
        return self in (Table.COIL, Table.DISCRETE)

    @property
    def can_be_written(self) -> bool:
        return self in (Table.COIL, Table.HOLDING)


class DataType(StrEnum):
    """How a value is laid out in registers; bool is also one bit of the tables of bits."""

    BOOL = "bool"
    UINT16 = "uint16"
    INT16 = "int16"
    UINT32 = "uint32"
    INT32 = "int32"
    UINT64 = "uint64"
    INT64 = "int64"
    FLOAT32 = "float32"
    FLOAT64 = "float64"
    STRING = "string"

    @property
    def bits(self) -> int:
        """Bits of one value; 0 for a string, whose length the point tells."""
        return 1 if self is DataType.BOOL else 8 * struct.calcsize(f">{self.struct_code}")

    @property
    def struct_code(self) -> str:
        """The code of the number in a format of `struct`; empty for bool and string."""
        return _STRUCT_CODES.get(self, "")

    @property
    def is_integer(self) -> bool:
        return "int" in self.value

    @property
    def is_float(self) -> bool:
        return "float" in self.value


_STRUCT_CODES = {
    DataType.UINT16: "H",
    DataType.INT16: "h",
    DataType.UINT32: "I",
    DataType.INT32: "i",
    DataType.UINT64: "Q",
    DataType.INT64: "q",
    DataType.FLOAT32: "f",
    DataType.FLOAT64: "d",
}


class Label(Model):
    """A text for people, in English and Chinese; a plain text in the file is English."""

    en: str = ""
    zh: str = ""

    @model_validator(mode="before")
    @classmethod
    def _accept_text(cls, raw: Any) -> Any:
        return {"en": raw} if isinstance(raw, str) else raw

    def __str__(self) -> str:
        return self.en or self.zh

    def text(self, language: Literal["en", "zh"]) -> str:
        """The text in `language`, else in the other one, else empty."""
        return (self.zh or self.en) if language == "zh" else (self.en or self.zh)


class ParameterRef(Model):
    """A number that each device may have differently, such as the ratio of a current transformer."""

    parameter: Name


def _factor_kind(raw: object) -> str:
    return "reference" if isinstance(raw, Mapping | ParameterRef) else "number"


def _reject_bool(raw: object) -> object:
    if isinstance(raw, bool):
        raise invalid(f"{str(raw).lower()} is not a number")
    return raw


Factor = Annotated[
    Annotated[ScaleNumber, BeforeValidator(_reject_bool), Tag("number")]
    | Annotated[ParameterRef, Tag("reference")],
    Discriminator(_factor_kind),
]


class Limits(Model):
    """Engineering values outside of these are bad, reason out_of_limits; the bounds themselves are good."""

    min: Finite | None = None
    max: Finite | None = None


class AddressRange(Model):
    """Addresses of one table from `first` to `last`, both included, zero-based."""

    table: Table
    first: int = Field(ge=0, le=65535)
    last: int = Field(ge=0, le=65535)

    def meets(self, table: Table, first: int, last: int) -> bool:
        """True when it shares an address with `first` to `last` of `table`."""
        return self.table is table and self.first <= last and first <= self.last


class DeviceLimits(Model):
    """What one request to the device may ask; the defaults are the limits of the Modbus specification."""

    max_registers: int = Field(default=125, ge=1, le=125)
    max_bits: int = Field(default=2000, ge=1, le=2000)
    request_gap: Duration = 0.0
    """Seconds of silence between a reply and the next request."""
    no_read: tuple[AddressRange, ...] = ()

    def max_block(self, table: Table) -> int:
        """How many addresses of `table` one read may ask."""
        return self.max_bits if table.holds_bits else self.max_registers


class Point(Model):
    """One value of a machine. Orders, group and kind are filled in when it is read as part of a profile."""

    name: Name
    label: Label = Label()
    table: Table
    address: int
    """Zero-based, also where the file has it in Modicon's notation."""
    type: DataType
    length: int | None = Field(default=None, ge=1, le=125)
    """Registers of a string."""
    bit: int | None = Field(default=None, ge=0, le=15)
    """Number of the bit of a bool inside a register, 0 = least significant."""
    byte_order: Order = "big"
    word_order: Order = "big"
    scale: Factor = 1.0
    """value = raw * scale + offset"""
    offset: Factor = 0.0
    unit: str = ""
    limits: Limits = Limits()
    sentinels: tuple[int | float, ...] = ()
    """Raw numbers, before scaling, that mean: no value. Of an int16, 0x8000 and -32768 are the same."""
    enum: Mapping[int, Label] = {}
    """Code -> text for people; the value stays the code, and a code that is not here is still a value."""
    access: Literal["read", "write", "read_write"] = "read"
    group: Name = DEFAULT_GROUP
    kind: Literal["gauge", "counter", "state"] = "gauge"
    alias_of: Name | None = None
    """A point on whose registers this one lies on purpose; points may not overlap where neither says so."""

    @model_validator(mode="after")
    def _check(self) -> Point:
        refuse(profile_checks.of_point(self))
        return self

    @property
    def size(self) -> int:
        """How many addresses of its table it takes: registers, or 1 bit."""
        if self.table.holds_bits or self.type is DataType.BOOL:
            return 1
        return self.length or self.type.bits // 16

    @property
    def last(self) -> int:
        """The last address that it takes."""
        return self.address + self.size - 1

    @property
    def readable(self) -> bool:
        return self.access != "write"

    @property
    def writable(self) -> bool:
        return self.access != "read"


class DeviceProfile(Model):
    """One model of machine. What it promises after it was read: every address is zero-based, every point has
    its orders and its group, no value reaches past address 65535, no two points overlap undeclared."""

    profile: ProfileName
    """Also its file's name, and the measurement in a store."""
    title: Label = Label()
    source: str = ""
    """Where the register map is from."""
    addressing: Literal["zero_based"] = "zero_based"
    """A file may say `modicon`; its addresses are translated when it is read."""
    byte_order: Order = "big"
    word_order: Order = "big"
    limits: DeviceLimits = DeviceLimits()
    parameters: Mapping[Name, ScaleNumber] = {}
    """Names and defaults; the gateway's settings may set them for each device."""
    groups: Mapping[Name, Period] = Field(default={DEFAULT_GROUP: 1.0}, min_length=1)
    """Poll group -> seconds; the first one is the default of the points."""
    points: tuple[Point, ...]

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, raw: Any) -> Any:
        return profile_checks.filled_in(raw)

    @model_validator(mode="after")
    def _check(self) -> DeviceProfile:
        refuse(profile_checks.of_profile(self))
        return self

    def point(self, name: str) -> Point:
        """The point of this name; KeyError when there is none."""
        for point in self.points:
            if point.name == name:
                return point
        raise KeyError(name)

    def points_of(self, group: str) -> tuple[Point, ...]:
        """The points that are read in `group`, in the order of the file."""
        return tuple(point for point in self.points if point.readable and point.group == group)

    def parameters_with(self, overrides: Mapping[str, float]) -> Mapping[str, float]:
        """The defaults with one device's own numbers; ValidationError for a name that is not declared."""
        refuse(profile_checks.of_overrides(self, overrides))
        return {**self.parameters, **overrides}

    def warnings(self) -> list[tuple[Loc, str]]:
        """What is allowed and yet likely to surprise: place in the file and sentence, for `qilu check`."""
        return profile_checks.warnings(self)
