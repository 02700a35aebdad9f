"""Lets a counter go on where its register starts anew: past its last number, after a reset, past a glitch.

A state machine: `CounterState` x `Step` -> `TRANSITIONS`. What a value means is decided by the values that
follow it, until then the total stands still.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from math import inf

WINDOW = 8
"""A counter moves less than an eighth of its modulus between two values. It is not known to have gone round
unless it was in the last eighth before and is in the first eighth after."""
RESET_STEPS = 10
"""A counter that was reset reads no more than it counts in so many values; else it is another counter."""


class CounterEvent(StrEnum):
    """What a counter did besides counting up."""

    WRAPPED = "wrapped"
    """It went past its last number and started again at its lowest: the modulus is added from now on."""
    RESET = "reset"
    """It started again near 0 from somewhere else: what it had counted is kept."""
    PRESET = "preset"
    """It continues from an unrelated number, as after a change of the meter: the jump is not counted."""
    GLITCH = "glitch"
    """Values were undone by a later one, and changed nothing."""


class CounterState(StrEnum):
    """`last` is the last value that was believed, `unsure` a later one that does not follow from it."""

    START = "start"
    """There was no value yet."""
    COUNTING = "counting"
    """The register says `last`."""
    UNSURE = "unsure"
    """It said `unsure`, once."""
    RESTARTED = "restarted"
    """It stands at `unsure`, below `last`. It may start again from there, or return: a device may read 0
    for any time while it starts."""
    ROUND = "round"
    """It stands at `unsure` since it went past its last number, or so it seems: it may return as well."""


class Step(StrEnum):
    """What a value is, beside `last` and `unsure`; the first that applies."""

    FIRST = "first"
    ONWARD = "onward"
    """It follows from `last`."""
    UNDONE = "undone"
    """It follows from the value before `last`, and not from `last`."""
    ASTRAY = "astray"
    """It follows from nothing."""
    AHEAD = "ahead"
    """It follows from `unsure`, which is far ahead of `last`: values are missing between them."""
    STILL = "still"
    """It is `unsure` again."""
    ROUND_STILL = "round_still"
    """It is `unsure` again, where the first numbers of the register follow its last ones."""
    ROUND_ON = "round_on"
    """It follows from `unsure`, in the same place."""
    RESET_ON = "reset_on"
    """It follows from `unsure`, which is so near 0 that the counter was reset."""
    ELSEWHERE = "elsewhere"
    """It does not follow from `last`, as `unsure` does not."""
    LEAP = "leap"
    """It follows from nothing, while the register stood at `unsure` before."""


_S, _E = CounterState, CounterEvent
TRANSITIONS: Mapping[tuple[CounterState, Step], tuple[CounterState, CounterEvent | None]] = {
    (_S.START, Step.FIRST): (_S.COUNTING, None),
    (_S.COUNTING, Step.ONWARD): (_S.COUNTING, None),
    (_S.COUNTING, Step.UNDONE): (_S.COUNTING, _E.GLITCH),
    (_S.COUNTING, Step.ASTRAY): (_S.UNSURE, None),
    (_S.UNSURE, Step.ONWARD): (_S.COUNTING, _E.GLITCH),
    (_S.UNSURE, Step.ASTRAY): (_S.UNSURE, None),
    (_S.UNSURE, Step.AHEAD): (_S.COUNTING, None),
    (_S.UNSURE, Step.STILL): (_S.RESTARTED, None),
    (_S.UNSURE, Step.ROUND_STILL): (_S.ROUND, _E.WRAPPED),
    (_S.UNSURE, Step.ROUND_ON): (_S.COUNTING, _E.WRAPPED),
    (_S.UNSURE, Step.RESET_ON): (_S.COUNTING, _E.RESET),
    (_S.UNSURE, Step.ELSEWHERE): (_S.COUNTING, _E.PRESET),
    (_S.RESTARTED, Step.ONWARD): (_S.COUNTING, _E.GLITCH),
    (_S.RESTARTED, Step.STILL): (_S.RESTARTED, None),
    (_S.RESTARTED, Step.RESET_ON): (_S.COUNTING, _E.RESET),
    (_S.RESTARTED, Step.ELSEWHERE): (_S.COUNTING, _E.PRESET),
    (_S.RESTARTED, Step.LEAP): (_S.UNSURE, _E.RESET),
    (_S.ROUND, Step.ONWARD): (_S.COUNTING, _E.GLITCH),
    (_S.ROUND, Step.ROUND_STILL): (_S.ROUND, None),
    (_S.ROUND, Step.ROUND_ON): (_S.COUNTING, None),
    (_S.ROUND, Step.LEAP): (_S.UNSURE, None),
}


class Counter:
    """The total of one counter, from the values of its register.

    Values and modulus are in one unit, which is that of the total; whole numbers stay exact. A new counter
    starts with the value of the register. A total goes back only where a jump, or a wrap, was undone.
    """

    __slots__ = ("_base", "_before", "_largest", "_last", "_unsure", "state")

    def __init__(self) -> None:
        self.state = CounterState.START
        self._base: float = 0  # what is added to the register's value
        self._last: float = 0
        self._before: float | None = None  # the value before the last
        self._unsure: float = 0
        self._largest: float = 0  # step from one value to the next, both of them confirmed

    def update(
        self, value: float, modulus: float | None = None, lowest: float = 0
    ) -> tuple[float, CounterEvent | None]:
        """The total with the new `value` of the register, and what happened.

        `modulus` is how many numbers the register has, None where it never starts again; `lowest` is the one
        at which it does, of a signed register half the modulus below 0.
        """
        step = self._step(value, modulus, lowest)
        self._take(step, value, modulus or 0)
        self.state, happened = TRANSITIONS[self.state, step]
        if self.state is CounterState.ROUND:
            return self._base + (modulus or 0) + self._unsure, happened
        return self._base + self._last, happened

    def _step(self, value: float, modulus: float | None, lowest: float) -> Step:
        last, unsure, before, state = self._last, self._unsure, self._before, self.state
        window = inf if modulus is None else modulus / WINDOW
        if state is CounterState.START:
            return Step.FIRST
        if 0 <= value - last <= window:
            return Step.ONWARD
        if state is CounterState.COUNTING:
            return Step.UNDONE if before is not None and before <= value < last else Step.ASTRAY
        if last < unsure:
            return Step.AHEAD if value >= unsure else Step.ASTRAY
        follows = 0 <= value - unsure <= window
        if not follows and state is not CounterState.UNSURE:
            return Step.LEAP
        if modulus is not None and follows and unsure - lowest <= window >= modulus - (last - lowest):
            return Step.ROUND_STILL if value == unsure else Step.ROUND_ON
        if value == unsure:
            return Step.STILL
        return Step.RESET_ON if follows and self._was_reset(value - unsure) else Step.ELSEWHERE

    def _was_reset(self, step: float) -> bool:
        return 0 <= self._unsure <= RESET_STEPS * max(self._largest, step)

    def _take(self, step: Step, value: float, modulus: float) -> None:
        if step in (Step.ASTRAY, Step.STILL, Step.ROUND_STILL):
            self._unsure = value
        elif step is Step.UNDONE:
            self._last = value
        elif step is Step.LEAP:
            self._start_again(step, self._unsure, modulus)
            self._before, self._unsure = None, value
        elif step in (Step.FIRST, Step.ONWARD, Step.AHEAD):
            if self._before is not None:
                self._largest = max(self._largest, self._last - self._before)
            self._before = None if step is Step.FIRST else self._last
            self._last = value
        else:
            self._start_again(step, value, modulus)
            self._before = self._unsure if self._unsure <= value else None

    def _start_again(self, step: Step, value: float, modulus: float) -> None:
        """Count on from `value`."""
        if step is Step.ROUND_ON or self.state is CounterState.ROUND:
            self._base += modulus
        elif step is Step.RESET_ON or (step is Step.LEAP and self._was_reset(0)):
            self._base += self._last
        else:
            self._base += self._last - value
        self._last = value
