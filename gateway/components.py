"""The four kinds of parts a gateway is made of, and what each of them promises. Read this first.

source ▶ processors ▶ spool ▶ (outbox) ▶ sink
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from qilu.contract.notices import Answer
from qilu.contract.ranges import Ranges
from qilu.contract.reading import Poll
from qilu.contract.topics import Lane


@dataclass(frozen=True, slots=True)
class Record:
    """One encoded poll with the name it has for ever: no (stream, offset) is ever used twice."""

    stream: int
    offset: int
    body: bytes


class Source(AbstractAsyncContextManager["Source"], Protocol):
    """Talks to equipment. Entering it makes it ready, leaving it disconnects."""

    name: str

    def polls(self) -> AsyncIterator[Poll]:
        """Yield every turn of every schedule until cancelled.

        A far side that is gone is no error here: the source reconnects by itself, and each expected value
        arrives meanwhile as bad with its reason. Whatever it raises is a bug of the source.
        """
        ...


class Processor(Protocol):
    """Turns a poll into polls: pure, synchronous, never waits."""

    def process(self, poll: Poll) -> Sequence[Poll]:
        """What goes on in place of `poll`; values it leaves out are counted by the pipeline as suppressed."""
        ...


class Spool(AbstractAsyncContextManager["Spool"], Protocol):
    """Keeps every record from the moment it was polled until it is durable in the store."""

    stream: int
    """The stream of this opening; new and random each time, offsets count from 0."""

    def append(self, body: bytes) -> Record | None:
        """Hand one record to the operating system at once: a killed process loses nothing.

        None when the bound is reached and the policy is `block`, or the disk refuses: try again later.
        """
        ...

    async def commit(self) -> None:
        """Return once everything appended so far survives a power cut."""
        ...

    def pending(self) -> Mapping[int, Ranges]:
        """Stream -> the offsets kept and not yet forgotten, the oldest stream first. Do not change it."""
        ...

    def read(self, stream: int, wanted: Ranges, max_bytes: int) -> Sequence[Record]:
        """The records of `wanted`, rising, until `max_bytes` is reached, but at least one if any is there.

        What is damaged or gone is not returned and is from then on absent from `pending`.
        """
        ...

    def forget(self, stream: int, durable: Ranges) -> None:
        """These need not be kept any longer. Freeing them needs no disk space."""
        ...

    def quarantine(self, stream: int, rejected: Mapping[int, str]) -> None:
        """Set these aside with their reasons, in a bounded file, and forget them."""
        ...


class Sink(AbstractAsyncContextManager["Sink"], Protocol):
    """Hands records to the far side. Entering it connects (UnreachableError), leaving it disconnects."""

    async def send(self, lane: Lane, records: Sequence[Record]) -> None:
        """Return once the transport has taken them; UnreachableError when the link is lost.

        That says nothing of the store: only an answer does. All records are of one stream, offsets rising.
        """
        ...

    def answers(self) -> AsyncIterator[Answer]:
        """What the far side says of the records, until cancelled; UnreachableError when the link is lost."""
        ...
