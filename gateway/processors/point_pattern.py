"""Patterns that name points in the settings of processors."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase


def names_point(patterns: Iterable[str], device: str, point: str) -> bool:
    """Whether one of the patterns (`temperature_*`, `press-1.force`) names this point of this device."""
    name = f"{device}.{point}"
    return any(fnmatchcase(point, pattern) or fnmatchcase(name, pattern) for pattern in patterns)
