"""Values of a device count only while its identity points read what the profile expects."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from qilu.contract.profile import DeviceProfile
from qilu.contract.reading import Reading, Reason, Value

_log = logging.getLogger(__name__)

SEARCH_INTERVAL_S = 60.0


class DeviceIdentity:
    """A marker or model number with another value shows another device, or a map at another address."""

    __slots__ = ("_device", "_expected", "_profile", "_right", "_search_at", "_wrong")

    def __init__(self, device: str, profile: DeviceProfile) -> None:
        self._device = device
        self._profile = profile.profile
        self._expected = {point.name: point.identity for point in profile.points if point.identity}
        self._search_at = float("-inf") if profile.locate else float("inf")
        self._right: set[str] = set()
        self._wrong: dict[str, Value] = {}

    @property
    def is_expected(self) -> bool:
        """Whether the profile has identity points."""
        return bool(self._expected)

    def unknown_beside(self, points: Sequence[str]) -> bool:
        """Whether identity points that are not among these were not read yet."""
        known = self._right.union(self._wrong, points)
        return not known.issuperset(self._expected)

    def start_search(self, now: float) -> bool:
        """Start a search for the identity elsewhere, where it is time: once a minute while it reads wrong."""
        if not self._wrong or now < self._search_at:
            return False
        self._search_at = now + SEARCH_INTERVAL_S
        return True

    def forget(self) -> None:
        """The device was offline: another one may come back."""
        self._right.clear()
        self._wrong.clear()

    def checked(self, readings: list[Reading]) -> list[Reading]:
        """The readings of one poll; every value bad, undecodable, while the identity is wrong, and not_polled
        until all of it was read."""
        if not self._expected:
            return readings
        for reading in readings:
            for name, value in zip(reading.columns.points, reading.values, strict=True):
                if name in self._expected and value is not None:
                    self._observe(name, value)
        if self._wrong:
            return [without_values(reading, Reason.UNDECODABLE) for reading in readings]
        if len(self._right) < len(self._expected):
            return [without_values(reading, Reason.NOT_POLLED) for reading in readings]
        return readings

    def _observe(self, name: str, value: Value) -> None:
        if value in self._expected[name]:
            self._right.add(name)
            self._wrong.pop(name, None)
            return
        self._right.discard(name)
        if self._wrong.get(name) != value:
            expected = _joined(self._expected[name])
            text = "%s: %s reads %r, the profile %s expects %s: no value is good; check profile and addresses"
            _log.warning(text, self._device, name, value, self._profile, expected)
        self._wrong[name] = value


def without_values(reading: Reading, reason: Reason) -> Reading:
    """The same with no good value."""
    reasons = dict.fromkeys(range(len(reading.values)), reason) | dict(reading.reasons)
    return Reading(reading.columns, reading.time_ms, (None,) * len(reading.values), reasons)


def _joined(values: Sequence[int | str]) -> str:
    return " or ".join(map(repr, values))
