"""A verdict excuses what a fault can have cost, and nothing more."""

from tests.system.ledger import Ledger, Served, Stored
from tests.system.verdict import SERVED_LATE_MS, Fault, judge, kill_faults

SERVED = [Served(1000 * counter, device, counter) for counter in (1, 2, 3, 4) for device in ("a", "b")]
STORED = [Stored(*one) for one in SERVED]
TOGETHER, APART = {"a": "x", "b": "x"}, {"a": "x", "b": "y"}


def without(*names: tuple[str, int]) -> Ledger:
    return Ledger(SERVED, [one for one in STORED if (one.device, one.counter) not in names])


def test_a_ledger_without_gaps_needs_no_excuse() -> None:
    verdict = judge(Ledger(SERVED, STORED), 9000, APART, [])
    assert (verdict.findings, verdict.explained) == ([], [])


def test_a_gap_needs_a_fault_at_its_time_and_on_its_endpoint() -> None:
    gap = without(("a", 2))
    at_its_time = Fault("cut", "x", 1500, 2500)
    assert judge(gap, 9000, APART, [at_its_time]).explained == [(Served(2000, "a", 2), at_its_time)]
    for other in (Fault("cut", "x", 2500, 3500), Fault("cut", "y", 1500, 2500)):
        (finding,) = judge(gap, 9000, APART, [other]).findings
        assert finding.startswith("served, not stored, and no fault explains it: 1, such as [Served(")


def test_a_fault_excuses_one_request_of_each_endpoint() -> None:
    both, everywhere = without(("a", 2), ("b", 2)), Fault("kill", "", 1500, 2500)
    assert judge(both, 9000, APART, [everywhere]).findings == []
    assert judge(both, 9000, TOGETHER, [everywhere]).unexplained == [Served(2000, "b", 2)]


def test_overlapping_faults_excuse_as_many_as_they_can() -> None:
    early, late = Fault("early", "x", 500, 2500), Fault("late", "x", 500, 3500)
    verdict = judge(without(("a", 2), ("a", 3)), 9000, APART, [late, early])
    assert [fault.name for _, fault in verdict.explained] == ["early", "late"]


def test_what_was_served_after_the_end_is_not_missing_yet() -> None:
    assert judge(without(("a", 4)), 3999, APART, []).findings == []
    assert judge(without(("a", 4)), 4000, APART, []).findings != []


def test_a_kill_excuses_the_last_of_each_endpoint_before_it() -> None:
    faults = kill_faults(SERVED, APART, [(3500, 3600)])
    assert judge(without(("a", 3), ("b", 3)), 9000, APART, faults).findings == []
    assert judge(without(("a", 2)), 9000, APART, faults).unexplained == [Served(2000, "a", 2)]


def test_a_kill_excuses_what_was_still_on_its_way_but_not_the_one_before_it_as_well() -> None:
    faults = kill_faults(SERVED, APART, [(3500, 4000 - SERVED_LATE_MS)])
    assert judge(without(("a", 4)), 9000, APART, faults).findings == []
    assert judge(without(("a", 3), ("a", 4)), 9000, APART, faults).unexplained == [Served(4000, "a", 4)]
    (early,) = kill_faults([], {"a": "x"}, [(2500, 0)])
    assert (early.from_ms, early.to_ms) == (2500, 2500 + SERVED_LATE_MS)


def test_what_is_invented_doubled_or_swapped_has_no_excuse() -> None:
    everything = Fault("kill", "", 0, 9999)
    for stored, words in (
        ([*STORED, Stored(5000, "a", 9)], "stored, and never served"),
        ([*STORED, Stored(5000, "a", 4)], "stored under two times"),
        ([*STORED[2:], Stored(1000, "a", 4), Stored(1000, "b", 1)], "stored in another order than served"),
    ):
        findings = judge(Ledger(SERVED, stored), 9000, APART, [everything]).findings
        assert any(finding.startswith(words) for finding in findings), (words, findings)
