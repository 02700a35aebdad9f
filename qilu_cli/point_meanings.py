"""What a stored value means: its unit, the text of a code, and whether a mean of it makes sense."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from qilu.config.profiles import profile_path, profiles
from qilu.contract.accounting import PROFILES, EventKind
from qilu.contract.errors import ConfigError
from qilu.contract.point_info import PointInfo, texts_of_codes
from qilu.contract.profile import DataType, DeviceProfile, Label, Point, ProfileName, Table
from qilu.contract.reading import Value
from qilu.stores.interfaces import DescribedPoint

_checked = TypeAdapter(ProfileName).validate_python
_EVENT_CODES = frozenset(("event", "code"))


class Meanings:
    """The points of profiles: as a file in a folder describes them, else as the edges described them in the
    store, else as the shipped file does.

    A store keeps numbers; profiles are asked by the names that the store has. One that is nowhere means
    nothing: its values are shown as they are stored.
    """

    def __init__(self, folder: Path | None = None) -> None:
        if folder is not None and not folder.is_dir():
            raise ConfigError(
                "is no folder", file=folder, key="--profiles", remedy="name a folder of profiles"
            )
        self._folder = folder
        self._known: dict[str, dict[str, Point] | None] = {}
        self._described: dict[tuple[str, str], DescribedPoint] = {}
        self._profiles_described: set[str] = set()
        self._definitions: dict[tuple[str, str], Point | None] = {}
        """Of the points that were asked for: `point` is called for each stored value."""

    def learn(self, described: Iterable[DescribedPoint]) -> None:
        """Take what a store has; of two descriptions of one point the newer one counts."""
        self._definitions.clear()
        for each in described:
            key = each.info.profile, each.point
            known = self._described.get(key)
            if known is None or known.time_ms <= each.time_ms:
                self._described[key] = each
                self._profiles_described.add(each.info.profile)

    def knows(self, profile: str) -> bool:
        described = profile in self._profiles_described
        return profile in PROFILES or described or self._points(profile) is not None

    def unit(self, profile: str, point: str) -> str:
        """The unit of the point, or nothing."""
        definition = self.point(profile, point)
        return "" if definition is None else definition.unit

    def is_quantity(self, profile: str, point: str) -> bool:
        """Whether a mean of its values makes sense: not of a bool, a text, a code or a set of bits.

        True where no profile has it; then the type of the stored value decides.
        """
        definition = self.point(profile, point)
        if definition is None:
            return not (profile in PROFILES and point in _EVENT_CODES)
        return definition.kind != "state" and not definition.enum and definition.type is not DataType.BOOL

    def value(self, profile: str, point: str, stored: Value) -> Value:
        """The value in its own type: some stores keep every number as a float."""
        definition = self.point(profile, point)
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
        definition = self.point(profile, point)
        return "" if definition is None or code not in definition.enum else str(definition.enum[code])

    def point(self, profile: str, point: str) -> Point | None:
        """What the profile has of a point; None where it is not known."""
        key = profile, point
        if key not in self._definitions:
            self._definitions[key] = self._find(profile, point)
        return self._definitions[key]

    def _find(self, profile: str, point: str) -> Point | None:
        of_file = (self._points(profile) or {}).get(point)
        described = self._described.get((profile, point))
        if described is None or (of_file is not None and self._in_folder(profile)):
            return of_file
        return _as_described(described.info, point, of_file)

    def _in_folder(self, profile: str) -> bool:
        """Whether the folder that the user named has the profile: it is what the user means."""
        return self._folder is not None and (self._folder / f"{profile}.yaml").is_file()

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


def _as_described(info: PointInfo, name: str, of_file: Point | None) -> Point:
    """The point with the texts of the store; its type is that of the file, where there is one."""
    chinese = texts_of_codes(info.codes_zh)
    enum = {
        code: Label(en=text, zh=chinese.get(code, "")) for code, text in texts_of_codes(info.codes_en).items()
    }
    label = Label(en=info.label_en, zh=info.label_zh)
    if of_file is not None:
        return of_file.model_copy(update={"label": label, "unit": info.unit, "enum": enum or of_file.enum})
    state = info.kind == "state" or bool(enum)
    return Point.model_construct(
        name=name,
        table=Table.HOLDING,
        address=0,
        type=DataType.INT64 if state else DataType.FLOAT64,
        label=label,
        unit=info.unit,
        kind="state" if state else "counter" if info.kind == "counter" else "gauge",
        enum=enum,
    )


def _is_whole(stored: float) -> bool:
    return isinstance(stored, int) or stored.is_integer()
