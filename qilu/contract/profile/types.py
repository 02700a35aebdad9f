"""The vocabulary of device profiles: names, numbers, orders, tables and data types."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal, TypeGuard

from pydantic import AfterValidator, Field

from qilu.contract.validation import validation_error

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=64)]
ProfileName = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=64)]
Finite = Annotated[float, Field(allow_inf_nan=False)]


def _not_tiny(number: float) -> float:
    if 0 < abs(number) < 1e-30:
        raise validation_error(f"{number:g} is too close to 0", "give 0, or a number of at least 1e-30")
    return number


# Within these bounds scaling any value of 64 bits can neither overflow nor divide by zero.
ScaleNumber = Annotated[float, Field(allow_inf_nan=False, ge=-1e30, le=1e30), AfterValidator(_not_tiny)]
Order = Literal["big", "little"]
WordOrder = Literal["big", "little", "big_swapped", "little_swapped"]
"""`_swapped`: the two registers of each half of a 64-bit value change places."""

SERVE_COUNTER = "serve_counter"
"""The point of simulated devices that counts how often it was read: an audit proves by it what was served."""
DEFAULT_GROUP = "default"
MAX_COPIES = 10_000


def string_shorthand(name: str) -> Callable[[dict[str, Any]], None]:
    """For the JSON schema of a model that also reads a plain text, as its key `name`."""

    def change(schema: dict[str, Any]) -> None:
        whole = dict(schema)
        schema.clear()
        schema["anyOf"] = [whole["properties"][name] | {"title": name}, whole]

    return change


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

    @property
    def read_function(self) -> int:
        return _READ_FUNCTIONS[self]


TABLES_BY_FUNCTION: Mapping[int, Table] = {1: Table.COIL, 2: Table.DISCRETE, 3: Table.HOLDING, 4: Table.INPUT}
"""Code of a Modbus function -> the table that it reads."""
_READ_FUNCTIONS = {table: code for code, table in TABLES_BY_FUNCTION.items()}


class DataType(StrEnum):
    """How a value is laid out in registers; bool is also one bit of the tables of bits."""

    BOOL = "bool"
    UINT8 = "uint8"
    INT8 = "int8"
    UINT16 = "uint16"
    INT16 = "int16"
    UINT32 = "uint32"
    INT32 = "int32"
    UINT64 = "uint64"
    INT64 = "int64"
    UINT24 = "uint24"
    INT24 = "int24"
    UINT48 = "uint48"
    INT48 = "int48"
    FLOAT32 = "float32"
    FLOAT64 = "float64"
    BCD8 = "bcd8"
    BCD16 = "bcd16"
    BCD32 = "bcd32"
    BCD64 = "bcd64"
    MOD10K = "mod10k"
    STRING = "string"

    @property
    def bits(self) -> int:
        """Bits of one value; 0 for a string and for MOD10K, whose length the point has."""
        if self in _PATTERN_BITS:
            return _PATTERN_BITS[self]
        return 1 if self is DataType.BOOL else 8 * struct.calcsize(f">{self.struct_code}")

    @property
    def registers(self) -> int:
        """Registers that one value takes or shares; 1 for a string and MOD10K, whose length the point has."""
        return max(1, (self.bits + 15) // 16)

    @property
    def is_pattern(self) -> bool:
        """Whether it is read as a pattern of bits: `struct` has no code for it."""
        return self in _PATTERN_BITS

    @property
    def struct_code(self) -> str:
        """The code of its pattern in a format of `struct`; empty for bool and string."""
        return _STRUCT_CODES.get(self, "")

    @property
    def is_number(self) -> bool:
        return self.is_integer or self.is_float

    @property
    def is_integer(self) -> bool:
        return "int" in self.value or self.is_bcd or self is DataType.MOD10K

    @property
    def is_float(self) -> bool:
        return "float" in self.value

    @property
    def is_bcd(self) -> bool:
        """Each four bits are one decimal digit."""
        return "bcd" in self.value

    @property
    def range(self) -> tuple[int, int]:
        """The least and the greatest value of an integer type; of bool 0 and 1."""
        if self.is_bcd:
            return 0, int(10 ** (self.bits // 4)) - 1
        if self.value.startswith("int"):
            return -(1 << (self.bits - 1)), (1 << (self.bits - 1)) - 1
        return 0, (1 << self.bits) - 1


_PATTERN_BITS = {
    DataType.UINT24: 24,
    DataType.INT24: 24,
    DataType.UINT48: 48,
    DataType.INT48: 48,
    DataType.BCD8: 8,
    DataType.BCD64: 64,
    DataType.MOD10K: 0,
}
_STRUCT_CODES = {
    DataType.UINT8: "B",
    DataType.INT8: "b",
    DataType.UINT16: "H",
    DataType.INT16: "h",
    DataType.UINT32: "I",
    DataType.INT32: "i",
    DataType.UINT64: "Q",
    DataType.INT64: "q",
    DataType.FLOAT32: "f",
    DataType.FLOAT64: "d",
    DataType.BCD16: "H",
    DataType.BCD32: "I",
}


def is_whole(value: object) -> TypeGuard[int]:
    """True of an int that is not a bool."""
    return isinstance(value, int) and not isinstance(value, bool)
