"""Finds where a number that somebody reads off the machine's display stands in its registers. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from gateway.commissioning.probe.arguments import Range
from gateway.commissioning.probe.interpretations import RARE_VIEWS, VIEWS, View
from gateway.commissioning.probe.range_dump import Dump
from qilu.contract.errors import ConfigError
from qilu.contract.profile import DataType

EXPONENTS = range(-6, 7)
"""Powers of ten that are tried as scale: from millionths to mega."""
SHOWN = 12
OTHER_DIGITS = 1.5
"""What it costs a number that it would be shown with other digits than those that were read off."""


class Tolerance(NamedTuple):
    """How far a number may be from the expected one: it moves while one reads it off."""

    amount: float
    relative: bool

    def of(self, expected: float) -> float:
        return abs(expected) * self.amount if self.relative else self.amount


def parse_tolerance(text: str) -> Tolerance:
    """ "1%" or an amount such as "0.5"."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*(%?)\s*", text)
    if match is None or (match[2] and float(match[1]) >= 100):
        remedy = "write 1% or an amount such as 0.5"
        raise ConfigError(f"{text!r} is no tolerance", key="--tolerance", remedy=remedy)
    return Tolerance(float(match[1]) / 100 if match[2] else float(match[1]), bool(match[2]))


class Match(NamedTuple):
    """One way to find the expected number: number = what `view` shows at `address` * 10 ** `exponent`."""

    address: int
    view: View
    exponent: int
    raw: float | int
    number: float
    cost: float
    """How unlikely this way is to be the one that is meant; the smallest comes first."""

    @property
    def scale(self) -> float:
        return float(Fraction(10) ** self.exponent)

    @property
    def last(self) -> int:
        return self.address + self.view.registers - 1

    def near(self, read: Range) -> bool:
        """Whether it begins in the range, or one address before it."""
        return read.first - 1 <= self.address <= read.last


def find(dump: Dump, expected: float, tolerance: Tolerance) -> list[Match]:
    """Every place and way that shows `expected`, the likeliest first."""
    allowed = max(tolerance.of(expected), 1e-9 * abs(expected))
    digits = _digits_after_the_point(expected)
    matches = [
        match
        for view in (*VIEWS, *RARE_VIEWS)
        for address in sorted(dump.values)
        for match in _matches(dump, view, address, expected, allowed, digits)
    ]
    return sorted(matches, key=lambda match: (match.cost, match.address))


def _digits_after_the_point(number: float) -> int:
    exponent = Decimal(repr(number)).as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _matches(
    dump: Dump, view: View, address: int, expected: float, allowed: float, digits: int
) -> Iterator[Match]:
    raw = view.at(dump, address)
    # What is beyond all exponents cannot match, and some of it not even be scaled.
    if not raw or (view.signed and raw > 0) or not 1e-7 < abs(raw / expected) < 1e7:
        return
    for exponent in EXPONENTS:
        factor = Fraction(10) ** exponent
        # An integer is as exact as its last digit, which the display may have rounded.
        slack = max(allowed, float(factor) / 2) if exponent < 0 and not view.type.is_float else allowed
        number = float(Fraction(raw) * factor)
        error = abs(number - expected)
        if error <= slack:
            shown_so = round(number, digits) == expected
            cost = _cost(view, exponent, error / slack) + (0.0 if shown_so else OTHER_DIGITS)
            yield Match(address, view, exponent, raw, number, cost)


def _cost(view: View, exponent: int, closeness: float) -> float:
    """Rarer types, orders and scales cost; so does a number that is only just close enough (0 to 1)."""
    order = {"": 0.0, "ABCD": 0.0, "CDAB": 0.5, "BADC": 2.0, "DCBA": 2.0, "BA": 3.0}[view.letters]
    if view.type.is_float:
        scale = 0.0 if exponent == 0 else 0.5 if exponent in (-3, 3) else 2.0
    else:
        scale = 0.25 * abs(exponent) if -3 <= exponent <= 0 else 1.5 + 0.5 * abs(exponent)
    rare = 2.5 if view.type.is_bcd else 0.0
    length = {1: 0.5, 2: 0.0 if view.type is DataType.FLOAT32 else 0.75, 4: 1.5}[view.registers]
    return order + scale + length + rare + 3 * closeness


def notes(dump: Dump, match: Match, read: Range) -> list[str]:
    """What is worth to know about a match: unusual orders, addresses that are off by one."""
    texts = []
    if match.view.word_order == "little" and match.view.registers > 1:
        straight = View(match.view.type, match.view.byte_order).at(dump, match.address)
        shown = "no number" if straight is None else f"{straight:g}"
        texts.append(f"the words are swapped: with the first word as the high one it would be {shown}")
    if match.view.byte_order == "little":
        texts.append("the bytes inside each register are swapped")
    if (twin := _twin(dump, match)) is not None:
        texts.append(f"its leading word could also belong to {twin}: the one that stays right is meant")
    before, behind = read.first - match.address, match.last - read.last
    if before > 0:
        texts.append(
            f"it begins {before} before the range that was asked for: the manual may count from 1, "
            "then the address is one less than it says"
        )
    elif behind > 0:
        texts.append(
            f"it ends {behind} behind the range that was asked for: the manual's addresses may be too small"
        )
    if match.exponent:
        texts.append(f"scale: {match.scale:g}")
    return texts


def _twin(dump: Dump, match: Match) -> str | None:
    """The other float32 that has the same leading word: one of the two is a mix of two neighbours."""
    view = match.view
    if view.type is not DataType.FLOAT32:
        return None
    swapped = view.word_order == "little"
    other = View(view.type, view.byte_order, "big" if swapped else "little")
    address = match.address + (1 if swapped else -1)
    number = other.at(dump, address)
    if number is None or not other.plausible(number):
        return None
    return f"{other.name} at {address} ({number:.6g})"
