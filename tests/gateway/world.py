"""All between an outbox and its store as it may behave at its worst: broker, ingesters, ghosts, stores.

Only the outbox and what ingesters say (cloud.acks) are real; there is no I/O, and time is a number.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple

from cloud.acks import AckBuffer, StreamKey
from cloud.maturity import ConfirmationQueue
from gateway.delivery.limits import Limits
from gateway.delivery.outbox import Outbox, Release
from gateway.interfaces import Record
from qilu.contract.ack_codes import AckCode, Refusal
from qilu.contract.messages import Ack, Announcement
from qilu.contract.ranges import IntervalSet
from qilu.stores.confirmation import Mark, Write, same_incarnation

OURS, OTHERS = "our-store", "a-stranger's-store"
EDGE = "edge-1"
SIZE = 100
LIMITS = Limits(
    message=250,
    queue=600,
    live_window=600,
    backlog_window=300,
    horizon=30,
    deferral=40.0,
    longest_deferral=160.0,
)

Name = tuple[int, int]
"""Stream and offset of a record."""


def is_poison(name: Name) -> bool:
    """Whether the store will never take this record."""
    return name[1] % 13 == 5


def is_deferrable(name: Name) -> bool:
    """Whether the store defers this record while the world is wrong."""
    return name[1] % 3 == 1


class Message(NamedTuple):
    """Records of one stream on their way."""

    stream: int
    offsets: tuple[int, ...]


@dataclass
class Store:
    """Forgets in a crash whatever was written less than a horizon ago."""

    identity: str
    horizon: float
    incarnation: int = 0
    written: dict[Name, float] = field(default_factory=dict)
    """The first write of each record that has not been forgotten since."""

    def crash(self, now: float) -> None:
        self.incarnation += 1
        safe = now - self.horizon
        self.written = {name: at for name, at in self.written.items() if at <= safe}


class Ingester:
    """One member of the share group of its store; `queue` is what the broker has for it."""

    def __init__(self, name: str, store: Store) -> None:
        self.name = name
        self.store = store
        self.defers = False
        self.run = 0
        self.queue: list[Message] = []
        self.start()

    def start(self) -> None:
        """A new process: it knows nothing, and nothing waits for it."""
        self.run += 1
        self.queue.clear()
        self.answers = AckBuffer(self.store.identity, self.name, self.store.horizon)
        self.maturing = ConfirmationQueue(self.store.horizon)

    def work(self, now: float) -> None:
        """Write everything that waits."""
        incarnation = str(self.store.incarnation)
        for stream, offsets in self.queue:
            bad = {
                offset: Refusal(AckCode.BAD_VALUE, "no") for offset in offsets if is_poison((stream, offset))
            }
            if self.defers:
                full = Refusal(AckCode.STORE_LIMIT, "full")
                bad |= {offset: full for offset in offsets if is_deferrable((stream, offset))}
            good = IntervalSet.of(offset for offset in offsets if offset not in bad)
            for offset in good:
                self.store.written.setdefault((stream, offset), now)
            self.answers.stored(StreamKey(EDGE, stream), good)
            write = Write(Mark(incarnation), [()] * len(good))
            self.maturing.add(write, [(StreamKey(EDGE, stream), offset) for offset in good], now)
            self.answers.refused(StreamKey(EDGE, stream), bad)
        self.queue.clear()

    def say(self, now: float) -> list[Ack]:
        asked = self.maturing.take_due(now)
        found = same_incarnation([one.write for one in asked], Mark(str(self.store.incarnation)))
        for named, offsets in self.maturing.settle(asked, found, now).durable.items():
            self.answers.durable(named, offsets)
        return [answer for _, answer in self.answers.take_due()]


class World:
    """One edge, one broker, two ingesters of our store, one of a stranger's, and a ghost now and then."""

    def __init__(self, horizon: float) -> None:
        self.now = 0.0
        self.ours, self.others = Store(OURS, horizon), Store(OTHERS, 0.0)
        self.ingesters = [Ingester("one", self.ours), Ingester("two", self.ours)]
        self.stranger = Ingester("stranger", self.others)
        self.ghost = False
        self._turn = 0
        self.to_edge: list[Ack | Announcement] = []
        self.appended: set[Name] = set()
        self.freed: set[Name] = set()
        self.rejected: set[Name] = set()
        self.given_up: set[Name] = set()
        self.pending: dict[int, IntervalSet] = {}
        self.start_edge()

    # The edge.

    def start_edge(self) -> None:
        """A new process on the same spool."""
        self.stream = len(self.pending) + 1
        self.pending[self.stream] = IntervalSet()
        self.outbox = Outbox([OURS], Random(self.stream), LIMITS)
        self.to_edge.clear()

    def connect(self) -> None:
        """What an ingester announced is retained, and comes first."""
        if not self.outbox.connected:
            self.outbox.link_up()
            self.to_edge += [self.announcement(one) for one in (*self.ingesters, self.stranger)]

    def disconnect(self) -> None:
        self.outbox.link_down()
        self.to_edge.clear()

    def append(self) -> None:
        offset = sum(1 for stream, _ in self.appended if stream == self.stream)
        self.appended.add((self.stream, offset))
        self.pending[self.stream].add(offset)
        self.outbox.appended(Record(self.stream, offset, b"x" * SIZE))

    def give_up_oldest(self) -> None:
        """The bound of the spool is reached."""
        for stream, offsets in self.pending.items():
            if offsets:
                self.given_up.add((stream, offsets.first()))
                offsets.remove(offsets.first())
                return

    def send(self) -> None:
        """One live message and one of the backlog, as far as the windows allow it."""
        if live := self.outbox.next_live(self.now):
            assert self.outbox.connected
            self.deal(Message(live[0].stream, tuple(record.offset for record in live)))
        if (wanted := self.outbox.next_backlog(self.pending)) is not None:
            stream, offsets = wanted
            assert set(offsets) <= set(self.pending[stream]), "asked for what the spool does not keep"
            some = tuple(offsets.take(2))
            self.outbox.sent_backlog([Record(stream, o, b"x" * SIZE) for o in some], self.now)
            self.deal(Message(stream, some))
        if (wanted := self.outbox.next_deferred(self.pending, self.now)) is not None:
            stream, offsets = wanted
            assert set(offsets) <= set(self.pending[stream]), "asked for what the spool does not keep"
            some = tuple(offsets.take(1))  # as many as a tenth of the window has room for, but at least one
            self.outbox.sent_backlog([Record(stream, o, b"x" * SIZE) for o in some], self.now)
            self.deal(Message(stream, some))

    def hear(self, count: int) -> None:
        """Take so many of the answers that wait, the oldest first."""
        for output in self.to_edge[:count]:
            if isinstance(output, Announcement):
                self.outbox.announced(output, self.now)
            else:
                self.let_go(self.outbox.ack_received(output, self.pending, self.now))
        del self.to_edge[:count]

    def let_go(self, freed: Release) -> None:
        gone = IntervalSet.of(freed.rejected)
        gone.update(freed.durable)
        self.freed |= {(freed.stream, offset) for offset in freed.durable}
        self.rejected |= {(freed.stream, offset) for offset in freed.rejected}
        if gone:
            self.pending[freed.stream].subtract(gone)

    # The broker.

    def deal(self, message: Message) -> None:
        """One member of each group gets it, in turn; a ghost takes its share and does nothing with it."""
        members = [*self.ingesters, *([None] if self.ghost else [])]
        self._turn += 1
        member = members[self._turn % len(members)]
        if member is not None:
            member.queue.append(message)
        self.stranger.queue.append(message)

    def restart_broker(self) -> None:
        """Nothing outlives it; everybody has to come again."""
        self.disconnect()
        for one in (*self.ingesters, self.stranger):
            one.queue.clear()

    def announcement(self, one: Ingester) -> Announcement:
        return Announcement(one.name, one.store.identity, one.store.horizon, str(one.run))

    def restart_ingester(self, one: Ingester) -> None:
        one.start()
        if self.outbox.connected:
            self.to_edge.append(self.announcement(one))

    def queues(self) -> Iterable[list[Message]]:
        """Everything that waits at the broker for ingesters."""
        return [one.queue for one in (*self.ingesters, self.stranger)]

    # Time.

    def pass_time(self, seconds: float) -> None:
        """The edge looks at its timers, and ingesters say what they have to say."""
        self.now += seconds
        self.outbox.expire(self.now)
        for one in (*self.ingesters, self.stranger):
            output = one.say(self.now)
            if self.outbox.connected:
                self.to_edge += output
