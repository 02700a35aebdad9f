"""Waits between attempts grow, are spread at random, and start anew after a success."""

from __future__ import annotations

from random import Random

from qilu.runtime.backoff import Backoff


class Highest(Random):
    """Always the upper end, so that the bounds themselves can be seen."""

    def uniform(self, a: float, b: float) -> float:
        return b


def test_the_bound_doubles_up_to_the_most() -> None:
    backoff = Backoff(Highest(), first=1, max_s=10)
    assert [backoff.next() for _ in range(6)] == [1, 2, 4, 8, 10, 10]


def test_a_success_starts_anew() -> None:
    backoff = Backoff(Highest(), first=1, max_s=10)
    backoff.next()
    backoff.next()
    backoff.reset()
    assert backoff.next() == 1


def test_what_the_far_side_asked_for_is_the_least() -> None:
    backoff = Backoff(Random(1), first=1, max_s=10)
    assert all(30 <= backoff.next(30) <= 40 for _ in range(20))


def test_a_thousand_edges_do_not_return_in_step() -> None:
    waits = [Backoff(Random(edge), first=8).next() for edge in range(1000)]
    per_second = [sum(second <= wait < second + 1 for wait in waits) for second in range(8)]
    assert sum(per_second) == 1000
    assert max(per_second) < 200


def test_the_same_seed_gives_the_same_waits() -> None:
    one, other = Backoff(Random(7)), Backoff(Random(7))
    assert [one.next() for _ in range(9)] == [other.next() for _ in range(9)]
