"""Connections that are lost soon after they are made are neither many nor many lines in the log."""

import logging
from itertools import pairwise
from random import Random

import pytest

from qilu.contract.errors import LinkEnd, LinkLostError, UnreachableError
from qilu.runtime.backoff import Backoff
from qilu.runtime.log_throttle import MAX_CAUSES, OutageLog
from qilu.runtime.reconnection import INTERVAL_S, STABLE_S, Reconnection

LOST = LinkLostError("closed", LinkEnd.CLOSED)


def reconnection() -> Reconnection:
    return Reconnection(logging.getLogger("test"), Backoff(Random(1)))


def connects(paced: Reconnection, age: float, until: float) -> list[float]:
    """When it connects, where each connection is lost at this age."""
    now, times = 0.0, []
    while now < until:
        times.append(now)
        paced.connected("connected", now)
        now += age
        now += paced.failed([LOST], now)
    return times


@pytest.mark.parametrize("age", [0.0, 0.3, 5.0])
def test_connections_that_are_lost_soon_are_ten_seconds_apart(age: float) -> None:
    times = connects(reconnection(), age, 600)
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert all(gap > INTERVAL_S - 0.001 for gap in gaps[1:])
    assert gaps[0] < INTERVAL_S, "a broker that restarts is found again at once"


def test_backoff_grows_until_a_connection_has_stood_for_a_while() -> None:
    paced = Reconnection(logging.getLogger("test"), Backoff(Highest(), first=1, max_s=64), interval_s=0)
    pauses = []
    for now in range(0, 5000, 1000):
        paced.connected("connected", now)
        pauses.append(paced.failed([LOST], now + 1.0))
    assert pauses == [1, 2, 4, 8, 16]
    paced.connected("connected", 6000)
    assert paced.failed([LOST], 6000 + STABLE_S) == 1


def test_a_link_that_is_lost_before_it_is_of_use_counts_as_lost_soon() -> None:
    """As where another client of the id takes over, or a subscription is refused."""
    paced = Reconnection(logging.getLogger("test"), Backoff(Highest(), first=0.001, max_s=0.001))
    pauses = [paced.failed([LOST], now) for now in (0.0, 1.0, 2.0)]
    assert pauses == [0.001, INTERVAL_S, INTERVAL_S]


def test_attempts_without_a_connection_only_back_off() -> None:
    paced = Reconnection(logging.getLogger("test"), Backoff(Highest(), first=1, max_s=4))
    assert [paced.failed([UnreachableError("nothing listens there")], now) for now in range(4)] == [
        1,
        2,
        4,
        4,
    ]
    assert paced.lost_connections == 0


def test_what_the_far_side_asked_for_is_waited_for() -> None:
    paced = reconnection()
    paced.connected("connected", 0.0)
    assert paced.failed([LOST, UnreachableError("taken over", retry_after=10.0)], 1000.0) >= 10.0


def test_a_connection_does_not_reset_the_rate_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    paced = Reconnection(logging.getLogger("test"), Backoff(Random(1), first=0.01, max_s=0.01), interval_s=0)
    times = connects(paced, 0.3, 240)
    assert len(times) > 500
    levels = [record.levelno for record in caplog.records]
    assert levels.count(logging.WARNING) == 4
    assert levels.count(logging.INFO) <= 5
    assert paced.lost_connections == len(times)


def test_causes_that_alternate_are_bounded_and_the_others_are_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    outage = OutageLog(logging.getLogger("test"))
    for number in range(100):
        outage.warn(f"cause {number}", 1.0)
    assert caplog.messages == [f"cause {number}" for number in range(MAX_CAUSES)]
    outage.warn("a new one", 100.0)
    assert caplog.messages[-1] == f"a new one ({100 - MAX_CAUSES} times with other causes)"


class Highest(Random):
    """Always the upper end."""

    def uniform(self, a: float, b: float) -> float:
        return b
