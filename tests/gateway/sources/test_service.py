"""Units in and out of service: when they leave, how they are probed, what they may cost."""

from __future__ import annotations

import pytest

from gateway.sources.modbus.fair_share import SHARE as PROBE_SHARE
from gateway.sources.modbus.response_timeout import FIRST_CONTACT
from gateway.sources.modbus.unit_availability import LATE_S, UnitAvailability


def in_service(units: int, rtt: float = 0.01) -> UnitAvailability:
    service = UnitAvailability(range(1, units + 1), 1.0, 0.0)
    for unit in range(1, units + 1):
        service.replied(unit, rtt)
    return service


@pytest.mark.parametrize(("repeated", "timeouts"), [(False, 3), (True, 2)])
def test_a_unit_leaves_after_consecutive_timeouts_and_is_back_with_a_reply(
    repeated: bool, timeouts: int
) -> None:
    service = in_service(2)
    assert not service.record_timeout(1, 1.0, 2.0, repeated=repeated)
    assert not service.replied(1, 0.01)
    left = [service.record_timeout(1, 3.0 + n, 4.0 + n, repeated=repeated) for n in range(timeouts)]
    assert left == [False] * (timeouts - 1) + [True]
    assert not service.units[1].in_service
    assert service.replied(1, 0.01)
    assert service.may_poll(1, 7.0)


def test_requests_that_were_open_together_are_one_silence() -> None:
    """With `max_in_flight` above 1, a moment in which everything is lost takes no unit out of service."""
    service = in_service(2)
    assert not any(service.record_timeout(1, 1.0 + 0.01 * n, 2.0 + 0.01 * n) for n in range(4))
    assert service.units[1].in_service
    assert service.record_timeout(1, 3.0, 4.0, repeated=True)


def test_the_only_unit_of_an_endpoint_is_asked_at_every_turn() -> None:
    service = in_service(1)
    for turn in range(10):
        assert service.may_poll(1, turn)
        service.record_timeout(1, turn, turn + 1.0)
    assert service.response_timeout(1) == 1.0


def test_where_all_units_are_silent_each_is_asked_at_every_turn() -> None:
    service = UnitAvailability([1, 2], 1.0, 0.0)
    for turn in range(10):
        for unit in (1, 2):
            assert service.may_poll(unit, turn)
            service.record_timeout(unit, turn, turn + 0.25)


def test_silent_units_together_take_their_share_of_the_time_and_no_more() -> None:
    service = in_service(12)
    silent = range(3, 13)
    spent = now = 0.0
    while now < 2000:
        for unit in silent:
            if service.may_poll(unit, now):
                took = service.response_timeout(unit)
                service.record_timeout(unit, now, now + took)
                service.replied(1, 0.01)
                now += took
                spent += took
        now += 0.5
    assert 0.5 * PROBE_SHARE < spent / now < 1.1 * PROBE_SHARE + 0.005


def test_what_a_probe_keeps_others_waiting_for_counts_as_its_own() -> None:
    service = in_service(2)
    service.record_timeout(2, -2.0, -2.0)
    service.record_timeout(2, -2.0, 0.0, repeated=True)  # that takes all that the units have at first
    service.record_timeout(2, 10.0, 10.05)
    service.replied(1, 2.01)
    assert service.timing[1].rtt < 0.011, "the wait was not the unit's own"
    assert not service.may_poll(2, 10.05 + 2.0 / PROBE_SHARE - 2)
    assert service.may_poll(2, 10.05 + 2.05 / PROBE_SHARE + 2)


def test_a_silence_behind_a_probe_is_not_held_against_a_unit_in_service() -> None:
    service = in_service(2)
    service.record_timeout(2, 0.0, 1.0)
    service.record_timeout(2, 1.0, 2.0, repeated=True)
    service.record_timeout(1, 2.0, 3.0)
    assert service.units[1].timeouts == 0


