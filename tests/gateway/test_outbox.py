"""The outbox frees only what a trusted store has for good, and in the end gets everything there."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gateway.components import Record
from gateway.outbox import Limits, Outbox
from qilu.contract.notices import Announcement, Answer
from qilu.contract.ranges import Ranges

OURS, OTHERS = "our-store", "a-stranger's-store"
FATES = ["ours", "ours twice", "delayed", "stranger", "lost", "poison"]
LIMITS = Limits(message=250, queue=600, live_window=600, backlog_window=300, horizon=30)


class Room(RuleBasedStateMachine):
    """An edge, a link, ingesters and stores that lose, repeat, delay and crash as hypothesis likes."""

    def __init__(self) -> None:
        super().__init__()
        self.outbox = Outbox([OURS], Random(1), LIMITS)
        self.now = 0.0
        self.streams = [1]
        self.pending: dict[int, Ranges] = {1: Ranges()}
        self.appended: set[tuple[int, int]] = set()
        self.freed: set[tuple[int, int]] = set()
        self.set_aside: set[tuple[int, int]] = set()
        self.link: list[list[Record]] = []
        self.answers: list[Answer] = []
        self.stored: dict[str, set[tuple[int, int]]] = {OURS: set(), OTHERS: set()}
        self.durable: dict[str, set[tuple[int, int]]] = {OURS: set(), OTHERS: set()}

    # The edge.

    @rule(count=st.integers(1, 5))
    def append(self, count: int) -> None:
        for _ in range(count):
            stream = self.streams[-1]
            offset = sum(1 for name in self.appended if name[0] == stream)
            self.appended.add((stream, offset))
            self.pending[stream].add(offset)
            self.outbox.appended(Record(stream, offset, b"x" * 100))

    @initialize()
    def begin_with_a_link(self) -> None:
        self.open_link()

    @rule()
    def open_link(self) -> None:
        self.outbox.opened()

    @precondition(lambda self: self.outbox.connected)
    @rule(unlucky=st.integers(0, 4))
    def lose_link(self, unlucky: int) -> None:
        if unlucky:  # most of the time there is a link, or nothing of interest would ever happen
            return
        self.outbox.lost()
        self.link.clear()
        self.answers.clear()

    @precondition(lambda self: len(self.streams) < 3)
    @rule(unlucky=st.integers(0, 4))
    def restart_the_edge(self, unlucky: int) -> None:
        if unlucky:
            return
        self.streams.append(self.streams[-1] + 1)
        self.pending[self.streams[-1]] = Ranges()
        self.outbox = Outbox([OURS], Random(len(self.streams)), LIMITS)
        self.link.clear()
        self.answers.clear()

    @rule(seconds=st.sampled_from([1.0, 9.0, 31.0, 61.0]))
    def let_time_pass(self, seconds: float) -> None:
        self.now += seconds
        self.outbox.expire(self.now)

    @precondition(lambda self: self.pending[self.streams[0]])
    @rule()
    def drop_the_oldest(self) -> None:
        stream = self.streams[0]
        offset = self.pending[stream].first()
        self.pending[stream].remove(offset)
        self.set_aside.add((stream, offset))

    # The link and the cloud.

    @rule(
        fates=st.lists(st.sampled_from(FATES), max_size=4),
        between=st.sampled_from(["nothing", "crash", "horizon", "horizon", "crash, horizon"]),
        lost_answers=st.integers(0, 2),
    )
    def exchange(self, fates: list[str], between: str, lost_answers: int) -> None:
        """Send all there is; let each message meet its fate; then the answers come, some of them."""
        self.send_live()
        self.send_backlog()
        kept = []
        for number, records in enumerate(self.link):
            fate = fates[number] if number < len(fates) else "ours"
            if fate == "delayed":
                kept.append(records)
            else:
                self.deliver(records, fate)
        self.link = kept
        for store in (OURS, OTHERS):
            if "crash" in between:
                self.stored[store] &= self.durable[store]
            if "horizon" in between:
                self.horizon_passes(store)
        for answer in self.answers[lost_answers:]:
            self.answer(answer)
        self.answers.clear()

    def send_live(self) -> None:
        records = self.outbox.next_live(self.now)
        if records:
            assert self.outbox.connected
            self.link.append(list(records))

    def send_backlog(self) -> None:
        wanted = self.outbox.next_backlog(self.pending)
        if wanted is None:
            return
        stream, offsets = wanted
        assert set(offsets) <= set(self.pending[stream]), "the backlog asks for what the spool does not keep"
        records = [Record(stream, offset, b"x" * 100) for offset in offsets.head(2)]
        self.outbox.sent_backlog(records, self.now)
        self.link.append(records)

    def deliver(self, records: list[Record], fate: str) -> None:
        store = OTHERS if fate == "stranger" else OURS
        names = {(record.stream, record.offset) for record in records}
        stream = records[0].stream
        if fate == "lost":
            return
        if fate == "poison":
            bad = records[0].offset
            self.answers.append(Answer(store, "i", stream, rejected={bad: "no"}))
            self.set_aside.add((stream, bad))
            names.discard((stream, bad))
        self.stored[store] |= names
        for _ in range(2 if fate == "ours twice" else 1):
            self.answers.append(Answer(store, "i", stream, stored=Ranges.of(o for _, o in names)))

    def horizon_passes(self, store: str) -> None:
        self.durable[store] |= self.stored[store]
        for stream in self.streams:
            offsets = Ranges.of(o for s, o in self.durable[store] if s == stream)
            self.answers.append(Answer(store, "i", stream, durable=offsets))

    def answer(self, answer: Answer) -> None:
        freed = self.outbox.answered(answer, self.pending, self.now)
        self.freed |= {(freed.stream, offset) for offset in freed.durable}
        gone = Ranges.of(freed.rejected)
        gone.update(freed.durable)
        if freed.stream in self.pending:
            self.pending[freed.stream].subtract(gone)

    # The promises.

    @invariant()
    def only_what_our_store_has_for_good_is_freed(self) -> None:
        assert self.freed <= self.durable[OURS]

    @invariant()
    def nothing_leaves_the_spool_unexplained(self) -> None:
        kept = {(stream, offset) for stream, offsets in self.pending.items() for offset in offsets}
        assert self.appended - kept <= self.freed | self.set_aside

    @invariant()
    def the_windows_bound_what_is_on_its_way(self) -> None:
        assert self.outbox.unanswered * 100 <= LIMITS.live_window + LIMITS.backlog_window + 2 * 300

    def teardown(self) -> None:
        """When the faults end, everything becomes durable and the spool empties."""
        self.open_link()
        for _ in range(400):
            if not any(self.pending.values()):
                return
            self.let_time_pass(9.0)
            self.exchange([], "horizon", 0)
        pytest.fail(f"still pending after the faults ended: {self.pending}")


TestRoom = Room.TestCase
TestRoom.settings = settings(max_examples=200, stateful_step_count=50, deadline=None)


def records(count: int, stream: int = 1) -> list[Record]:
    return [Record(stream, offset, b"x" * 100) for offset in range(count)]


def test_a_live_record_never_waits_for_the_backlog() -> None:
    outbox = Outbox([OURS], Random(0), LIMITS)
    pending = {1: Ranges([(0, 999)])}
    outbox.opened()
    while outbox.next_backlog(pending) is not None:
        wanted = outbox.next_backlog(pending)
        assert wanted is not None
        outbox.sent_backlog([Record(1, offset, b"x" * 100) for offset in wanted[1].head(1)], 0)
    outbox.appended(Record(1, 1000, b"x" * 100))
    assert [record.offset for record in outbox.next_live(0)] == [1000]


def test_what_was_sent_in_vain_begins_anywhere() -> None:
    starts = set()
    for seed in range(20):
        outbox = Outbox([OURS], Random(seed), LIMITS)
        outbox.opened()
        for record in records(6):
            outbox.appended(record)
        while outbox.next_live(0):
            pass
        outbox.expire(LIMITS.silence)
        wanted = outbox.next_backlog({1: Ranges([(0, 5)])})
        assert wanted is not None
        starts.add(wanted[1].first())
    assert len(starts) > 2


def test_the_oldest_of_the_backlog_goes_first() -> None:
    outbox = Outbox([OURS], Random(0), LIMITS)
    outbox.opened()
    wanted = outbox.next_backlog({7: Ranges([(3, 9)]), 8: Ranges([(0, 5)])})
    assert wanted == (7, Ranges([(3, 9)]))


def test_a_record_overtaken_by_a_stored_one_is_sent_again_before_silence() -> None:
    outbox = Outbox([OURS], Random(0), LIMITS)
    outbox.opened()
    pending = {1: Ranges([(0, 1)])}
    for at, record in enumerate(records(2)):
        outbox.appended(record)
        outbox.next_live(at)
    outbox.answered(Answer(OURS, "i", 1, stored=Ranges([(1, 1)])), pending, 2)
    outbox.expire(LIMITS.overtaken + 1)
    assert outbox.next_backlog(pending) == (1, Ranges([(0, 0)]))


def test_what_was_sent_before_an_ingester_came_is_sent_again_at_once() -> None:
    outbox = Outbox([OURS], Random(0), LIMITS)
    outbox.opened()
    pending = {1: Ranges([(0, 1)])}
    first, second = records(2)
    outbox.appended(first)
    outbox.next_live(0)
    outbox.sent_backlog([second], 0)
    outbox.announced(Announcement("i", OTHERS, 5.0))
    assert outbox.unanswered == 2
    outbox.announced(Announcement("i", OURS, 5.0))
    assert (outbox.unanswered, outbox.backlog(pending)) == (0, 2)


def test_stored_but_never_durable_is_sent_again_after_two_announced_horizons() -> None:
    outbox = Outbox([OURS], Random(0), LIMITS)
    outbox.opened()
    outbox.announced(Announcement("i", OURS, 5.0))
    pending = {1: Ranges([(0, 0)])}
    outbox.appended(records(1)[0])
    outbox.next_live(0)
    outbox.answered(Answer(OURS, "i", 1, stored=Ranges([(0, 0)])), pending, 1)
    outbox.expire(10.9)
    assert outbox.next_backlog(pending) is None
    outbox.expire(11)
    assert outbox.next_backlog(pending) == (1, Ranges([(0, 0)]))


def test_an_answer_that_claims_more_than_exists_costs_nothing() -> None:
    outbox = Outbox([OURS], Random(0), LIMITS)
    claim = Ranges([(0, 10**15)])
    freed = outbox.answered(Answer(OURS, "i", 1, claim, claim), {1: Ranges([(2, 3)])}, 0)
    assert freed.durable == Ranges([(2, 3)])


def test_the_windows_open_by_what_was_answered() -> None:
    outbox = Outbox([OURS], Random(0), Limits(message=100, live_window=200))
    outbox.opened()
    for record in records(3):
        outbox.appended(record)
    sent = [outbox.next_live(0) for _ in range(3)]
    assert [len(batch) for batch in sent] == [1, 1, 0]
    outbox.answered(Answer(OURS, "i", 1, stored=Ranges([(0, 0)])), {1: Ranges([(0, 2)])}, 1)
    assert [record.offset for record in outbox.next_live(1)] == [2]
    assert outbox.tally.sent == 3
