"""What makes the values of a signal: one generator for a point of all machines of one entry of the plant."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping
from itertools import accumulate
from typing import NamedTuple, Protocol

import numpy as np

from qilu.contract.expressions import Expression
from simulator.physics.noise import Array
from simulator.physics.signals import lag
from simulator.signals.arrays import ARRAYS
from simulator.signals.noise import Keys, normal
from simulator.signals.settings import (
    AnySignal,
    ConstantSignal,
    CounterSignal,
    FollowSignal,
    FormulaSignal,
    RampSignal,
    SawSignal,
    ScheduleSignal,
    SineSignal,
    SquareSignal,
    WalkSignal,
)


class Moment(NamedTuple):
    """The end of a step: simulated seconds since the start, the length of the step and its number."""

    seconds: float
    dt: float
    step: int


class Generator(Protocol):
    """Makes the values of one point."""

    def step(self, moment: Moment, values: Mapping[str, Array | float]) -> Array | float:
        """The values at a moment, shape (n,) or one for all; `values` has the points that it needs."""


class TimeFunction:
    """A signal that depends on the time alone."""

    def __init__(self, function: Callable[[float], float]) -> None:
        self._function = function

    def step(self, moment: Moment, values: Mapping[str, Array | float]) -> float:  # noqa: ARG002
        return self._function(moment.seconds)


class Walk:
    """A random walk between two bounds, by which it is reflected."""

    def __init__(self, signal: WalkSignal, keys: Keys) -> None:
        self._signal = signal
        self._keys = keys
        self._position: Array = np.full(len(keys), (signal.high - signal.low) / 2)

    def step(self, moment: Moment, values: Mapping[str, Array | float]) -> Array:  # noqa: ARG002
        width = self._signal.high - self._signal.low
        change = self._signal.rate * np.sqrt(moment.dt) * normal(self._keys, moment.step)
        # the walk goes on in a mirrored copy of its range beyond each bound
        self._position = np.mod(self._position + change, 2 * width)
        return self._signal.low + width - np.abs(width - self._position)


class Counter:
    """The sum of a rate over time; a rate that is no number, or falls below 0, counts nothing."""

    def __init__(self, signal: CounterSignal, rate: Expression | float, n: int) -> None:
        self._rate = rate
        self._count: Array = np.full(n, signal.start)

    def step(self, moment: Moment, values: Mapping[str, Array | float]) -> Array:
        rate = self._rate if isinstance(self._rate, float) else self._rate.evaluate(values, ARRAYS)
        self._count = self._count + np.fmax(np.nan_to_num(rate, nan=0.0, posinf=0.0), 0.0) * moment.dt
        return self._count


class Follow:
    """A first-order lag behind a formula."""

    def __init__(self, signal: FollowSignal, target: Expression, n: int) -> None:
        self._signal = signal
        self._target = target
        self._n = n
        self._value: Array | None = None

    def step(self, moment: Moment, values: Mapping[str, Array | float]) -> Array:
        signal = self._signal
        target = (
            np.broadcast_to(self._target.evaluate(values, ARRAYS), (self._n,)) * signal.gain + signal.offset
        )
        if self._value is None or signal.lag == 0.0:
            self._value = target
        else:
            self._value = np.where(
                np.isnan(target), self._value, lag(self._value, target, signal.lag, moment.dt)
            )
        return self._value


class Formula:
    """The value of a formula; what it cannot compute is NaN."""

    def __init__(self, formula: Expression) -> None:
        self._formula = formula

    def step(self, moment: Moment, values: Mapping[str, Array | float]) -> Array | float:  # noqa: ARG002
        value: Array | float = self._formula.evaluate(values, ARRAYS)
        return value


def generator(signal: AnySignal, formulas: Mapping[str, Expression], keys: Keys) -> Generator:
    """What makes the values of this signal for machines with these keys; set-points and texts have none."""
    match signal:
        case WalkSignal():
            return Walk(signal, keys)
        case CounterSignal(rate=rate):
            return Counter(signal, formulas["rate"] if isinstance(rate, str) else float(rate), len(keys))
        case FollowSignal():
            return Follow(signal, formulas["point"], len(keys))
        case FormulaSignal():
            return Formula(formulas["value"])
    return TimeFunction(_time_function(signal))


def _time_function(signal: AnySignal) -> Callable[[float], float]:
    match signal:
        case ConstantSignal(value=value):
            return lambda _seconds: value
        case SineSignal(mean=mean, amplitude=amplitude, period=period, phase=phase):
            return lambda seconds: mean + amplitude * np.sin(2 * np.pi * (seconds + phase) / period)
        case RampSignal(start=start, stop=stop, duration=duration):
            return lambda seconds: start + (stop - start) * min(seconds / duration, 1.0)
        case SawSignal(low=low, high=high, period=period):
            return lambda seconds: low + (high - low) * (seconds % period) / period
        case SquareSignal(low=low, high=high, period=period, duty=duty):
            return lambda seconds: high if seconds % period < duty * period else low
        case ScheduleSignal(steps=steps):
            ends = list(accumulate(step.duration for step in steps))
            return lambda seconds: steps[bisect_right(ends, seconds % ends[-1]) % len(steps)].value
    raise TypeError(f"{signal.signal} is no function of time")
