"""The account of one device: how many values were due, and what became of them. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields

from qilu.contract.accounting import COLLECTION, COUNTS, COUNTS_POINTS, count_column
from qilu.contract.reading import BlockSchema, EpochTag, Origin, Poll, Reading, TimeTrust

_TRUSTS = tuple(TimeTrust)


@dataclass(slots=True)
class Account:
    """Everything that is counted since `begin_ms`; all fields are whole numbers, as the ledger keeps them.

    `last_ms`: the latest time of a reading in it. `known_ms`: when this edge first collected from the device.
    `offline_since`: when the device stopped to answer, 0 while it answers.
    """

    start_ms: int
    known_ms: int
    last_ms: int = 0
    offline_since: int = 0
    offline_ms: int = 0
    expected: int = 0
    missed: int = 0
    blocked: int = 0
    uncertain: int = 0
    no_reply: int = 0
    refused: int = 0
    invalid: int = 0
    internal_error: int = 0
    suppressed: int = 0
    texts: int = 0
    sent_records: int = 0
    largest_record_values: int = 0
    epoch: int = 0
    trust: int = 0
    offset_ms: int = 0
    """The numbers of the tag of the epoch of all its times; `epoch` is 0 where that is not known."""

    def __post_init__(self) -> None:
        self.last_ms = max(self.last_ms, self.start_ms)

    def count(self, poll: Poll, kept: Sequence[Poll], blocked: int) -> None:
        """A poll, what the processors left of it, and how many of its skipped turns the spool blocked."""
        size = 0
        bad: Counter[str] = Counter()
        for reading in poll.readings:
            self.last_ms = max(self.last_ms, reading.time_ms)
            size += len(reading.values)
            if reading.reasons:
                bad.update(map(count_column, reading.reasons.values()))
        for name, values in bad.items():
            setattr(self, name, getattr(self, name) + values)
        sent = 0
        for kept_poll in kept:
            values = kept_poll.size
            sent += values
            self.largest_record_values = max(self.largest_record_values, values)
            self.texts += sum(
                isinstance(value, str) for reading in kept_poll.readings for value in reading.values
            )  # fmt: skip
        self.sent_records += len(kept)
        self.expected += size * (1 + poll.skipped)
        self.blocked += size * blocked
        self.missed += size * (poll.skipped - blocked)
        self.suppressed += size - sent

    def online(self, time_ms: int) -> None:
        if self.offline_since:
            self.offline_ms += max(time_ms - max(self.offline_since, self.start_ms), 0)
            self.offline_since = 0

    @property
    def tag(self) -> EpochTag | None:
        """The epoch of all its times, where that is known."""
        return EpochTag(self.epoch, _TRUSTS[self.trust], self.offset_ms) if self.epoch else None

    def start_in_epoch(self, tag: EpochTag | None) -> Account:
        """The same account, which is still empty, in this epoch."""
        if tag is not None:
            self.epoch, self.trust, self.offset_ms = tag.number, _TRUSTS.index(tag.trust), tag.offset_ms
        return self

    def next(self, end_ms: int) -> Account:
        """The account after this one."""
        return Account(end_ms, self.known_ms, offline_since=self.offline_since).start_in_epoch(self.tag)

    def values(self, end_ms: int) -> tuple[float, ...]:
        """One for each point of an account that ends at `end_ms`."""
        offline_ms = self.offline_ms
        if self.offline_since:
            offline_ms += max(end_ms - max(self.offline_since, self.start_ms), 0)
        bad = self.uncertain + self.no_reply + self.refused + self.invalid + self.internal_error
        computed = {
            "span_ms": end_ms - self.start_ms,
            "good": self.expected - self.missed - self.blocked - bad,
            "offline_s": offline_ms / 1000,
            "known_s": max(self.start_ms - self.known_ms, 0) / 1000,
        }
        return tuple(
            computed[point] if point in computed else getattr(self, point) for point in COUNTS_POINTS
        )

    def to_poll(self, origin: Origin, end_ms: int) -> Poll:
        """The account as a poll of the device's profile `collection`."""
        columns = BlockSchema(own(origin), COUNTS, COUNTS_POINTS)
        return Poll(self.start_ms, (Reading(columns, self.start_ms, self.values(end_ms)),), epoch=self.tag)


CELLS = tuple(field.name for field in fields(Account))
"""The names of the numbers of an account, in their order in the ledger."""


def own(origin: Origin) -> Origin:
    """The device as the one about which its edge reports."""
    return Origin(origin.edge, origin.device, COLLECTION, origin.enterprise, origin.site, origin.line)
