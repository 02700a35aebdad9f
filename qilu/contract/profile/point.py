"""One point of a device profile: where its value lies, how it is encoded and what it means."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Discriminator, Field, Tag, WithJsonSchema, model_validator

from qilu.contract.profile.types import (
    DEFAULT_GROUP,
    MAX_COPIES,
    DataType,
    Finite,
    Name,
    Order,
    ScaleNumber,
    Table,
    WordOrder,
    string_shorthand,
)
from qilu.contract.validation import FrozenModel, display, validation_error


class Label(FrozenModel):
    """A text for people, in English and Chinese; a plain text in the file is English."""

    model_config = ConfigDict(json_schema_extra=string_shorthand("en"))

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


class ParameterRef(FrozenModel):
    """A number that each device may have differently, such as the ratio of a current transformer."""

    parameter: Name


class PointRef(FrozenModel):
    """A point whose value is the exponent of ten: SunSpec's scale factors."""

    point: Name


def _factor_kind(raw: object) -> str:
    if isinstance(raw, PointRef) or (isinstance(raw, Mapping) and "point" in raw):
        return "reference to a point"
    return "reference" if isinstance(raw, Mapping | ParameterRef) else "a number"


def _reject_bool(raw: object) -> object:
    if isinstance(raw, bool):
        raise validation_error(f"{display(raw)} is not a number", "write a number, such as 0.1")
    return raw


_Number = Annotated[ScaleNumber, BeforeValidator(_reject_bool), Tag("a number")]
Factor = Annotated[_Number | Annotated[ParameterRef, Tag("reference")], Discriminator(_factor_kind)]
Scale = Annotated[
    _Number | Annotated[ParameterRef, Tag("reference")] | Annotated[PointRef, Tag("reference to a point")],
    Discriminator(_factor_kind),
]


class Limits(FrozenModel):
    """Engineering values outside of these are bad, reason out_of_limits; the bounds themselves are good."""

    min: Finite | None = None
    max: Finite | None = None


class NormalBand(FrozenModel):
    """The values of normal operation. A value outside is as good as any other; pages show where it is."""

    min: Finite | None = None
    max: Finite | None = None


class Flag(FrozenModel):
    """One bit of an integer as a point of its own; a plain text in the file is its name."""

    model_config = ConfigDict(json_schema_extra=string_shorthand("name"))

    name: Name
    """What follows the name of the integer and an underscore."""
    label: Label = Label()

    @model_validator(mode="before")
    @classmethod
    def _accept_text(cls, raw: Any) -> Any:
        return {"name": raw} if isinstance(raw, str) else raw


Suffix = Annotated[
    str,
    Field(pattern=r"^[a-z0-9_]+$", max_length=32),
    WithJsonSchema({"type": ["string", "integer"], "pattern": "^[a-z0-9_]+$", "maxLength": 32}),
]
Address = Annotated[
    int, WithJsonSchema({"type": ["integer", "string", "array"], "items": {"type": ["integer", "string"]}})
]


def table_in_address(schema: dict[str, Any]) -> None:
    """For the JSON schema: an address in Modicon's notation names its table."""
    schema["required"].remove("table")


class Copies(FrozenModel):
    """How many times something stands in the registers, one after the other."""

    count: int | None = Field(default=None, ge=1, le=MAX_COPIES)
    """How many; their names end in _1, _2 and so on."""
    stride: int | None = Field(default=None, ge=1, le=65535)
    """Addresses from one to the next."""
    suffixes: tuple[Suffix, ...] | None = Field(default=None, min_length=1)
    """What their names end in, in place of the numbers."""


