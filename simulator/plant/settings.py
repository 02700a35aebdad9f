"""A plant's settings as they are read: the keys of the file, and the rules that hold among them."""

from __future__ import annotations

from pydantic import model_validator

from qilu.contract.validation import raise_problems
from simulator.plant import settings_checks
from simulator.plant.plant_file import PlantFile


class PlantSettings(PlantFile):
    """A plant. What it does follows from these settings, the number of ticks and what is written to it."""

    @model_validator(mode="after")
    def _check(self) -> PlantSettings:
        raise_problems(settings_checks.of_plant(self))
        return self
