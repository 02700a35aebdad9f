"""Lets a counter go on where its register starts anew: past its last number, after a reset, past a glitch."""

from __future__ import annotations

from enum import StrEnum
from math import inf

WINDOW = 8
"""A counter moves less than an eighth of its modulus between two values. It is not known to have gone round
unless it was in the last eighth before and is in the first eighth after."""


class CounterEvent(StrEnum):
    """What a counter did besides counting up."""

    WRAPPED = "wrapped"
    """It went past its last number and started again at its lowest: the modulus is added from now on."""
    RESET = "reset"
    """It started again near 0 from somewhere else: what it had counted is kept."""
    PRESET = "preset"
    """It goes on from another number, as after a change of the meter: nothing is taken for counted."""
    GLITCH = "glitch"
    """A value was undone by the one after it, and changed nothing."""


class Counter:
    """The total of one counter, from the values of its register.

    A value that goes back, or further on than `WINDOW` allows, is believed when the next one confirms it;
    until then the total stands still. So a single wrong value never changes what follows it, and a total
    never goes back but where a small jump was undone. A reset is undone when the register goes on from where
    it was before, as that of a device which says 0 for some seconds while it starts. Values and modulus are
    in one unit, which is that of the total; whole numbers stay exact. A new counter begins with what the
    register says.
    """

    __slots__ = ("_base", "_before", "_before_reset", "_last", "_step", "_unsure")

    def __init__(self) -> None:
        self._base: float = 0  # what is added to the register's value
        self._last: float | None = None  # the last value that was believed,
        self._before: float | None = None  # the one before that,
        self._unsure: float | None = None  # and one after it that waits to be confirmed
        self._before_reset: tuple[float, float] | None = (
            None  # base and last value before a reset that may be none
        )
        self._step: float = 0  # the most that it counted from one value to the next

    def update(
        self, value: float, modulus: float | None = None, lowest: float = 0
    ) -> tuple[float, CounterEvent | None]:
        """The total now that the register says `value`, and what happened.

        `modulus` is how many numbers the register has, None where it never starts again; `lowest` is the one
        at which it does, of a signed register half the modulus below 0.
        """
        last, before, unsure = self._last, self._before, self._unsure
        self._unsure = None
        if last is None:
            return self._accept(value), None
        window = inf if modulus is None else modulus / WINDOW
        if 0 <= value - last <= window:
            undone = self._before_reset is not None and self._undo_reset(
                self._before_reset, last, value, window
            )
            if not undone:
                self._step = max(self._step, value - last)
            return self._accept(value), CounterEvent.GLITCH if undone or unsure is not None else None
        if unsure is None and before is not None and before <= value < last:  # the last was a jump: undone
            self._last = value
            return self._base + value, CounterEvent.GLITCH
        if unsure is None or (value < last < unsure):
            self._unsure = value
            return self._base + last, None
        if unsure > last and value >= unsure:
            undone = self._before_reset is not None and self._undo_reset(
                self._before_reset, last, unsure, window
            )
            return self._accept(value), CounterEvent.GLITCH if undone else None
        goes_on = 0 <= value - unsure <= window
        wrapped = modulus is not None and unsure - lowest <= window and modulus - (last - lowest) <= window
        return self._restart(last, unsure, value, goes_on, modulus if wrapped else None)

    def _restart(
        self, last: float, unsure: float, value: float, goes_on: bool, modulus: float | None
    ) -> tuple[float, CounterEvent]:
        """Two values in a row do not follow from the last one; `modulus`: where they do from a wrap."""
        if goes_on and modulus is not None:
            self._base += modulus
            happened = CounterEvent.WRAPPED
        elif goes_on and 0 <= unsure <= last / WINDOW:
            self._before_reset = self._base, last
            self._base += last
            happened = CounterEvent.RESET
        else:
            self._base += last - value
            happened = CounterEvent.PRESET
        self._last = unsure
        return self._accept(value), happened

    def _undo_reset(self, left: tuple[float, float], last: float, value: float, window: float) -> bool:
        """Whether `value`, which is believed, goes on from where the counter was before its reset: at once,
        and not as far as it counts by itself."""
        base, before = left
        if last > before / WINDOW:
            self._before_reset = None
            return False
        goes_on = 0 <= value - before <= window and base + value >= self._base + last
        if not goes_on or value - last <= WINDOW * self._step:
            return False
        self._base, self._before_reset = base, None
        return True

    def _accept(self, value: float) -> float:
        self._before, self._last = self._last, value
        return self._base + value
