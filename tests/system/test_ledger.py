"""The ledger itself: it finds what is lost, doubled, invented or out of order."""

from tests.system.ledger import Ledger, Served, Stored

SERVED = [Served(1000 * counter, device, counter) for counter in (1, 2, 3, 4) for device in ("a", "b")]
STORED = [Stored(*one) for one in SERVED]


def test_two_equal_sides_have_no_findings() -> None:
    ledger = Ledger(SERVED, STORED)
    assert (ledger.lost, ledger.twice, ledger.never_served, ledger.out_of_order) == ([], {}, [], [])


def test_each_difference_is_found_and_named() -> None:
    assert Ledger(SERVED, STORED[1:]).lost == SERVED[:1]
    assert Ledger(SERVED, [*STORED, Stored(1001, "a", 1)]).twice == {("a", 1): [1000, 1001]}
    assert Ledger(SERVED[1:], STORED).never_served == STORED[:1]
    swapped = [Stored(2000, "a", 1), Stored(1000, "a", 2)]
    assert Ledger(SERVED, swapped).out_of_order == swapped[:1]


def test_what_was_served_later_is_not_missing_yet() -> None:
    assert Ledger(SERVED, STORED[:4]).until(2000).lost == []
    assert Ledger(SERVED, STORED[:4]).until(3000).lost == SERVED[4:6]


def test_times_keep_the_order_of_serving_within_an_epoch_of_the_clock() -> None:
    served = [Served(10_000 * counter, "a", counter) for counter in range(1, 7)]
    set_back = [Stored(one.time_ms - (25_000 if one.counter > 3 else 0), "a", one.counter) for one in served]
    assert Ledger(served, set_back).out_of_order != []
    assert Ledger(served, set_back, epochs=[31_000]).out_of_order == []
    swapped = [*set_back[:3], Stored(16_000, "a", 4), Stored(15_500, "a", 5), set_back[5]]
    assert Ledger(served, swapped, epochs=[31_000]).out_of_order == swapped[3:4]
