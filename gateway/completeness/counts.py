"""Counts, device by device, what became of every value that was due.

An account runs from its begin to the first reading of the poll that begins the next one, so that every stored
value belongs to exactly one account by its own time, and the store can be compared with it to the value.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from qilu.contract.completeness import COLLECTION, COUNTS, COUNTS_POINTS, family
from qilu.contract.reading import Columns, Origin, Poll, Reading

_BAD = ("silent", "refused", "invalid", "internal")


class _Account:
    """One device since `begin_ms`; `last_ms` is the latest time of a reading in it."""

    __slots__ = (
        "_bad", "_expected", "_missed", "_offline_ms", "_suppressed",
        "begin_ms", "columns", "last_ms", "offline_since",
    )  # fmt: skip

    def __init__(self, origin: Origin, begin_ms: int) -> None:
        own = Origin(origin.edge, origin.device, COLLECTION, origin.enterprise, origin.site, origin.line)
        self.columns = Columns(own, COUNTS, COUNTS_POINTS)
        self.offline_since: int | None = None
        self._begin(begin_ms)

    def _begin(self, begin_ms: int) -> None:
        self.begin_ms = self.last_ms = begin_ms
        self._expected = self._missed = self._suppressed = self._offline_ms = 0
        self._bad: Counter[str] = Counter()

    def count(self, poll: Poll, kept: int) -> None:
        size = 0
        for reading in poll.readings:
            self.last_ms = max(self.last_ms, reading.time_ms)
            size += len(reading.values)
            if reading.reasons:
                self._bad.update(map(family, reading.reasons.values()))
        self._expected += size * (1 + poll.skipped)
        self._missed += size * poll.skipped
        self._suppressed += size - kept

    def online(self, time_ms: int) -> None:
        if self.offline_since is not None:
            self._offline_ms += max(time_ms - max(self.offline_since, self.begin_ms), 0)
            self.offline_since = None

    def close(self, end_ms: int) -> Poll:
        """What was counted until `end_ms`, where the next account begins."""
        since = self.offline_since
        if since is not None:
            self.online(end_ms)
            self.offline_since = since
        bad = self._bad
        good = self._expected - self._missed - bad.total()
        values = (
            end_ms - self.begin_ms,
            self._expected,
            self._missed,
            good,
            bad["uncertain"],
            *(bad[name] for name in _BAD),
            self._suppressed,
            self._offline_ms / 1000,
        )
        poll = Poll(self.begin_ms, (Reading(self.columns, self.begin_ms, values),))
        self._begin(end_ms)
        return poll


class Counts:
    """The accounts of all devices of an edge; `every_ms` is how long one runs, at least."""

    def __init__(self, every_ms: int, begin_ms: int) -> None:
        self._every_ms = every_ms
        self._begin_ms = begin_ms
        self._accounts: dict[str, _Account] = {}

    def passed(self, poll: Poll, kept: Sequence[Poll]) -> Poll | None:
        """Count a poll and what the processors left of it; returns the account that ended before it."""
        account = self._of(poll.origin)
        first_ms = min(reading.time_ms for reading in poll.readings)
        done = None
        if first_ms > account.last_ms and first_ms // self._every_ms > account.begin_ms // self._every_ms:
            done = account.close(first_ms)
        account.count(poll, sum(one.size for one in kept))
        return done

    def offline(self, origin: Origin, time_ms: int) -> None:
        """The device does not answer from now on."""
        account = self._of(origin)
        if account.offline_since is None:
            account.offline_since = time_ms

    def online(self, origin: Origin, time_ms: int) -> float:
        """The device answers again; seconds since it did not, 0.0 when it did."""
        account = self._of(origin)
        since = account.offline_since
        account.online(time_ms)
        return 0.0 if since is None else max(time_ms - since, 0) / 1000

    def close(self, now_ms: int) -> list[Poll]:
        """End every account: nothing will be collected for now."""
        return [account.close(max(now_ms, account.last_ms + 1)) for account in self._accounts.values()]

    def _of(self, origin: Origin) -> _Account:
        account = self._accounts.get(origin.device)
        if account is None:
            account = self._accounts[origin.device] = _Account(origin, self._begin_ms)
        return account