class Point(Copies):
    """One value of a machine. What it leaves to its profile is filled in, and what stands for several points
    (`count`, `stride`, `suffixes`, `flags`) is spelled out, when it is read as part of one."""

    model_config = ConfigDict(json_schema_extra=table_in_address)

    name: Name
    """What stores and queries call it, after arrays and repeated structures have added their endings."""
    label: Label = Label()
    """For people."""
    table: Table
    """Which of the four address spaces of the device it is in."""
    address: Address
    """Zero-based, also where the file has it in Modicon's notation. A list names registers that lie apart."""
    words: tuple[Annotated[int, Field(ge=0, le=124)], ...] | None = Field(
        default=None, min_length=1, max_length=16
    )
    """How far from `address` each of its registers is: a list of addresses, spelled out."""
    type: DataType
    """How its value is laid out in the registers."""
    length: int | None = Field(default=None, ge=1, le=125)
    """Registers of a string, or of a MOD10 number."""
    bits: tuple[Annotated[int, Field(ge=0, le=63)], Annotated[int, Field(ge=0, le=63)]] | None = None
    """The bits of an integer that are the value, the least significant and the most significant one."""
    sign: Literal["twos_complement", "magnitude"] = "twos_complement"
    """How an integer is negative; `magnitude`: its highest bit is the sign of the others."""
    weights: tuple[Annotated[int, Field(ge=1, le=10**15)], ...] = Field(default=(), max_length=16)
    """The value is the sum of so many registers, each times its weight."""
    address_bits: Literal[16, 32, 64] = 16
    """Bits that its address holds: some meters send 4 bytes for one address. Such a point is read alone."""
    invert: bool = False
    """A bool that is true where its bit is 0."""
    bit: int | None = Field(default=None, ge=0, le=15)
    """Number of the bit of a bool inside a register, 0 = least significant."""
    byte: Literal["high", "low"] | None = None
    """Which byte of the register a uint8 or int8 is."""
    byte_order: Order = "big"
    """Which of the two bytes of a register comes first: the more significant one (big) or the other."""
    word_order: WordOrder = "big"
    """Which of the registers of a longer value comes first."""
    encoding: Literal["ascii", "utf-8", "gb18030", "latin-1"] = "utf-8"
    """What the bytes of a string mean."""
    char_bytes: Literal["both", "high", "low"] = "both"
    """Which bytes of each register of a string are characters."""
    padding: Literal["any", "nul", "space", "ff", "none"] = "any"
    """What is no part of a string: all from the first NUL (nul) or FFh (ff), spaces at its end (space), or
    NUL and spaces (any)."""
    scale: Scale = 1.0
    """value = raw * scale + offset"""
    offset: Factor = 0.0
    """Added after scaling."""
    unit: str = ""
    """Of the value, not of the raw number."""
    limits: Limits = Limits()
    """Of the value; one outside is bad, reason out_of_limits."""
    normal: NormalBand | None = None
    """Of the value; pages and dashboards show it as a band. It lies inside `limits`."""
    sentinels: tuple[int | float, ...] = ()
    """Raw numbers, before scaling, that mean: no value. Of an int16, 0x8000 and -32768 are the same; of BCD
    they are the pattern, such as 0xFFFF."""
    enum: Mapping[int, Label] = {}
    """Code -> text for people; the value stays the code, and a code that is not here is still a value."""
    flags: Mapping[int, Flag] = {}
    """Number of a bit of an integer -> the bool point that it is as well."""
    identity: tuple[int | str, ...] = ()
    """Values, one of which shows that the device is the one of the profile: while it reads another value, no
    value of the device is good."""
    access: Literal["read", "write", "read_write"] = "read"
    """What the device allows; a point that is only written is never read."""
    group: Name = DEFAULT_GROUP
    """The poll group that reads it."""
    kind: Literal["gauge", "counter", "state"] = "gauge"
    """What a number does: moves freely, only counts up, or is a code."""
    accumulate: bool = False
    """A counter that goes on where its register starts again."""
    modulus: Finite | None = Field(default=None, gt=0)
    """The raw number at which a counter starts again at 0; by default it uses all numbers of its type."""
    overlaps: Name | None = None
    """A point on whose registers this one lies on purpose; points may not overlap where neither names the
    other."""

    @property
    def size(self) -> int:
        """How many addresses of its table it takes: registers, or 1 bit."""
        if self.words is not None:
            return max(self.words) + 1
        if self.table.holds_bits or self.address_bits > 16:
            return 1
        return self.length or len(self.weights) or self.type.registers

    @property
    def register_offsets(self) -> tuple[int, ...]:
        """How far from `address` each address is that it takes."""
        return self.words or tuple(range(self.size))

    @property
    def is_pattern(self) -> bool:
        """Whether it is read as a pattern of bits, in place of a number that `struct` knows."""
        return bool(
            self.type.is_pattern or self.words or self.bits or self.weights or self.sign == "magnitude"
        )

    @property
    def raw_bits(self) -> int:
        if self.bits is not None:
            return max(1, self.bits[1] - self.bits[0] + 1)
        return self.type.bits if not self.weights and self.type.bits else 16 * len(self.register_offsets)

    @property
    def raw_range(self) -> tuple[int, int]:
        """The least and the greatest raw number of an integer."""
        if self.type == "mod10k":
            return 0, int(10000 ** len(self.register_offsets)) - 1
        if self.weights:
            return 0, 0xFFFF * sum(self.weights)
        if self.sign == "magnitude":
            highest = (1 << (self.raw_bits - 1)) - 1
            return -highest, highest
        if self.bits is None:
            return self.type.range
        signed = self.type.value.startswith("int")
        span = 1 << self.raw_bits
        return (-(span >> 1), (span >> 1) - 1) if signed else (0, span - 1)

    @property
    def last(self) -> int:
        """The last address that it takes."""
        return self.address + self.size - 1

    @property
    def mask(self) -> int:
        """The bits that it takes of its only register; of a longer one or an address of one bit: all."""
        if self.bit is not None:
            return 1 << self.bit
        return {"high": 0xFF00, "low": 0x00FF, None: 0xFFFF}[self.byte]

    @property
    def readable(self) -> bool:
        return self.access != "write"

    @property
    def writable(self) -> bool:
        return self.access != "read"

    @property
    def wraps_at(self) -> float | None:
        """How many raw numbers a counter has before it starts again; None of one in a float."""
        if self.modulus is not None or not self.type.is_integer:
            return self.modulus
        low, high = self.raw_range
        return high - low + 1

    @property
    def wraps_to(self) -> int:
        """The raw number at which a counter starts again: 0, or the lowest of a signed type."""
        return self.raw_range[0] if self.modulus is None and self.type.is_integer else 0
