"""The settings of a local history, checked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from qilu.contract.units import ByteSize, Period
from qilu.contract.validation import FrozenModel

SMALLEST = 32 * 10**6
DAY_S = 86_400


class HistorySettings(FrozenModel):
    """How long readings stay on this machine, for charts and queries without the cloud.

    A relative `directory` is meant from the working directory: whoever reads the file resolves it first.
    """

    directory: Path | None = None
    """The folder of its files; of this edge alone. Default: `history` beside the folder of the spool."""
    raw: Period = 7 * DAY_S
    """Seconds for which single readings are kept."""
    minutes: Period = 90 * DAY_S
    """Seconds for which summaries of one minute are kept."""
    quarters: Period = 400 * DAY_S
    """Seconds for which summaries of 15 minutes are kept."""
    max_bytes: Annotated[ByteSize, Field(ge=SMALLEST)] = 2 * 10**9
    """Bytes of all its files, at most. It rules over the ages: single readings go first, then minutes, then
    quarters, and each keeps at least a tenth."""
