"""What a user types: an endpoint, unit ids, ranges of addresses. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

from pydantic_core import PydanticCustomError

from gateway.sources.modbus.settings import parse_endpoint
from qilu.contract.errors import ConfigError
from qilu.contract.modicon import parse_modicon
from qilu.contract.profile import Table

HIGHEST_UNIT = 255


class Range(NamedTuple):
    """Addresses of one table from `first` to `last`, both included, zero-based."""

    table: Table
    first: int
    last: int

    @property
    def size(self) -> int:
        return self.last - self.first + 1

    def widened(self, before: int, behind: int) -> Range:
        """With some neighbours, as far as there are any."""
        return Range(self.table, max(0, self.first - before), min(65535, self.last + behind))

    def __str__(self) -> str:
        return f"{self.table}:{self.first}" + (f"-{self.last}" if self.last > self.first else "")


def parse_target(text: str) -> str:
    """The URL of an endpoint: HOST, HOST:PORT and /dev/tty... are short for tcp:// and rtu://."""
    url = text
    if text.startswith("/"):
        url = f"rtu://{text}"
    elif "://" not in text:
        bare_ipv6 = text.count(":") > 1 and not text.startswith("[")
        url = f"tcp://[{text}]" if bare_ipv6 else f"tcp://{text}"
    try:
        parse_endpoint(url)
    except PydanticCustomError as error:
        context = error.context or {}
        raise ConfigError(context["problem"], remedy=context["remedy"]) from None
    return url


def parse_units(text: str) -> tuple[int, ...]:
    """Unit ids in the order given, each once: "1-10,17,250"."""
    units: dict[int, None] = {}
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d+)\s*(?:-\s*(\d+)\s*)?", part)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if not first <= last <= HIGHEST_UNIT:
            raise ConfigError(
                f"{part.strip()!r} names no unit ids",
                key="--units",
                remedy=f"write 1-247 or 1,2,17; ids are 0 to {HIGHEST_UNIT}",
            )
        units |= dict.fromkeys(range(first, last + 1))
    return tuple(units)


def parse_range(text: str, key: str = "--read") -> Range:
    """A range of addresses: "holding:0-99", "input:0x10", or in Modicon's notation "40001-40010"."""
    remedy = "write holding:0-99, input:0x10, coil:7, or 40001-40010 in Modicon's notation"
    table, colon, span = text.partition(":")
    ends = re.split(r"\s*-\s*", (span if colon else text).strip())
    try:
        if not 1 <= len(ends) <= 2:
            raise ValueError("one or two addresses are expected")
        if colon:
            match = Range(_table(table), _number(ends[0]), _number(ends[-1]))
        else:
            first, last = parse_modicon(ends[0]), parse_modicon(ends[-1])
            if first.table != last.table:
                raise ValueError(f"{ends[0]} and {ends[-1]} are in different tables")
            match = Range(Table(first.table), first.address, last.address)
        if not match.first <= match.last <= 65535:
            raise ValueError("addresses are 0 to 65535, the smaller one first")
    except ValueError as error:
        raise ConfigError(f"{text!r} is no range of addresses: {error}", key=key, remedy=remedy) from None
    return match


def _table(text: str) -> Table:
    known = [table for table in Table if text.strip() and table.value.startswith(text.strip().lower())]
    if not known:
        raise ValueError(f"there is no table {text.strip()!r} (coil, discrete, input, holding)")
    return known[0]


def _number(text: str) -> int:
    try:
        return int(text, 16) if text.lower().startswith("0x") else int(text)
    except ValueError:
        raise ValueError(f"{text!r} is no address") from None
