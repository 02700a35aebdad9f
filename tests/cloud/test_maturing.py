"""A write becomes durable when its store confirms it a horizon later; what stays in doubt is deferred."""

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from cloud.acks import StreamKey
from cloud.maturity import MAX_DOUBTFUL, ConfirmationQueue, PendingWrite, Settlement
from qilu.contract.ack_codes import AckCode, Refusal
from qilu.stores.confirmation import Confirmation, Mark, Write

ONE = StreamKey("edge-1", 0xA)
DOUBT = Refusal(AckCode.STORE_IN_DOUBT, "not there")


def write(count: int, run: int = 1) -> Write:
    return Write(Mark(f"run {run}"), [()] * count)


def names(*offsets: int) -> list[tuple[StreamKey, int]]:
    return [(ONE, offset) for offset in offsets]


def durable(settled: Settlement) -> str:
    return str(settled.durable.get(ONE, ""))


def deferred(settled: Settlement) -> list[int]:
    return sorted(settled.deferred.get(ONE, {}))


def test_a_write_is_asked_about_a_horizon_after_it_and_not_before() -> None:
    maturing = ConfirmationQueue(30.0)
    maturing.add(write(2), names(0, 1), 100.0)
    assert maturing.take_due(129.9) == []
    [pending] = asked = maturing.take_due(130.0)
    assert pending.write == write(2)
    assert durable(maturing.settle(asked, [Confirmation()], 130.0)) == "0-1"
    assert maturing.take_due(1000.0) == []


def test_nothing_is_answered_of_what_another_run_of_the_store_took() -> None:
    maturing = ConfirmationQueue(30.0)
    maturing.add(write(2), names(0, 1), 0.0)
    settled = maturing.settle(maturing.take_due(30.0), [Confirmation(restarted=True)], 30.0)
    assert settled == Settlement()
    assert maturing.take_due(1000.0) == []


def test_the_part_in_doubt_is_read_back_whole_each_horizon_and_deferred_after_three() -> None:
    maturing = ConfirmationQueue(30.0)
    maturing.add(write(4), names(7, 8, 9, 12), 0.0)
    settled = maturing.settle(maturing.take_due(30.0), [Confirmation({1: DOUBT, 3: DOUBT})], 30.0)
    assert (durable(settled), deferred(settled), settled.doubtful) == ("7,9", [], 2)
    assert maturing.take_due(59.0) == []
    [pending] = asked = maturing.take_due(60.0)
    assert (pending.write.every_sample, len(pending.write.polls)) == (True, 2)
    settled = maturing.settle(asked, [Confirmation({1: DOUBT})], 60.0)
    assert (durable(settled), deferred(settled)) == ("8", [])
    settled = maturing.settle(maturing.take_due(90.0), [Confirmation({0: DOUBT})], 90.0)
    assert settled.deferred == {ONE: {12: DOUBT}}
    assert maturing.take_due(1000.0) == []


def test_a_store_that_cannot_be_asked_is_asked_again_in_the_next_round() -> None:
    maturing = ConfirmationQueue(30.0)
    maturing.add(write(1), names(0), 0.0)
    assert maturing.postpone(maturing.take_due(30.0), DOUBT, 30.0) == Settlement()
    [pending] = asked = maturing.take_due(31.0)
    assert not pending.write.every_sample
    assert durable(maturing.settle(asked, [Confirmation()], 31.0)) == "0"
    maturing.add(write(1), names(1), 31.0)
    maturing.postpone(maturing.take_due(61.0), DOUBT, 61.0)
    assert deferred(maturing.postpone(maturing.take_due(121.0), DOUBT, 121.0)) == [1]


def test_what_is_in_doubt_is_bounded() -> None:
    maturing = ConfirmationQueue(30.0)
    for begin in range(3):
        maturing.add(write(MAX_DOUBTFUL // 2), names(*range(begin, 3 * MAX_DOUBTFUL // 2, 3)), 0.0)
    every = dict.fromkeys(range(MAX_DOUBTFUL // 2), DOUBT)
    settled = maturing.settle(maturing.take_due(30.0), [Confirmation(every)] * 3, 30.0)
    assert deferred(settled) == list(range(0, 3 * MAX_DOUBTFUL // 2, 3))
    assert sum(len(pending.names) for pending in maturing.take_due(60.0)) == MAX_DOUBTFUL


@dataclass
class World:
    """A store that drops some records, restarts and cannot always be asked; `kept` is its truth."""

    now: float = 0.0
    run: int = 1
    kept: set[int] = field(default_factory=set)
    written: dict[int, tuple[float, int]] = field(default_factory=dict)

    def found(self, asked: list[PendingWrite]) -> list[Confirmation]:
        found = []
        for pending in asked:
            offsets = [offset for _, offset in pending.names]
            doubtful = {index: DOUBT for index, offset in enumerate(offsets) if offset not in self.kept}
            found.append(
                Confirmation(doubtful, restarted=pending.write.mark.incarnation != f"run {self.run}")
            )
        return found


steps = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.lists(st.booleans(), min_size=1, max_size=5)),
        st.tuples(st.just("wait"), st.floats(0, 40)),
        st.tuples(st.sampled_from(["ask", "cannot ask", "restart", "repair"]), st.none()),
    ),
    max_size=60,
)


@given(steps=steps)
def test_in_any_history_durable_is_only_what_the_store_kept_for_a_horizon_and_nothing_is_forgotten(
    steps: list[tuple[str, list[bool] | float | None]],
) -> None:
    world, maturing = World(), ConfirmationQueue(30.0)
    settled_once: set[int] = set()

    def check(settled: Settlement) -> None:
        for offset in settled.durable.get(ONE, ()):
            at, run = world.written[offset]
            assert offset in world.kept
            assert (run, at + 30.0 <= world.now) == (world.run, True)
            settled_once.add(offset)
        for offset in settled.deferred.get(ONE, ()):
            assert world.written[offset][0] + 90.0 <= world.now
            settled_once.add(offset)

    def ask() -> None:
        asked = maturing.take_due(world.now)
        check(maturing.settle(asked, world.found(asked), world.now))

    for kind, what in steps:
        if kind == "write" and isinstance(what, list):
            offsets = range(len(world.written), len(world.written) + len(what))
            world.written.update(dict.fromkeys(offsets, (world.now, world.run)))
            world.kept |= {offset for offset, kept in zip(offsets, what, strict=True) if kept}
            maturing.add(write(len(what), world.run), names(*offsets), world.now)
        elif kind == "wait" and isinstance(what, float):
            world.now += what
        elif kind == "restart":
            world.run += 1
        elif kind == "repair":
            world.kept |= world.written.keys()
        elif kind == "cannot ask":
            check(maturing.postpone(maturing.take_due(world.now), DOUBT, world.now))
        else:
            ask()
    for _ in range(4):  # the third may come a rounding too early
        world.now += 30.0
        ask()
    assert settled_once >= {offset for offset, (_, run) in world.written.items() if run == world.run}
