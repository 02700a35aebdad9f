"""Decides whether the wall clock is known: pure state, fed once a second.

known      --a step, or a time before EARLIEST-->                     held
held       --believable, and no step for `steady_s`-->                known
held       --in doubt for `hold_s`, or 30 s longer if set by then-->  uncertain
uncertain  --believable, and no step for `steady_s`-->                known
"""

from __future__ import annotations

from math import inf

from qilu.contract.reading import TimeTrust

EARLIEST = 1_735_689_600.0
"""A clock that stands before 2025 was never set (UTC, s): this program is younger."""
STEADY_S = 30.0
"""Seconds without a step after which a clock that was set is believed at the soonest."""


class Doubt:
    """The trust of one clock; times are of the monotonic clock (s). `since`: when the doubt began that there
    is at the start, None where there is none."""

    def __init__(self, hold_s: float, monotonic: float, *, since: float | None) -> None:
        self._hold_s = hold_s
        self._steady_since = monotonic
        self._set_at = -inf
        self._since = since

    @property
    def trust(self) -> TimeTrust:
        """As of the first look; later ones return it."""
        return TimeTrust.KNOWN if self._since is None else TimeTrust.HELD

    def check(
        self, monotonic: float, *, stepped: bool, early: bool, unbelievable: bool, steady_s: float = STEADY_S
    ) -> TimeTrust:
        """The present trust. `stepped`: since the last look; `early`: before EARLIEST; `unbelievable`: a
        clock in doubt stays so, however steady it is."""
        if stepped:
            self._set_at = monotonic
        if stepped or early:
            self._steady_since = monotonic
            self._since = monotonic if self._since is None else self._since
        if self._since is None:
            return TimeTrust.KNOWN
        if monotonic - self._steady_since >= steady_s and not unbelievable:
            self._since = None
            return TimeTrust.KNOWN
        set_lately = monotonic - self._set_at < STEADY_S  # perhaps it is right now
        held = monotonic - self._since < self._hold_s + (STEADY_S if set_lately else 0.0)
        return TimeTrust.HELD if held else TimeTrust.UNCERTAIN
