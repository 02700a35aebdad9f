"""A device profile as it is read: repeats are spelled out, and the rules hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ModelWrapValidatorHandler, ValidationError, model_validator

from qilu.contract.profile import profile_rules
from qilu.contract.profile.expansion import expand, relocate
from qilu.contract.profile.model import ProfileFile
from qilu.contract.validation import Loc, Problem, raise_problems


class DeviceProfile(ProfileFile):
    """One model of machine. What it promises after it was read: every address is zero-based, every point has
    its orders and its group, no value reaches past address 65535, no two points overlap undeclared."""

    @model_validator(mode="after")
    def _check(self) -> DeviceProfile:
        raise_problems(profile_rules.of_profile(self))
        return self

    # Stands after the check above, and so is around it: what that finds is located, too.
    @model_validator(mode="wrap")
    @classmethod
    def _spell_out(cls, raw: Any, read: ModelWrapValidatorHandler[DeviceProfile]) -> DeviceProfile:
        profile, places = expand(raw)
        try:
            return read(profile)
        except ValidationError as error:
            raise relocate(error, places) from None

    def problems_with(self, overrides: Mapping[str, float], here: Loc = ()) -> Iterator[Problem]:
        """What is wrong with one device's own numbers, which stand at `here`."""
        return profile_rules.of_overrides(self, overrides, here)

    def parameters_with(self, overrides: Mapping[str, float]) -> Mapping[str, float]:
        """The defaults with one device's own numbers; ValidationError for a name that is not declared."""
        raise_problems(self.problems_with(overrides))
        return {**self.parameters, **overrides}

    def warnings(self) -> list[tuple[Loc, str]]:
        """What is allowed and yet likely to surprise: place in the file and sentence, for `qilu check`."""
        return profile_rules.warnings(self)
