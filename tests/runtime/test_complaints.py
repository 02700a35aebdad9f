"""A flood of equal troubles is a line, not a flood."""

import logging

import pytest

from qilu.runtime.log_throttle import EVERY, Complaints, Outage


def test_the_first_is_told_and_the_others_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    complaints = Complaints(logging.getLogger("test"))
    for second in range(10):
        complaints.tell("foreign", f"number {second}", float(second))
    complaints.tell("store", "away", 5.0)
    assert caplog.messages == ["number 0", "away"]
    complaints.tell("foreign", "later", EVERY)
    complaints.tell("foreign", "at last", 3 * EVERY)
    assert caplog.messages[2:] == ["later (9 more of this kind in between)", "at last"]


def test_an_outage_of_a_week_is_a_line_in_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    outage = Outage(logging.getLogger("test"))
    for now in (0.0, 1.0, 2.0, EVERY, EVERY + 1):
        outage.tell("nothing listens there", now)
    assert caplog.messages == ["nothing listens there", "nothing listens there (2 more times in between)"]


def test_another_cause_of_an_outage_and_another_outage_are_told_at_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    outage = Outage(logging.getLogger("test"))
    outage.tell("connection lost", 0.0)
    outage.tell("nothing listens there", 1.0)
    outage.over()
    outage.tell("nothing listens there", 2.0)
    assert caplog.messages == ["connection lost", "nothing listens there", "nothing listens there"]
