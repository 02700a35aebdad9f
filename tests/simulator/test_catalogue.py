"""What the catalogue says of a model is what its physics do."""

import pytest

from simulator.machines import MODELS
from simulator.physics.machine import fleet, nominal_surroundings
from simulator.plant.catalogue import CATALOGUE, ModelTraits


@pytest.mark.parametrize("model", sorted({*MODELS, *CATALOGUE}))
def test_the_catalogue_agrees_with_the_physics(model: str) -> None:
    machines = MODELS[model](fleet("any"))
    machines.step(1.0, nominal_surroundings(1))
    handles_parts = machines.passes() is not None
    takes = frozenset(machines.utility_inputs())
    assert CATALOGUE[model] == ModelTraits(handles_parts, frozenset(machines.supplies), takes)
