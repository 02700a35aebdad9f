"""Whatever broker, ingesters and stores do: nothing is freed too early, and in the end all is durable."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from qilu.contract.ack_codes import AckCode
from qilu.contract.messages import Ack
from qilu.contract.ranges import IntervalSet
from tests.gateway.world import LIMITS, OURS, SIZE, World, is_poison
from tests.support.examples import examples

HORIZONS = [0.0, 5.0, 20.0, 100.0]
"""The last one is longer than every timer, also than the horizon that is assumed before one is announced."""
RARELY = st.integers(0, 7)
"""A fault happens at 0: most of the time things work, or nothing of interest would ever happen."""
WHICH = st.integers(0, 1)


class History(RuleBasedStateMachine):
    """Loses, repeats, delays and reorders everything, and crashes everybody, as hypothesis likes."""

    @initialize(horizon=st.sampled_from(HORIZONS), ghost=st.booleans())
    def begin(self, horizon: float, ghost: bool) -> None:
        self.world = World(horizon)
        self.world.ghost = ghost
        self.world.connect()

    # What goes on.

    @rule(count=st.integers(1, 6))
    def append(self, count: int) -> None:
        for _ in range(count):
            self.world.append()
        self.world.send()

    @rule(which=st.sampled_from(["one", "two", "both"]))
    def work(self, which: str) -> None:
        self.world.send()
        for one in self.world.ingesters:
            if which in (one.name, "both"):
                one.work(self.world.now)

    @rule()
    def the_stranger_works(self) -> None:
        self.world.stranger.work(self.world.now)

    @rule(seconds=st.sampled_from([0.125, 3.0, 9.0, 21.0, 61.0, 101.0]), heard=st.integers(0, 6))
    def pass_time(self, seconds: float, heard: int) -> None:
        self.world.pass_time(seconds)
        self.world.hear(heard)

    @rule()
    def connect(self) -> None:
        self.world.connect()

    # What goes wrong.

    @rule(dice=RARELY)
    def lose_link(self, dice: int) -> None:
        if not dice:
            self.world.disconnect()

    @precondition(lambda self: len(self.world.pending) < 4)
    @rule(dice=RARELY)
    def restart_edge(self, dice: int) -> None:
        if not dice:
            self.world.start_edge()

    @rule(dice=RARELY)
    def restart_broker(self, dice: int) -> None:
        if not dice:
            self.world.restart_broker()

    @rule(which=WHICH, dice=RARELY)
    def restart_ingester(self, which: int, dice: int) -> None:
        if dice < 2:
            self.world.restart_ingester(self.world.ingesters[which])

    @rule(dice=RARELY)
    def crash_store(self, dice: int) -> None:
        if dice < 2:
            self.world.ours.crash(self.world.now)

    @rule(which=WHICH, defers=st.booleans())
    def a_clock_or_a_limit_of_an_ingester_is_wrong_or_right_again(self, which: int, defers: bool) -> None:
        self.world.ingesters[which].defers = defers

    @rule(dice=RARELY)
    def ask_to_send_again(self, dice: int) -> None:
        if not dice:
            self.world.outbox.resend()

    @rule(first=st.integers(0, 20), count=st.integers(1, 6), code=st.sampled_from(AckCode))
    def defer_anything(self, first: int, count: int, code: AckCode) -> None:
        """An ingester of ours says `deferred` of what it may never have got, or has stored."""
        world = self.world
        claim = Ack(OURS, "one", world.stream, deferred={code: IntervalSet([(first, first + count - 1)])})
        world.let_go(world.outbox.ack_received(claim, world.pending, world.now))

    @rule(there=st.booleans())
    def a_ghost_comes_or_goes(self, there: bool) -> None:
        self.world.ghost = there

    @rule(order=st.randoms(use_true_random=False), what=st.sampled_from(["messages", "answers"]))
    def reorder(self, order: Random, what: str) -> None:
        for queue in self.world.queues() if what == "messages" else [self.world.to_edge]:
            order.shuffle(queue)

    @rule(what=st.sampled_from(["messages", "answers"]))
    def repeat(self, what: str) -> None:
        for queue in self.world.queues() if what == "messages" else [self.world.to_edge]:
            queue += queue[:3]  # type: ignore[operator]

    @rule(count=st.integers(1, 3), what=st.sampled_from(["messages", "answers"]))
    def lose(self, count: int, what: str) -> None:
        for queue in self.world.queues() if what == "messages" else [self.world.to_edge]:
            del queue[:count]

    @rule(first=st.integers(0, 20), count=st.integers(1, 6))
    def claim_too_much(self, first: int, count: int) -> None:
        """An ingester of ours says `stored` of what it may never have got."""
        world = self.world
        claim = Ack(OURS, "one", world.stream, stored=IntervalSet([(first, first + count - 1)]))
        world.let_go(world.outbox.ack_received(claim, world.pending, world.now))

    @rule(dice=RARELY)
    def reach_the_bound_of_the_spool(self, dice: int) -> None:
        if not dice:
            self.world.give_up_oldest()

    # What must hold.

    @invariant()
    def what_is_freed_is_in_our_store_for_good(self) -> None:
        world = self.world
        for name in world.freed:
            assert world.now - world.ours.written.get(name, world.now + 1) >= world.ours.horizon, name

    @invariant()
    def only_poison_is_set_aside(self) -> None:
        assert all(map(is_poison, self.world.rejected))

    @invariant()
    def nothing_leaves_the_spool_unexplained(self) -> None:
        world = self.world
        kept = {(stream, offset) for stream, offsets in world.pending.items() for offset in offsets}
        assert world.appended - kept == world.freed | world.rejected | world.given_up

    @invariant()
    def the_windows_bound_what_is_on_its_way(self) -> None:
        most = LIMITS.live_window + LIMITS.backlog_window + 3 * LIMITS.message
        assert self.world.outbox.unacknowledged * SIZE <= most

    @invariant()
    def the_windows_hold_what_is_on_its_way_and_nothing_else(self) -> None:
        outbox = self.world.outbox
        assert sum(outbox._in_flight._window.values()) == outbox.unacknowledged * SIZE

    @invariant()
    def deferred_records_take_a_tenth_of_the_backlog_window_or_one_record(self) -> None:
        outbox = self.world.outbox
        resent = [sent for sent in outbox._in_flight._sent.values() if sent.wait is not None]
        assert len(resent) <= 1
        assert outbox._in_flight.deferred_bytes == len(resent) * SIZE

    @invariant()
    def every_kept_record_is_in_one_place(self) -> None:
        outbox, pending = self.world.outbox, self.world.pending
        for stream, kept in pending.items():
            places, backlog = outbox._stream_state(stream), outbox.backlog({stream: kept})
            waiting = [one for wait, one in outbox._deferral._groups.items() if wait.stream == stream]
            deferred = IntervalSet.of(offset for one in waiting for offset in one)
            assert len(deferred) == sum(map(len, waiting))
            for offset in (*(o for s, o in outbox._in_flight._sent if s == stream), *places.retry):
                assert offset not in deferred
            assert not kept.intersection(deferred).difference(places.not_backlog)
            assert backlog == len(kept.difference(places.not_backlog))
            found = outbox._find_backlog({stream: kept})
            assert (found is not None) == (backlog > 0)

    def teardown(self) -> None:
        """When the faults end, all becomes durable and the spool empties, although a ghost may stay."""
        world = self.world
        for one in world.ingesters:
            one.defers = False
        for _ in range(600):
            world.connect()
            if not any(world.pending.values()):
                return
            world.send()
            for one in world.ingesters:
                one.work(world.now)
            world.pass_time(5.0)
            world.hear(len(world.to_edge))
            self.what_is_freed_is_in_our_store_for_good()
        pytest.fail(f"still pending after the faults ended: {world.pending}")


TestHistory = History.TestCase
TestHistory.settings = settings(max_examples=examples(250), stateful_step_count=50, deadline=None)
