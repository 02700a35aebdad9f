"""The learned limits of one device: their one owner, which saves them and knows when to test them again."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.sources.modbus.learning.bisection import Bisection, describe
from gateway.sources.modbus.learning.store import LearnedLimitsStore
from gateway.sources.modbus.planning.plan import NOTHING_LEARNED, Block, LearnedLimits
from qilu.contract.profile import DeviceProfile

FIRST_TRIAL_S = 10.0
"""Seconds after which one refused request is sent again; doubling, while it goes on being refused."""
TRIAL_INTERVAL_S = 3600.0
"""Seconds in which each of them is sent again later on, and from the first time on where they were learned
from timeouts: then a trial costs one."""
SHORTEST_INTERVAL_S = 60.0


class DeviceLimits:
    """Times are seconds of one monotonic clock."""

    __slots__ = ("_name", "_profile", "_reported", "_store", "_trial_at", "_trials", "learned")

    def __init__(self, name: str, profile: DeviceProfile, store: LearnedLimitsStore | None) -> None:
        self.learned = NOTHING_LEARNED
        self._name = name
        self._profile = profile
        self._reported = NOTHING_LEARNED  # what the log has of it
        self._store = store
        self._trials = 0  # since something was learned first
        self._trial_at = 0.0

    def load(self, now: float) -> bool:
        """Take what was saved before a restart; whether there was anything."""
        if self._store is None or self.learned is not NOTHING_LEARNED:
            return False
        self.learned = self._store.load(self._name, self._profile)
        self._trial_at = now + self._interval(1)
        return self.learned is not NOTHING_LEARNED

    def add(self, search: Bisection, now: float) -> str | None:
        """Learn what a cycle found: a text for people, empty where they know it; None where it is not new."""
        after = search.added_to(self.learned)
        if after == self.learned:
            return None
        self._set(after)
        self._trial_at = now + self._interval(1)
        text = describe(self._reported, after)
        self._reported = after
        return text

    def trial_due(self, now: float) -> bool:
        """Whether to send one request again that the device refused."""
        return self.learned is not NOTHING_LEARNED and now >= self._trial_at

    def next_trial(self, refused: Sequence[Block], now: float) -> Block:
        """The one of them to send: another one each time."""
        block = refused[self._trials % len(refused)]
        self._trials += 1
        self._trial_at = now + self._interval(len(refused))
        return block

    def forget(self) -> None:
        """The device gives what it refused: all is requested again, and what it refuses then is news."""
        self._trials = 0
        self._reported = NOTHING_LEARNED
        self._set(NOTHING_LEARNED)

    def profile_moved(self, profile: DeviceProfile) -> None:
        """Its addresses are others: nothing is known of them. The saved limits stay those of the file."""
        self._profile = profile
        self.learned = NOTHING_LEARNED

    def _interval(self, refused: int) -> float:
        early = FIRST_TRIAL_S * 2.0**self._trials
        if self.learned.by_timeout or early > TRIAL_INTERVAL_S:
            return max(SHORTEST_INTERVAL_S, TRIAL_INTERVAL_S / refused)
        return early

    def _set(self, learned: LearnedLimits) -> None:
        self.learned = learned
        if self._store is not None:
            self._store.keep(self._name, self._profile, learned)
