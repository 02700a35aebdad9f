"""The catalogue is whole: 34 rows, with both framings or the reason why not, and every fault has its use."""

from __future__ import annotations

import pytest

from simulator.network_faults.catalogue import FAMILIES, FAULTS
from tests.faults.catalogue import CASES
from tests.faults.rows import connections, refusals, replies, values
from tests.faults.test_rows import IN_MEMORY, ON_SOCKETS

ROWS = range(1, 35)


@pytest.mark.parametrize("row", ROWS)
def test_a_row_is_played_with_both_framings_or_says_why_not(row: int) -> None:
    cases = [case for case in CASES if case.row == row]
    assert cases
    framings = {framing for case in cases for framing in case.framings}
    assert framings == {"tcp", "rtu"} or all(case.tcp_only for case in cases)


@pytest.mark.parametrize("row", ROWS)
def test_a_row_is_played_on_virtual_time_and_over_real_sockets(row: int) -> None:
    for played in (IN_MEMORY, ON_SOCKETS):
        assert row in {case.row for case, _ in played}


def test_only_what_the_framing_lacks_is_left_out_of_rtu() -> None:
    """Rows without any case for RTU over TCP, and why."""
    lacking = {row for row in ROWS if all(case.tcp_only for case in CASES if case.row == row)}
    assert lacking == {10}, "transaction ids, which RTU does not have"


def test_every_case_has_a_name_of_its_own() -> None:
    names = [(case.row, case.name) for case in CASES]
    assert len(set(names)) == len(names)


def test_every_fault_is_played_in_each_row_that_it_names() -> None:
    played = {(str(raw["fault"]), case.row) for case in CASES for raw in case.faults}
    named = {(name, row) for name, kind in FAULTS.items() for row in kind.catalogue_numbers}
    assert named <= played, sorted(named - played)


def test_every_row_has_a_fault_or_needs_none() -> None:
    covered = {row for kinds in FAMILIES.values() for kind in kinds for row in kind.catalogue_numbers}
    assert covered == set(ROWS)


def test_all_families_are_in_the_catalogue() -> None:
    assert len(CASES) == sum(len(family.CASES) for family in (refusals, replies, connections, values))
