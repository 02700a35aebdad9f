"""How many decimals a value deserves: those that the device resolves, and no more."""

from __future__ import annotations

from math import ceil, log10

from qilu.contract.display.units import DisplayUnit
from qilu.contract.profile.point import Point

MAX_DECIMALS = 6
_DIGITS = 4
"""Significant digits of a value whose resolution is not known, such as a float."""


def decimals(point: Point, unit: DisplayUnit | None = None) -> int:
    """Decimals with which values of the point are shown in `unit` (by default the point's own).

    A scaled integer has the step of its scale: 0.01 bar needs two decimals, and three in MPa. A float, or a
    scale that each device may have differently, has four significant digits of the largest normal or
    permitted value.
    """
    factor = abs(unit.factor) if unit else 1.0
    if point.type == "bool" or point.type == "string" or point.enum:
        return 0
    if point.type.is_integer and isinstance(point.scale, float):
        return _decimals_of_step(abs(point.scale) * factor)
    bounds = (point.normal.min, point.normal.max) if point.normal else (point.limits.min, point.limits.max)
    largest = max((abs(bound) for bound in bounds if bound is not None), default=0.0) * factor
    if not largest:
        return 2
    return min(max(_DIGITS - ceil(log10(largest)), 0), MAX_DECIMALS)


def _decimals_of_step(step: float) -> int:
    """The fewest decimals that can tell two neighbouring values apart."""
    return min(max(ceil(-log10(step) - 1e-9), 0), MAX_DECIMALS)


def number_text(value: float, places: int) -> str:
    """The value with `places` decimals; zero has no minus sign."""
    text = f"{value:.{places}f}"
    return text.removeprefix("-") if float(text) == 0 else text
