"""Names, once per device, the setting to look at where the replies suggest that it is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

from qilu.contract.profile import DeviceProfile
from qilu.contract.reading import Reading, Reason

LONGEST_DEAFNESS_S = 30.0
"""Seconds from a connection to its first reply, beyond which the device was switched on only then."""
UNUSABLE_REPLIES = 3
"""Consecutive polls with bytes that are no reply until these are named."""
LATE_REPLIES = 5
"""Replies after the timeout until the timeout is called too short."""
POLLS_OUT_OF_LIMITS = 10
"""Consecutive polls of a group without one limited value inside its limits until the profile is doubted."""


class SettingHints:
    """What was seen of one device. Each hint is given once; later replies change nothing."""

    def __init__(self, profile: DeviceProfile) -> None:
        self._profile = profile.profile
        self._limited = frozenset(
            point.name
            for point in profile.points
            if point.limits.min is not None or point.limits.max is not None
        )
        self._late_replies = 0
        self._out_of_limits: dict[str, int] = {}
        self._unusable = 0
        self._logged: set[str] = set()

    def late_reply(self, seconds: float, timeout: float) -> str | None:
        """A reply came `seconds` after its request, later than `timeout` (s)."""
        self._late_replies += 1
        return self._once(
            "timeout",
            self._late_replies >= LATE_REPLIES,
            f"replies after {seconds:.1f} s, later than its timeout of {timeout:g} s: set `timeout` of this"
            f" source to {2 * seconds:.1g}s or more",
        )

    def deaf(self, seconds: float) -> str | None:
        """Its first reply came `seconds` after the connection."""
        return self._once(
            "deaf",
            0 < seconds <= LONGEST_DEAFNESS_S,
            f"replied for the first time {seconds:.1f} s after the connection: if each connection begins so,"
            f" set `connect_delay` of this source to {ceil(seconds)}s",
        )

    def unusable_reply(self, text: str) -> str | None:
        """`text`: what came in place of a reply in one poll; empty where all replies could be used."""
        self._unusable = self._unusable + 1 if text else 0
        return self._once("unusable", self._unusable >= UNUSABLE_REPLIES, f"sends what is no reply: {text}")

    def usable_replies(self) -> None:
        """All replies of one poll could be used."""
        self._unusable = 0

    def polled(self, readings: Sequence[Reading]) -> str | None:
        """What one poll of a group brought."""
        if not readings or not self._limited:
            return None
        group = readings[0].columns.group
        bad = [reading for reading in readings if reading.reasons]
        reasons = [
            reading.reasons.get(index)
            for reading in (readings if bad else ())
            for index, point in enumerate(reading.columns.points)
            if point in self._limited
        ]
        if not reasons or any(reason is not Reason.OUT_OF_LIMITS for reason in reasons):
            self._out_of_limits.pop(group, None)
            return None
        self._out_of_limits[group] = self._out_of_limits.get(group, 0) + 1
        return self._once(
            "limits",
            self._out_of_limits[group] >= POLLS_OUT_OF_LIMITS,
            f"all values of group {group} that have limits are out of limits: look at the addresses,"
            f" `word_order`, `type` and `scale` in profile {self._profile}",
        )

    def _once(self, hint: str, holds: bool, text: str) -> str | None:
        if not holds or hint in self._logged:
            return None
        self._logged.add(hint)
        return text
