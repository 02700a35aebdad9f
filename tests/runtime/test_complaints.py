"""A flood of equal troubles is a line, not a flood."""

import logging

import pytest

from qilu.runtime.complaints import EVERY, Complaints


def test_the_first_is_told_and_the_others_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    complaints = Complaints(logging.getLogger("test"))
    for second in range(10):
        complaints.tell("foreign", f"number {second}", float(second))
    complaints.tell("store", "away", 5.0)
    assert caplog.messages == ["number 0", "away"]
    complaints.tell("foreign", "later", EVERY)
    complaints.tell("foreign", "at last", 3 * EVERY)
    assert caplog.messages[2:] == ["later (9 more of this kind in between)", "at last"]
