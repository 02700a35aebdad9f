"""The catalogue is whole: 34 rows, with both framings or the reason why not, and every fault has its use."""

from __future__ import annotations

import pytest

from simulator.network_faults.catalogue import FAULTS
from tests.faults.catalogue import CASES
from tests.faults.page import rows_of_page
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


def test_every_fault_is_played_in_each_row_in_which_the_page_names_it() -> None:
    played = {(str(raw["fault"]), case.row) for case in CASES for raw in case.faults}
    named = {(name, row) for row, names in rows_of_page().items() for name in names}
    assert named <= played, sorted(named - played)


def test_every_row_of_the_page_has_a_fault_and_every_fault_a_row() -> None:
    rows = rows_of_page()
    assert sorted(rows) == list(ROWS)
    assert all(rows.values())
    assert set().union(*rows.values()) == set(FAULTS)


def test_all_families_are_in_the_catalogue() -> None:
    assert len(CASES) == sum(len(family.CASES) for family in (refusals, replies, connections, values))
