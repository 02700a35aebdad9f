"""How a point moves, as the plant's file has it; times are simulated ones from the start of the plant on.

A number stands for a constant, a text for a formula, or for the text of a point that is one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Discriminator, Field, model_validator

from qilu.contract.units import Duration, Period
from qilu.contract.validation import FrozenModel, Problem, display, raise_problems, validation_error


class Signal(FrozenModel):
    """What every kind has."""

    noise: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    """Standard deviation of the white noise that the sensor adds, in the unit of the point."""

    inputs: ClassVar[tuple[str, ...]] = ()
    """The fields that hold a formula or the name of a point."""


class ConstantSignal(Signal):
    """Always the same."""

    signal: Literal["constant"] = "constant"
    """The kind of signal."""
    value: float
    """The value."""


class TextSignal(FrozenModel):
    """The text of a point that is one."""

    signal: Literal["text"] = "text"
    """The kind of signal."""
    value: str = Field(max_length=250)
    """The text."""

    inputs: ClassVar[tuple[str, ...]] = ()


class SineSignal(Signal):
    """mean + amplitude * sin(2 pi t / period)"""

    signal: Literal["sine"] = "sine"
    """The kind of signal."""
    mean: float
    """The middle."""
    amplitude: float
    """The greatest distance from the middle."""
    period: Period
    """Length of one wave."""
    phase: Duration = 0.0
    """By so much it is ahead."""


class RampSignal(Signal):
    """From `start` to `stop` within `duration`, where it stays."""

    signal: Literal["ramp"] = "ramp"
    """The kind of signal."""
    start: float
    """The first value."""
    stop: float
    """The last value."""
    duration: Period
    """From the first value to the last."""


class SawSignal(Signal):
    """From `low` to `high` within each period, then at once to `low`."""

    signal: Literal["saw"] = "saw"
    """The kind of signal."""
    low: float
    """The value at the start of each period."""
    high: float
    """The value at the end of each period."""
    period: Period
    """Length of one tooth."""


class SquareSignal(Signal):
    """`high` for the share `duty` of each period, then `low`."""

    signal: Literal["square"] = "square"
    """The kind of signal."""
    low: float
    """The value in the rest of each period."""
    high: float
    """The value at the start of each period."""
    period: Period
    """Length of one wave."""
    duty: float = Field(default=0.5, ge=0, le=1)
    """The share of each period with the value `high`."""


class WalkSignal(Signal):
    """A random walk that is reflected at its bounds; another one for each device."""

    signal: Literal["walk"] = "walk"
    """The kind of signal."""
    low: float
    """The lowest value."""
    high: float
    """The highest value."""
    rate: float = Field(gt=0, allow_inf_nan=False)
    """Standard deviation of the change within one second."""

    @model_validator(mode="after")
    def _check(self) -> WalkSignal:
        if self.high <= self.low:
            text = f"{self.high:g} is not above low, {self.low:g}"
            raise_problems([Problem(("high",), text, "give a larger one")])
        return self


class CounterSignal(Signal):
    """Counts up by `rate` units in a second: a number, or a formula over other points."""

    signal: Literal["counter"] = "counter"
    """The kind of signal."""
    rate: float | str
    """Units in a second, or a formula for them."""
    start: float = 0.0
    """The first value."""

    inputs: ClassVar[tuple[str, ...]] = ("rate",)


class FollowSignal(Signal):
    """gain * point + offset, with the time constant `lag`."""

    signal: Literal["follow"] = "follow"
    """The kind of signal."""
    point: str
    """The point, or a formula."""
    lag: Duration = 0.0
    """The time constant: after it 63 % of a step are made up."""
    gain: float = 1.0
    """Factor of the point."""
    offset: float = 0.0
    """Is added to the product."""

    inputs: ClassVar[tuple[str, ...]] = ("point",)


class FormulaSignal(Signal):
    """A formula over other points of the device and the names of `FORMULA_NAMES`."""

    signal: Literal["formula"] = "formula"
    """The kind of signal."""
    value: str
    """The formula."""

    inputs: ClassVar[tuple[str, ...]] = ("value",)


class ScheduleStep(FrozenModel):
    """One value of a schedule."""

    value: float
    """The value."""
    duration: Period
    """For how long."""


class ScheduleSignal(Signal):
    """One value after the other, then from the first again."""

    signal: Literal["schedule"] = "schedule"
    """The kind of signal."""
    steps: tuple[ScheduleStep, ...] = Field(min_length=1, max_length=1000)
    """Values with their durations."""


class SetpointSignal(Signal):
    """What a client wrote last; `value` until then."""

    signal: Literal["setpoint"] = "setpoint"
    """The kind of signal."""
    value: float = 0.0
    """The value until a client writes another one."""


def _shorthand(raw: Any) -> Any:
    """A number or a text as the kind for which it stands."""
    if isinstance(raw, bool | int | float):
        return {"signal": "constant", "value": float(raw)}
    if isinstance(raw, str):
        return {"signal": "formula", "value": raw}
    if isinstance(raw, Mapping) and "signal" not in raw:
        raise validation_error("has no signal", f"write signal: and one of {', '.join(SIGNALS)}")
    if not isinstance(raw, Mapping | Signal | TextSignal):
        raise validation_error(f"{display(raw)} is no signal", "write a number, a formula or {signal: NAME}")
    return raw


_Kinds = (
    ConstantSignal
    | TextSignal
    | SineSignal
    | RampSignal
    | SawSignal
    | SquareSignal
    | WalkSignal
    | CounterSignal
    | FollowSignal
    | FormulaSignal
    | ScheduleSignal
    | SetpointSignal
)
AnySignal = Annotated[
    Annotated[_Kinds, Discriminator("signal")],
    BeforeValidator(
        _shorthand, json_schema_input_type=float | str | Annotated[_Kinds, Discriminator("signal")]
    ),
]
"""A field of this type takes any of them."""

SIGNALS = tuple(kind.model_fields["signal"].default for kind in _Kinds.__args__)
FORMULA_NAMES = ("t", "second_of_day", "ambient", "frequency", "working")
"""Seconds since the start of the plant, of its day, degC in the hall, Hz of the mains, 1 in a shift."""
