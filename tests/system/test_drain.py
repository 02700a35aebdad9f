"""A start that drains a backlog feeds the watchdog; `python -m benchmarks.drain` does it at any size."""

from pathlib import Path

from benchmarks.drain import WATCHDOG_S, drain


def test_a_start_with_a_backlog_is_drained_and_the_watchdog_is_fed_meanwhile(tmp_path: Path) -> None:
    drained = drain(tmp_path, megabytes=12)
    assert drained.left == 0
    assert 0 < drained.ready_s < drained.drained_s
    assert drained.longest_gap_s < WATCHDOG_S
