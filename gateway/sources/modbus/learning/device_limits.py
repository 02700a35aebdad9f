"""The learned limits of one device: its one owner, which saves them and knows when to request all again."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.sources.modbus.learning.bisection import Bisection, describe
from gateway.sources.modbus.learning.retry_policy import RetryPolicy
from gateway.sources.modbus.learning.store import LearnedLimitsStore
from gateway.sources.modbus.planning.plan import NOTHING_LEARNED, LearnedLimits
from qilu.contract.profile import DeviceProfile
from qilu.contract.reading import Reading


class DeviceLimits:
    """Times are seconds of one monotonic clock."""

    __slots__ = ("_before_trial", "_name", "_profile", "_reported", "_retry", "_store", "learned")

    def __init__(self, name: str, profile: DeviceProfile, store: LearnedLimitsStore | None) -> None:
        self.learned = self._before_trial = NOTHING_LEARNED
        self._name = name
        self._profile = profile
        self._reported = NOTHING_LEARNED  # what the log has of it
        self._retry = RetryPolicy()
        self._store = store

    def load(self, now: float) -> bool:
        """Take what was saved before a restart; whether there was anything."""
        if self._store is None or self.learned is not NOTHING_LEARNED:
            return False
        self.learned = self._store.load(self._name, self._profile)
        self._retry.learned(now)
        return self.learned is not NOTHING_LEARNED

    def add(self, search: Bisection, now: float) -> str | None:
        """Learn what a cycle found: a text for people, empty where they know it; None where it is not new."""
        after = search.added_to(self.learned)
        if after == self.learned:
            return None
        self._retry.learned(now)
        self._set(after)
        text = describe(self._reported, after)
        self._reported = after
        return text

    def retest_due(self, now: float) -> bool:
        """Whether to forget all; then it is forgotten."""
        if self.learned is NOTHING_LEARNED or not self._retry.all_due(now):
            return False
        self._forget(now)
        return True

    def trial(self, excluded: Sequence[str], now: float) -> LearnedLimits | None:
        """The limits without one of these points, where it is time to request a refused point again. What was
        learned from timeouts is not tried: that costs a timeout."""
        learned = self.learned
        if learned is NOTHING_LEARNED or learned.by_timeout or not self._retry.trial_due(now):
            return None
        refused = [name for name in excluded if name in learned.refused_points]
        if not refused:
            return None
        self._before_trial = learned
        self.learned = learned.without(self._profile.point(self._retry.start_retry(refused, now)))
        return self.learned

    def trial_ended(self, readings: Sequence[Reading]) -> bool | None:
        """A cycle has ended; whether it requested a refused point and got its value, None if it requested
        none."""
        point, self._retry.retried_point = self._retry.retried_point, None
        if point is None:
            return None
        return any(
            point in reading.columns.points and reading.columns.points.index(point) not in reading.reasons
            for reading in readings
        )

    def trial_undone(self) -> None:
        """The trial brought neither a value nor a refusal: the limits are those before it."""
        self.learned = self._before_trial

    def trial_succeeded(self, now: float) -> None:
        """The device gives what it refused: forget all, and report what it refuses now as news."""
        self._reported = NOTHING_LEARNED
        self._forget(now)

    def profile_moved(self, profile: DeviceProfile) -> None:
        """Its addresses are others: nothing is known of them. The saved limits stay those of the file."""
        self._profile = profile
        self.learned = NOTHING_LEARNED

    def _forget(self, now: float) -> None:
        self._retry.forgotten(now)
        self._set(NOTHING_LEARNED)

    def _set(self, learned: LearnedLimits) -> None:
        self.learned = learned
        if self._store is not None:
            self._store.keep(self._name, self._profile, learned)