def test_a_probe_is_brief_and_every_fourth_takes_the_whole_time_out() -> None:
    service = in_service(2, rtt=0.1)
    service.record_timeout(2, 0.0, 1.0)
    service.record_timeout(2, 1.0, 2.0, repeated=True)
    waited = []
    for probe in range(1, 9):
        waited.append(service.response_timeout(2))
        service.record_timeout(2, 100.0 * probe, 100.0 * probe + waited[-1])
        service.replied(1, 0.1)
    assert waited == [0.4, 0.4, 1.0, 0.4, 0.4, 0.4, 1.0, 0.4]


def test_a_first_contact_is_brief_while_nothing_is_known() -> None:
    service = UnitAvailability([1, 2], 1.0, 0.0)
    assert service.response_timeout(1) == FIRST_CONTACT
    assert UnitAvailability([1], 1.0, 0.0).response_timeout(1) == 1.0


def test_the_unit_that_waits_longest_is_probed_first() -> None:
    service = in_service(3)
    for unit in (2, 3):
        service.record_timeout(unit, 2.0 * unit, 2.0 * unit + 1)
        service.record_timeout(unit, 2.0 * unit + 1, 2.0 * unit + 2, repeated=True)
        service.replied(1, 0.01)
    now = 8.0
    while not service.may_poll(2, now):
        assert not service.may_poll(3, now)
        now += 0.1
    assert not service.may_poll(3, now)
    assert service.may_poll(3, now + 3), "but not for ever: unit 2 may have its next turn in an hour"


def test_a_late_reply_brings_a_slow_unit_into_service_with_more_patience() -> None:
    service = in_service(2)
    service.record_timeout(1, 0.0, 1.0)
    service.record_timeout(1, 1.0, 2.0, repeated=True)
    assert service.replied_late(1, 1.2)
    assert service.response_timeout(1) == 1.5


def test_a_unit_that_was_slow_once_is_not_waited_for_longer_for_ever() -> None:
    service = in_service(2)
    service.replied_late(1, 1.2)
    waited = []
    for _ in range(1000):
        service.replied(1, 0.1)
        waited.append(service.response_timeout(1))
    assert waited == sorted(waited, reverse=True)
    assert waited[10] > 1.4, "a slow reply in ten is still waited for"
    assert waited[-1] == pytest.approx(1.0, abs=1e-3)


def test_a_reply_that_is_far_too_late_does_not() -> None:
    service = in_service(2)
    service.record_timeout(1, 0.0, 1.0)
    service.record_timeout(1, 1.0, 2.0, repeated=True)
    assert not service.replied_late(1, 5.0)
    assert not service.units[1].in_service


def late_one_of_three(seconds: float, others: float = 0.0) -> UnitAvailability:
    """Unit 1 took so long for late replies at 100 s, the others this long; unit 2 missed a poll."""
    service = in_service(3)
    service.missed(2, 100.0)
    service.record_late_replies(1, seconds, 100.0)
    for unit in (2, 3):
        if others:
            service.record_late_replies(unit, others, 100.0)
    return service


def test_a_unit_that_answers_late_is_held_back_until_its_share_has_come() -> None:
    service = late_one_of_three(LATE_S + 2.0)
    assert not service.may_poll(1, 101.0)
    assert service.may_poll(2, 101.0)
    assert not service.may_poll(1, 100.0 + 0.9 * 2.0 / PROBE_SHARE)
    assert service.may_poll(1, 100.0 + 1.1 * 2.0 / PROBE_SHARE)


def test_late_replies_for_which_nobody_misses_a_poll_cost_nobody_anything() -> None:
    service = in_service(3)
    service.record_late_replies(1, 6.0, 100.0)
    assert service.may_poll(1, 101.0)
    service.missed(1, 100.0)
    assert service.may_poll(1, 101.0), "its own polls are its own business"


def test_where_all_are_late_none_is_held_back() -> None:
    service = late_one_of_three(6.0, others=4.0)
    assert all(service.may_poll(unit, 101.0) for unit in (1, 2, 3))


def test_the_only_unit_is_not_held_back() -> None:
    service = UnitAvailability([1], 1.0, 0.0)
    service.replied(1, 0.01)
    service.missed(1, 10.0)
    service.record_late_replies(1, 60.0, 10.0)
    assert service.may_poll(1, 11.0)
