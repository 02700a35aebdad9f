"""The models of machine by name, without their physics: how each can stand in a plant.

`simulator/machines` has the physics under the same names; a test holds both together.
"""

from collections.abc import Mapping
from typing import NamedTuple

from simulator.physics.utility import Utility


class ModelTraits(NamedTuple):
    """Whether a model fills and empties buffers, what it supplies and what it takes."""

    handles_parts: bool = False
    supplies: frozenset[Utility] = frozenset()
    takes: frozenset[Utility] = frozenset({Utility.ELECTRICITY})


_ELECTRICITY, _AIR = Utility.ELECTRICITY, Utility.AIR
_WITH_AIR = frozenset({_ELECTRICITY, _AIR})

CATALOGUE: Mapping[str, ModelTraits] = {
    "centrifugal-pump": ModelTraits(),
    "chiller": ModelTraits(supplies=frozenset({Utility.COOLING})),
    "cnc-machining-centre": ModelTraits(handles_parts=True, takes=_WITH_AIR),
    "conveyor-packaging-line": ModelTraits(handles_parts=True, takes=_WITH_AIR),
    "injection-moulding-machine": ModelTraits(handles_parts=True, takes=_WITH_AIR | {Utility.COOLING}),
    "pv-inverter": ModelTraits(),
    "ring-spinning-frame": ModelTraits(takes=_WITH_AIR),
    "robot-cell": ModelTraits(handles_parts=True, takes=_WITH_AIR),
    "screw-air-compressor": ModelTraits(supplies=frozenset({_AIR})),
    "steam-boiler": ModelTraits(supplies=frozenset({Utility.STEAM})),
    "three-phase-energy-meter": ModelTraits(supplies=frozenset({_ELECTRICITY}), takes=frozenset()),
    "tyre-curing-press": ModelTraits(handles_parts=True, takes=frozenset({_ELECTRICITY, Utility.STEAM})),
}


def traits_of(model: str) -> ModelTraits:
    """The traits of a model; a machine without physics of its own exchanges nothing."""
    return CATALOGUE.get(model, ModelTraits(takes=frozenset()))
