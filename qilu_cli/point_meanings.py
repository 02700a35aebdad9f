"""What a stored value means: its unit, the text of a code, and whether a mean of it makes sense."""

from __future__ import annotations

from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from qilu.config.profiles import profile_path, profiles
from qilu.contract.accounting import PROFILES, EventKind
from qilu.contract.errors import ConfigError
from qilu.contract.profile import DataType, DeviceProfile, Point, ProfileName
from qilu.contract.reading import Value

_checked = TypeAdapter(ProfileName).validate_python
_EVENT_CODES = frozenset(("event", "code"))


class Meanings:
    """The points of profiles as their files describe them: in a folder first, then the shipped ones.

    A store keeps numbers; profiles are asked by the names that the store has. One that is in neither place
    means nothing: its values are shown as they are stored.
    """

    def __init__(self, folder: Path | None = None) -> None:
        if folder is not None and not folder.is_dir():
            raise ConfigError(
                "is no folder", file=folder, key="--profiles", remedy="name a folder of profiles"
            )
        self._folder = folder
        self._known: dict[str, dict[str, Point] | None] = {}

    def knows(self, profile: str) -> bool:
        """Whether there is a description of the profile."""
        return profile in PROFILES or self._points(profile) is not None

    def unit(self, profile: str, point: str) -> str:
        """The unit of the point, or nothing."""
        definition = self._point(profile, point)
        return "" if definition is None else definition.unit

    def is_quantity(self, profile: str, point: str) -> bool:
        """Whether a mean of its values makes sense: not of a bool, a text, a code or a set of bits.

        True where no profile has it; then the type of the stored value decides.
        """
        definition = self._point(profile, point)
        if definition is None:
            return not (profile in PROFILES and point in _EVENT_CODES)
        return definition.kind != "state" and not definition.enum and definition.type is not DataType.BOOL

    def value(self, profile: str, point: str, stored: Value) -> Value:
        """The value in its own type: some stores keep every number as a float."""
        definition = self._point(profile, point)
        if definition is None or not isinstance(stored, int | float):
            return stored
        if definition.type is DataType.BOOL:
            return bool(stored)
        return int(stored) if definition.kind == "state" and _is_whole(stored) else stored

    def text(self, profile: str, point: str, stored: Value) -> str:
        """The text of a code, or nothing. A named bit is a point of its own."""
        if not isinstance(stored, int | float) or not _is_whole(stored):
            return ""
        code = int(stored)
        if profile in PROFILES and point == "event":
            return EventKind(code).name.lower() if code in set(EventKind) else ""
        definition = self._point(profile, point)
        return "" if definition is None or code not in definition.enum else str(definition.enum[code])

    def point(self, profile: str, point: str) -> Point | None:
        """What the profile has of a point; None where it is not known."""
        return self._point(profile, point)

    def _point(self, profile: str, point: str) -> Point | None:
        return (self._points(profile) or {}).get(point)

    def _points(self, profile: str) -> dict[str, Point] | None:
        if profile not in self._known:
            loaded = self._load(profile)
            self._known[profile] = None if loaded is None else {point.name: point for point in loaded.points}
        return self._known[profile]

    def _load(self, profile: str) -> DeviceProfile | None:
        """The file of the profile; ConfigError when it is not valid. Its name is from an edge: no path."""
        try:
            _checked(profile)
            profile_path(profile, self._folder)
        except (ValidationError, ConfigError):
            return None
        return profiles([profile], self._folder)[profile]


def _is_whole(stored: float) -> bool:
    return isinstance(stored, int) or stored.is_integer()
