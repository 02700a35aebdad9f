"""Whether the signals of a plant's file fit the profile of their machine, and their order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter

from qilu.config.error_texts import suggestion
from qilu.contract.expressions import Expression, ExpressionError, parse
from qilu.contract.profile import SERVE_COUNTER, DataType, DeviceProfile
from qilu.contract.validation import Loc, Problem
from simulator.signals.defaults import default_signals
from simulator.signals.settings import FORMULA_NAMES, AnySignal, FormulaSignal, SetpointSignal, TextSignal


def signals_of(profile: DeviceProfile, own: Mapping[str, AnySignal]) -> Mapping[str, AnySignal]:
    """The signal of every point: those of the file, and the default of every other."""
    texts = {point.name for point in profile.points if point.type is DataType.STRING}
    explicit = {
        name: TextSignal(value=signal.value)
        if name in texts and isinstance(signal, FormulaSignal)
        else signal
        for name, signal in own.items()
    }
    defaults = {name: signal for name, signal in default_signals(profile).items() if name != SERVE_COUNTER}
    return defaults | explicit


def formulas(signal: AnySignal) -> Mapping[str, Expression]:
    """Field -> its formula; ExpressionError where one is none."""
    texts = {field: getattr(signal, field) for field in signal.inputs}
    return {field: parse(text) for field, text in texts.items() if isinstance(text, str)}


def order(parsed: Mapping[str, Mapping[str, Expression]]) -> list[str]:
    """The points in an order in which each comes behind those that its `formulas` need; CycleError where none
    exists."""
    needed = {
        name: {other for formula in fields.values() for other in formula.names if other in parsed}
        for name, fields in parsed.items()
    }
    return list(TopologicalSorter(needed).static_order())


def problems(profile: DeviceProfile, own: Mapping[str, AnySignal], place: Loc) -> Iterator[Problem]:
    """What is wrong with the signals of one machine, which stand at `place`."""
    signals = signals_of(profile, own)
    points = {point.name: point for point in profile.points if point.overlaps is None}
    sound = True
    for name, signal in own.items():
        here = (*place, name)
        if name not in points or name == SERVE_COUNTER:
            sound = False
            yield Problem(here, f"{profile.profile} has no point {name}", suggestion(name, sorted(points)))
            continue
        if (points[name].type is DataType.STRING) != isinstance(signals[name], TextSignal):
            sound = False
            remedy = "write a text for a point that is a text, and a signal of numbers for any other"
            yield Problem(here, f"does not fit the type {points[name].type}", remedy)
        elif isinstance(signal, SetpointSignal) and not points[name].writable:
            sound = False
            yield Problem(here, "no client can write this point", "give it another signal")
        else:
            for problem in _formula_problems(signals[name], here, points):
                sound = False
                yield problem
    if sound:
        yield from _cycles(signals, place)


def _formula_problems(signal: AnySignal, place: Loc, points: Mapping[str, object]) -> Iterator[Problem]:
    try:
        needed = {name for formula in formulas(signal).values() for name in formula.names}
    except ExpressionError as error:
        yield Problem(place, str(error), error.remedy)
        return
    for name in sorted(needed - points.keys() - set(FORMULA_NAMES)):
        yield Problem(place, f"there is no point {name}", suggestion(name, [*sorted(points), *FORMULA_NAMES]))


def _cycles(signals: Mapping[str, AnySignal], place: Loc) -> Iterator[Problem]:
    try:
        order({name: formulas(signal) for name, signal in signals.items()})
    except CycleError as error:
        names = list(dict.fromkeys(error.args[1]))
        text = f"{' needs '.join([*names, names[0]])}"
        yield Problem((*place, names[0]), text, "leave one of them out of the formula of the other")
