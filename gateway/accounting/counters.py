"""Counts, device by device, what became of every value that was due.

An account runs from its begin to the first reading of the poll that begins the next one, so that every stored
value belongs to exactly one account by its own time, and the store can be compared with it to the value.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from math import ceil

from gateway.accounting.account import Account
from qilu.contract.reading import EpochTag, Origin, Poll

_MAX_BLOCKED = 16
"""Times in which the spool took nothing, that are remembered."""

Keep = Callable[[str, Account], None]


class Counts:
    """The accounts of all devices of an edge; `every_ms` is how long one runs, at least.

    `known_ms`: device -> when this edge first collected from it, where that is not `begin_ms`. `keep` takes
    each account that changed. `epoch`: the one of `begin_ms`; a device has an account for each epoch
    of the clock, and that of a former epoch ends with its last reading.
    """

    def __init__(
        self,
        every_ms: int,
        start_ms: int,
        known_ms: Mapping[str, int] | None = None,
        keep: Keep | None = None,
        epoch: EpochTag | None = None,
    ) -> None:
        self._every_ms = every_ms
        self._start_ms = start_ms
        self._known_ms = known_ms or {}
        self._keep = keep
        self._epoch = epoch
        self._accounts: dict[str, Account] = {}
        self._ended: dict[str, list[Account]] = {}
        """Accounts of former epochs, in which a turn may have begun that is not over yet."""
        self._between: list[tuple[str, int, int]] = []
        self._origins: dict[str, Origin] = {}
        self._due: dict[tuple[str, str], int] = {}
        self._blocked: deque[tuple[int, int]] = deque(maxlen=_MAX_BLOCKED)

    @property
    def accounts(self) -> Mapping[str, Account]:
        """Those that are open, by device."""
        return self._accounts

    def start(self, origins: Mapping[str, Origin]) -> None:
        for origin in origins.values():
            self._of(origin)

    def record_poll(self, poll: Poll, kept: Sequence[Poll]) -> Sequence[Poll]:
        """Count a poll and what the processors left of it; returns the accounts that ended before it."""
        origin = poll.origin
        account = self._of(origin)
        first_ms = min(reading.time_ms for reading in poll.readings)
        done: list[Poll] = []
        if poll.epoch is not None and poll.epoch.number != account.epoch:
            account = self._of_epoch(poll.epoch, origin, first_ms)
        elif first_ms > account.last_ms and first_ms // self._every_ms > account.start_ms // self._every_ms:
            done = [
                account.to_poll(self._origins[origin.device], first_ms),
                *self._close_ended(origin.device),
            ]
            account = self._accounts[origin.device] = account.next(first_ms)
        account.count(poll, kept, self._blocked_polls(poll))
        if self._keep is not None and account is self._accounts[origin.device]:
            self._keep(origin.device, account)
        return done

    def _of_epoch(self, epoch: EpochTag, origin: Origin, first_ms: int) -> Account:
        """The account for a poll of another epoch than the present one: a late one, or the next."""
        present = self._accounts[origin.device]
        ended = self._ended.setdefault(origin.device, [])
        late = next((account for account in ended if account.epoch == epoch.number), None)
        if late is not None:
            return late
        ended.append(present)
        known_ms = present.known_ms
        if present.epoch:
            known_ms += epoch.offset_ms - present.offset_ms
            unpolled_ms = first_ms - epoch.offset_ms - (present.last_ms - present.offset_ms)
            self._between.append((origin.device, first_ms, unpolled_ms))
        account = self._accounts[origin.device] = Account(first_ms, known_ms).start_in_epoch(epoch)
        if present.offline_since:
            present.online(present.last_ms)
            account.offline_since = first_ms
        return account

    def between_epochs(self) -> list[tuple[str, int, int]]:
        """Since the last call: device, its first reading in an epoch, ms from the reading before to that."""
        gaps, self._between = self._between, []
        return gaps

    def _close_ended(self, device: str) -> list[Poll]:
        origin = self._origins[device]
        return [account.to_poll(origin, account.last_ms + 1) for account in self._ended.pop(device, [])]

    def blocked(self, start_ms: int, end_ms: int) -> None:
        """The spool took no record from `start_ms` to `end_ms`, so that nothing was polled."""
        self._blocked.append((start_ms, end_ms))

    def offline(self, origin: Origin, time_ms: int) -> None:
        """The device does not answer from now on."""
        account = self._of(origin)
        account.offline_since = account.offline_since or time_ms

    def online(self, origin: Origin, time_ms: int) -> float:
        """The device answers again; seconds since it did not, 0.0 when it did."""
        account = self._of(origin)
        since = account.offline_since
        account.online(time_ms)
        return max(time_ms - since, 0) / 1000 if since else 0.0

    def close(self, now_ms: int) -> list[Poll]:
        """End every account at one time: `ended_ms`."""
        end_ms = self.ended_ms(now_ms)
        polls = [account for device in self._accounts for account in self._close_ended(device)]
        polls += [
            account.to_poll(self._origins[device], end_ms) for device, account in self._accounts.items()
        ]
        self._accounts = {device: account.next(end_ms) for device, account in self._accounts.items()}
        return polls

    def ended_ms(self, now_ms: int) -> int:
        """When accounts that are closed `now_ms` end: behind all that is counted."""
        return max([now_ms, *(account.last_ms + 1 for account in self._accounts.values())])

    def exchange(
        self, removed: Collection[str], added: Mapping[str, Origin], now_ms: int, epoch: EpochTag | None
    ) -> list[Poll]:
        """End the accounts of `removed` and begin those of `added`; returns what ended.

        A device in both goes on with its next account; one that is new is known from now on. `epoch`: the
        one of `now_ms`.
        """
        done: list[Poll] = []
        for device in removed:
            if (account := self._accounts.get(device)) is None:
                continue
            origin = self._origins[device]
            if epoch is not None and epoch.number != account.epoch:
                following = self._of_epoch(epoch, origin, now_ms)
            else:
                end_ms = max(now_ms, account.last_ms + 1)
                done.append(account.to_poll(origin, end_ms))
                following = account.next(end_ms)
            done += self._close_ended(device)
            self._accounts[device] = following
            if device not in added:
                del self._accounts[device], self._origins[device]
                self._due = {series: due for series, due in self._due.items() if series[0] != device}
        for device, origin in added.items():
            self._origins[device] = origin
            if device not in self._accounts:
                self._accounts[device] = Account(now_ms, now_ms).start_in_epoch(epoch)
            if self._keep is not None:
                self._keep(device, self._accounts[device])
        return done

    def _blocked_polls(self, poll: Poll) -> int:
        """How many of the skipped turns before this poll were due while the spool took no record."""
        series = poll.origin.device, poll.readings[0].columns.group
        before_ms = self._due.get(series)
        self._due[series] = poll.due_ms
        if not poll.skipped or before_ms is None or not self._blocked:
            return 0
        period_ms = max((poll.due_ms - before_ms) / (1 + poll.skipped), 1)
        overlaps = (min(end, poll.due_ms) - max(start, before_ms) for start, end in self._blocked)
        polls = sum(ceil(overlap / period_ms) for overlap in overlaps if overlap > 0)
        return min(poll.skipped, polls)

    def _of(self, origin: Origin) -> Account:
        account = self._accounts.get(origin.device)
        if account is None:
            known_ms = self._known_ms.get(origin.device, self._start_ms)
            account = Account(self._start_ms, known_ms).start_in_epoch(self._epoch)
            self._accounts[origin.device] = account
            self._origins[origin.device] = origin
        return account
