"""What may be set of a machine under `parameters:`, and what is wrong with what a plant's file sets there."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from functools import cache

from qilu.config.error_texts import suggestion
from qilu.contract.profile import DeviceProfile, ParameterRef
from qilu.contract.validation import Loc, Problem
from simulator.machines import MODELS
from simulator.physics.machine import Parameter, fleet
from simulator.plant.settings import PlantSettings


@cache
def of_model(model: str) -> Mapping[str, Parameter]:
    machine = fleet("any")
    if model in MODELS:
        MODELS[model](machine)
    return machine.known


def of_machine(profile: DeviceProfile, model: str | None = None) -> Mapping[str, Parameter]:
    """As `of_model`; one that the set-point NAME_set begins with is bounded by the limits of that point, and
    one whose NAME is measured by what that point can show."""
    limits = {point.name: point.limits for point in profile.points}
    parameters = {}
    for name, parameter in of_model(model or profile.profile).items():
        setpoint, shown = limits.get(f"{name}_set"), limits.get(name)
        if setpoint is not None:
            parameters[name] = parameter.within(setpoint.min, setpoint.max)
        elif shown is not None and shown.max is not None:
            parameters[name] = parameter.within(None, min(parameter.maximum, shown.max))
        else:
            parameters[name] = parameter
    return parameters


def problems(settings: PlantSettings, profiles: Mapping[str, DeviceProfile]) -> Iterator[Problem]:
    """Parameters that the machine does not have, and values that it cannot have."""
    for entry, machine in enumerate(settings.machines):
        profile = profiles[machine.profile]
        known = of_machine(profile, machine.machine)
        place = ("machines", entry, "parameters")
        for name, value in machine.parameters.items():
            if name in known:
                yield from _impossible((*place, name), value, known[name])
            elif name in profile.parameters:
                yield from _no_scale((*place, name), value, profile)
            else:
                text = f"{machine.machine} has no parameter {name}"
                yield Problem((*place, name), text, suggestion(name, sorted({*known, *profile.parameters})))
        yield from _disordered(place, machine.parameters, known)


def _impossible(place: Loc, value: float, parameter: Parameter) -> Iterator[Problem]:
    if not parameter.minimum <= value <= parameter.maximum:
        low, high = parameter.minimum, parameter.maximum
        remedy = f"give a number from {low:g} to {high:g}, such as {parameter.default:g}"
        yield Problem(place, f"{value:g} is not possible", remedy)


def _no_scale(place: Loc, value: float, profile: DeviceProfile) -> Iterator[Problem]:
    """A parameter of the registers: a scale or an offset of points."""
    scale = any(
        isinstance(point.scale, ParameterRef) and point.scale.parameter == place[-1]
        for point in profile.points
    )
    if not math.isfinite(value) or (scale and value == 0.0):
        remedy = f"give a number, such as {profile.parameters[str(place[-1])]:g}"
        yield Problem(place, f"{value:g} is not possible", remedy)


def _disordered(place: Loc, own: Mapping[str, float], known: Mapping[str, Parameter]) -> Iterator[Problem]:
    """Of two that have an order, the upper one that is not above the lower one."""
    for name, parameter in known.items():
        if parameter.above is None or not {name, parameter.above} & own.keys():
            continue
        upper = own.get(name, parameter.default)
        lower = own.get(parameter.above, known[parameter.above].default)
        if upper <= lower:
            wrong = name if name in own else parameter.above
            text = f"{name} is {upper:g} and {parameter.above} {lower:g}"
            yield Problem((*place, wrong), text, f"give a {name} above {parameter.above}")
