"""Milliseconds that epochs may use, so that a time is never given out twice after the clock was set back.

Grid 0 has all milliseconds but every eighth one. The others have every 64th each, of those that grid 0 leaves
out. An epoch whose time range was used before takes a grid that was not used there, and so its times differ
from all others, at the cost of a resolution of 64 ms. Provisional times are multiples of 64 ms: a shift
then moves them into any of these grids.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

STEP_MS = 64
"""Milliseconds between two times of every grid but the first."""
_RESERVED = 8
"""Grid 0 leaves out one of so many milliseconds, at most 1 ms of error."""
_RESIDUES = range(_RESERVED - 1, STEP_MS, _RESERVED)
GRIDS = 1 + len(_RESIDUES)

_RESTART_MS = 1500
"""A clock that is behind the latest time of a grid by no more than this may use it: a killed process may have
saved its last second too high. The first times are then a little late."""


class Grid:
    """One set of milliseconds; `high_ms` is the latest time given out, `last` has it for each series."""

    __slots__ = ("floor_ms", "high_ms", "last", "number")

    def __init__(self, number: int, high_ms: int = 0) -> None:
        self.number = number
        self.floor_ms = self.high_ms = high_ms
        self.last: dict[Hashable, int] = {}

    def place(self, ms: int) -> int:
        """The first time of this grid that is not before `ms`."""
        if self.number == 0:
            return ms + 1 if ms % _RESERVED == _RESERVED - 1 else ms
        return ms + (self.residue - ms) % STEP_MS

    @property
    def residue(self) -> int:
        """What times of this grid leave over a multiple of STEP_MS; of no meaning for grid 0."""
        return _RESIDUES[self.number - 1]


def _high(grid: Grid) -> int:
    return grid.high_ms


class ProvisionalGrid(Grid):
    """Multiples of STEP_MS; its times are given out by a correction and by nothing else."""

    def __init__(self, high_ms: int = 0) -> None:
        super().__init__(-1, high_ms)

    @property
    def residue(self) -> int:
        return 0


class Grids:
    """All grids of an edge. `high_ms`: their latest times, as a former run saved them."""

    def __init__(self, high_ms: Sequence[int] = ()) -> None:
        highs = [*high_ms, *[0] * GRIDS][:GRIDS]
        self._grids = [Grid(number, high) for number, high in enumerate(highs)]

    @property
    def high_ms(self) -> list[int]:
        """The latest time of each grid: save it now and then, and hand it in at the next start."""
        return [grid.high_ms for grid in self._grids]

    def free(self, start_ms: int) -> Grid | None:
        """A grid of which nothing is used from `start_ms` on; None when there is none.

        The first one if possible, else the one that is used furthest: the others stay free for earlier times.
        """
        unused = [grid for grid in self._grids if grid.high_ms < start_ms + _RESTART_MS]
        return max(unused, key=lambda grid: (grid.number == 0, grid.high_ms), default=None)

    def free_or_first(self, start_ms: int) -> Grid:
        """The same, or the grid that is used least far: its times are then later than `start_ms`."""
        return self.free(start_ms) or min(self._grids, key=_high)

    def reserve(self, start_ms: int, end_ms: int, present: Grid) -> tuple[int, int]:
        """Take a range of times that a constant shift fills; returns by how much it must be later, and the
        residue of all its times. `present`: the grid of the present epoch, which is left alone."""
        candidates = [grid for grid in self._grids[1:] if grid is not present]
        unused = [grid for grid in candidates if grid.high_ms < start_ms]
        grid = max(unused, key=_high) if unused else min(candidates, key=_high)
        later_ms = max(grid.high_ms + STEP_MS - start_ms, 0)
        grid.high_ms = grid.floor_ms = max(grid.high_ms, end_ms + later_ms)
        grid.last.clear()
        return later_ms, grid.residue
