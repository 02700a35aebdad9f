"""What the watch keeps is bounded, and shows what was polled last."""

from __future__ import annotations

from gateway.console.watch import POLL_VALUES, Watch
from qilu.contract.reading import BlockSchema, Origin, Poll, Reading, Reason

POINTS = ("a", "b")


def schema(device: str = "d", points: tuple[str, ...] = POINTS) -> BlockSchema:
    return BlockSchema(Origin("edge", device, "profile"), "fast", points)


def poll(time_ms: int, values: tuple[float | None, ...], columns: BlockSchema, **reasons: Reason) -> Poll:
    why = {columns.points.index(point): reason for point, reason in reasons.items()}
    return Poll(time_ms, (Reading(columns, time_ms, values, why),))


def test_polls_are_kept_within_the_bound_of_values_and_age() -> None:
    columns = schema()
    watch = Watch({}, max_values=10 * (2 + POLL_VALUES))
    for second in range(100):
        watch.process(poll(1000 * second, (1.0, 2.0), columns))
    assert [kept.due_ms for kept in watch.recent("d")] == [1000 * second for second in range(90, 100)]
    watch.process(poll(10_000_000, (1.0, 2.0), columns))
    assert [kept.due_ms for kept in watch.recent("d")] == [10_000_000]


def test_the_sparkline_follows_its_point_through_a_new_read_plan() -> None:
    watch = Watch({("d", "fast"): "b"})
    watch.process(poll(1000, (1.0, 2.0), schema()))
    watch.process(poll(2000, (3.0, 4.0), schema(points=("b", "a"))))
    watch.process(poll(3000, (5.0,), schema(points=("a",))))
    assert list(watch.devices["d"]["fast"].spark) == [2.0, 3.0, None]


def test_points_out_of_limits_are_those_of_the_last_polls() -> None:
    watch = Watch({})
    watch.process(poll(1000, (None, 2.0), schema(), a=Reason.OUT_OF_LIMITS))
    assert watch.out_of_limits == {"d": ("a",)}
    watch.process(poll(2000, (1.0, 2.0), schema()))
    assert watch.out_of_limits == {}


def test_the_rate_of_polls_is_measured() -> None:
    watch = Watch({})
    for number in range(5):
        watch.process(poll(2000 * number, (1.0, 2.0), schema()))
    group = watch.devices["d"]["fast"]
    assert group.polls_per_min == 30.0
    assert (group.polls, group.good_ms) == (5, 8000)
