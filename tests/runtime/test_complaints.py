"""A flood of equal troubles is a line, not a flood."""

import logging

import pytest

from qilu.runtime.log_throttle import EVERY, LogThrottle, OutageLog


def test_the_first_is_reported_and_the_others_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    complaints = LogThrottle(logging.getLogger("test"))
    for second in range(10):
        complaints.warn("foreign", f"number {second}", float(second))
    complaints.warn("store", "away", 5.0)
    assert caplog.messages == ["number 0", "away"]
    complaints.warn("foreign", "later", EVERY)
    complaints.warn("foreign", "at last", 3 * EVERY)
    assert caplog.messages[2:] == ["later (9 more of this kind in between)", "at last"]


def test_an_outage_of_a_week_is_a_line_in_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    outage = OutageLog(logging.getLogger("test"))
    for now in (0.0, 1.0, 2.0, EVERY, EVERY + 1):
        outage.warn("nothing listens there", now)
    assert caplog.messages == ["nothing listens there", "nothing listens there (2 more times in between)"]


def test_another_cause_of_an_outage_and_another_outage_are_reported_at_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    outage = OutageLog(logging.getLogger("test"))
    outage.warn("connection lost", 0.0)
    outage.warn("nothing listens there", 1.0)
    outage.over()
    outage.warn("nothing listens there", 2.0)
    assert caplog.messages == ["connection lost", "nothing listens there", "nothing listens there"]
