"""What makes a point of a device profile impossible, looked at by itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import AfterValidator

from qilu.contract.profile.point import Point
from qilu.contract.profile.types import DataType
from qilu.contract.validation import Problem, raise_problems

RESERVED_NAMES = frozenset({"time", "device", "edge", "enterprise", "line", "profile", "site"})
"""What stores call the time and the origin of a sample."""
RESERVED_ENDINGS = {"__q": "reasons", "__text": "texts"}
"""What stores append to the name of a point."""

_LARGEST = {DataType.FLOAT32: (2 - 2.0**-23) * 2.0**127, DataType.FLOAT64: (2 - 2.0**-52) * 2.0**1023}


def of_point(point: Point) -> Iterator[Problem]:
    """What is wrong with a point, whatever stands beside it."""
    yield from _of_name(point.name)
    if point.address < 0 or point.last > 65535:
        end = "" if point.size == 1 else f" to {point.last}"
        yield Problem(
            ("address",), f"address {point.address}{end} does not exist (0 to 65535)", "correct the address"
        )
    if point.writable and not point.table.can_be_written:
        yield Problem(("access",), f"a point of table {point.table} cannot be written", "set `access: read`")
    yield from _of_layout(point)
    yield from _of_meaning(point)
    yield from _of_counter(point)
    yield from _of_identity(point)
    low, high = point.limits.min, point.limits.max
    if low is not None and high is not None and low >= high:
        yield Problem(("limits",), f"min {low:g} is not below max {high:g}", "swap or correct them")
    yield from _of_normal(point)


def _of_normal(point: Point) -> Iterator[Problem]:
    if point.normal is None:
        return
    low, high = point.normal.min, point.normal.max
    if low is None and high is None:
        yield Problem(("normal",), "a normal range needs a bound", "add `min` or `max`, or remove `normal`")
    elif low is not None and high is not None and low >= high:
        yield Problem(("normal",), f"min {low:g} is not below max {high:g}", "swap or correct them")
    for key, bound in (("min", low), ("max", high)):
        if bound is None:
            continue
        if point.limits.min is not None and bound < point.limits.min:
            text = f"{bound:g} is below the limit of {point.limits.min:g}, where values are bad"
            yield Problem(("normal", key), text, "raise it, or lower `limits.min`")
        if point.limits.max is not None and bound > point.limits.max:
            text = f"{bound:g} is above the limit of {point.limits.max:g}, where values are bad"
            yield Problem(("normal", key), text, "lower it, or raise `limits.max`")


def _of_identity(point: Point) -> Iterator[Problem]:
    if not point.identity:
        return
    kind = str if point.type == "string" else int
    is_code = point.type == "string" or (point.type.is_integer and point.scale == 1 and point.offset == 0)
    if not is_code or not point.readable:
        text = "an identity is an integer without scale, or a text, and is read"
        yield Problem(("identity",), text, "remove `identity`, or correct the point")
    elif not all(isinstance(value, kind) for value in point.identity):
        yield Problem(("identity",), f"these are no values of a {point.type}", "correct them")


def _of_name(name: str) -> Iterator[Problem]:
    if name in RESERVED_NAMES:
        text = f"{name} is what stores call something else"
        yield Problem(("name",), text, f"rename it, such as {name}_value")
    for ending, meaning in RESERVED_ENDINGS.items():
        if name.endswith(ending):
            text = f"names that end in {ending} are reserved for {meaning}"
            yield Problem(("name",), text, f"rename it, such as {name.removesuffix(ending)}")


def _of_layout(point: Point) -> Iterator[Problem]:
    """Which part of which registers it is."""
    kind, table = point.type, point.table
    if table.holds_bits and kind != "bool":
        yield Problem(
            ("type",), f"{kind} does not fit into table {table}", f"a {table} is always `type: bool`"
        )
    if point.bit is not None and (table.holds_bits or kind != "bool"):
        yield Problem(("bit",), "a bit can be chosen of a bool in a register only", "remove `bit`")
    if point.bit is None and kind == "bool" and not table.holds_bits:
        yield Problem(
            ("type",), "a bool in a register needs the number of its bit", "add `bit: 0` to `bit: 15`"
        )
    if point.byte is not None and kind.bits != 8:
        text = f"a byte can be chosen of a uint8 or int8 only, not of a {kind}"
        yield Problem(("byte",), text, "remove `byte` or correct `type`")
    if point.byte is None and kind.bits == 8:
        text = f"a {kind} needs to know which byte of the register it is"
        yield Problem(("type",), text, "add `byte: high` or `byte: low`")
    yield from _of_pattern(point)
    if point.length is not None and kind not in ("string", "mod10k"):
        yield Problem(("length",), f"a length is for strings; {kind} has its own", "remove `length`")
    if kind == "mod10k" and point.length not in range(1, 5):
        yield Problem(("length",), "a MOD10 number has 1 to 4 registers", "add `length: 4`")
    if point.length is None and kind == "string":
        yield Problem(
            ("type",), "a string needs its length in registers", "add `length: 8` for 16 characters"
        )


def _of_pattern(point: Point) -> Iterator[Problem]:
    """Numbers that are a part of their registers, or lie in registers apart."""
    kind = point.type
    plain = kind.is_integer and not kind.is_bcd and kind != "mod10k"
    if point.bits is not None:
        low, high = point.bits
        if not plain or point.weights:
            yield Problem(
                ("bits",), f"bits can be chosen of an integer only, not of a {kind}", "remove `bits`"
            )
        elif not low <= high < kind.bits:
            text = f"a {kind} has no bits {low} to {high}"
            yield Problem(("bits",), text, f"write the lower one first; bits are 0 to {kind.bits - 1}")
    if point.address_bits > 16 and (
        point.table.holds_bits
        or kind.bits != point.address_bits
        or point.words
        or point.flags
        or point.writable
    ):
        text = f"an address of {point.address_bits} bits holds one {point.address_bits}-bit number to read"
        yield Problem(("address_bits",), text, "correct `type`, or remove `address_bits`")
    if point.sign == "magnitude" and (not plain or point.weights or point.raw_bits < 2):
        yield Problem(("sign",), f"a {kind} has no sign and magnitude", "remove `sign`")
    if point.invert and kind != "bool":
        yield Problem(("invert",), f"`invert` means nothing for a {kind}", "remove `invert`")
    if point.weights and kind != "uint16":
        yield Problem(("weights",), f"registers of a {kind} are no sum", "write `type: uint16`")
    if point.words is None:
        return
    expected = len(point.weights) or point.length or kind.registers
    if not kind.is_integer or kind.bits == 8 or point.table.holds_bits:
        yield Problem(("address",), f"a {kind} has no registers apart", "write one address")
    elif len(set(point.words)) != len(point.words) or len(point.words) != expected:
        text = f"a {kind} has {expected} registers, each of its own"
        yield Problem(("address",), text, "write the address of each in the order of `word_order`")


def _of_meaning(point: Point) -> Iterator[Problem]:
    """Keys that only some types can have, and the raw numbers in them."""
    is_number, is_string = point.type.is_number, point.type == "string"
    allowed = {
        "scale": is_number,
        "offset": is_number,
        "limits": is_number,
        "normal": is_number,
        "sentinels": is_number,
        "enum": point.type.is_integer or point.type == "bool",
        "flags": point.type.is_integer and not point.type.is_bcd and not point.is_pattern,
        "accumulate": is_number,
        "modulus": is_number,
        "encoding": is_string,
        "char_bytes": is_string,
        "padding": is_string,
    }
    for key, fits in allowed.items():
        if not fits and getattr(point, key) != type(point).model_fields[key].default:
            yield Problem((key,), f"`{key}` means nothing for a {point.type}", f"remove `{key}`")
            return
    if point.scale == 0:
        yield Problem(("scale",), "a scale of 0 would make every value the same", "use the device's factor")
    if point.type.is_integer or point.type == "bool":
        yield from _of_codes(point)
    elif point.type.is_float:
        for index, raw in enumerate(point.sentinels):
            if not abs(raw) <= _LARGEST[point.type]:
                yield Problem(("sentinels", index), f"{raw} is not a raw value of {point.type}", "correct it")


def _of_codes(point: Point) -> Iterator[Problem]:
    low, high = point.raw_range
    for index, code in enumerate(point.sentinels):
        # The pattern of a negative sentinel may also be written unsigned, 0x8000 for -32768.
        if isinstance(code, float) or not low <= code < 1 << point.raw_bits:
            yield Problem(("sentinels", index), f"{code} is not a raw value of {point.type}", "correct it")
    for code in point.enum:
        if not low <= code <= high:
            yield Problem(
                ("enum", code), f"{code} is not a code of {point.type}", f"codes are {low} to {high}"
            )


def _of_counter(point: Point) -> Iterator[Problem]:
    if point.kind != "counter":
        for key, is_set in (("accumulate", point.accumulate), ("modulus", point.modulus is not None)):
            if is_set:
                yield Problem((key,), f"`{key}` is for counters", "set `kind: counter` or remove it")
        return
    if point.modulus is not None and point.type.is_integer:
        low, high = point.raw_range
        limit = high - low + 1
        if point.modulus > limit or point.modulus != int(point.modulus):
            text = f"{point.modulus:.16g} is not where a {point.type} can start again"
            yield Problem(("modulus",), text, f"use a whole number up to {limit}")
    if point.accumulate and isinstance(point.scale, float) and point.scale < 0:
        yield Problem(("scale",), "a counter that runs backwards cannot be unwrapped", "remove `accumulate`")
    if point.accumulate and point.offset != 0:
        yield Problem(("offset",), "an unwrapped counter has no offset", "remove `offset` or `accumulate`")


def _checked(point: Point) -> Point:
    raise_problems(of_point(point))
    return point


CheckedPoint = Annotated[Point, AfterValidator(_checked)]
"""A point of which the rules hold, whatever stands beside it."""
