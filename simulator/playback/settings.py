"""What a plant's file says of the recording that a machine shows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import Field

from qilu.contract.profile import Name
from qilu.contract.validation import FrozenModel


class PlaybackSettings(FrozenModel):
    """A recording, and how it is played."""

    file: Path
    """A table as `.csv`, `.csv.gz` or `.parquet`, with one row per time; relative to the plant's file."""
    time: str = "time_ms"
    """The column of the time: numbers, or texts such as `2026-06-22T08:00:00`."""
    time_unit: Literal["ms", "s"] = "ms"
    """Of a time that is a number."""
    columns: Mapping[Name, str] = {}
    """Point -> column, where the column has another name than the point."""
    factors: Mapping[Name, float] = {}
    """Point -> number by which the column is multiplied, such as 0.001 for W in a point in kW."""
    start: float = Field(default=0.0, ge=0.0)
    """Seconds of the recording that are left out at its beginning."""
    speed: float = Field(default=1.0, gt=0.0, le=1e6)
    """Recorded seconds in a simulated second."""
    loop: bool = True
    """Whether it starts again after its last row; else the last row stays."""
