"""The interface of what accounts for every value and reports events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from gateway.interfaces import DropReport, Record, Source
from qilu.contract.ranges import IntervalSet
from qilu.contract.reading import Poll


class Reports(Source, Protocol):
    """Accounts for every value and reports events: a source about the gateway itself.

    It is called in the order of a run; the pipeline polls it, too.
    """

    def started(self) -> None:
        """Collecting begins; called before the first poll."""

    def requeued(self, records: int) -> None: ...

    def blocked(self, blocked: bool) -> None:
        """Whether the spool refuses records just now; called with each record."""

    def record_poll(self, poll: Poll, kept: Sequence[Poll]) -> None:
        """A source polled `poll`, the processors made `kept` of it, and the spool took that."""

    def appended(self, poll: Poll, record: Record) -> None:
        """The spool has a record of the gateway's own."""

    def dropped(self, dropped: DropReport, in_flight: int = 0) -> None:
        """The spool gave records up, of which so many had been sent."""

    def losses_durable(self, pending: Mapping[int, IntervalSet]) -> bool:
        """Whether all reports of losses are durable, given what of the spool is not."""

    def drained(self) -> None:
        """All reports of losses are durable."""

    def stopped(self) -> None:
        """Collecting ended in good order; only the first call reports it."""

    def drain(self) -> Sequence[Poll]:
        """The reports that wait to be polled, taken out."""
