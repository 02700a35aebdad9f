"""The ledger lets the next start close the accounts of a killed gateway to the value."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Hashable
from itertools import count
from pathlib import Path
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from gateway.accounting.account import CELLS, Account
from gateway.accounting.accounting_source import AccountingSource
from gateway.accounting.ledger import BLOCK, Ledger, PreviousRun
from qilu.contract.accounting import EventKind
from qilu.contract.reading import Origin
from tests.gateway.completeness.test_counts import ORIGIN, poll
from tests.gateway.completeness.test_reports import EDGE, START, reported

BOOT, OTHER = UUID(int=1), UUID(int=2)


def reports(
    file: Path, start_ms: int, *, boot: UUID = BOOT, devices: tuple[str, ...] = ("press-1",)
) -> AccountingSource:
    clock = count(start_ms, 1000)

    def stamp(_: Hashable) -> int:
        return next(clock)

    origins = {device: Origin("edge-1", device, "press", line=ORIGIN.line) for device in devices}
    return AccountingSource(
        EDGE, origins, stamp, every_ms=60_000, down_since_ms=None, ledger=Ledger(file, boot)
    )  # fmt: skip


def killed(file: Path) -> None:
    """A gateway that polled twice and was killed."""
    some = reports(file, START)
    some.started()
    for time_ms in (START + 1000, START + 2000):
        some.record_poll(poll(time_ms), [poll(time_ms)])


def test_the_next_start_tells_the_account_of_a_killed_gateway_and_since_when_nobody_collected(
    tmp_path: Path,
) -> None:
    killed(tmp_path / "accounts")
    later = reports(tmp_path / "accounts", START + 10_000)
    later.started()
    assert reported(later)[1:] == [
        (
            "press-1",
            {"span_ms": 2001, "expected": 6, "good": 6, "sent_records": 2, "largest_record_values": 3},
        ),
        ("press-1", {"event": EventKind.STARTED, "start_ago_s": 7.999, "duration_s": 7.999}),
    ]


def test_a_ledger_that_was_removed_alone_is_begun_anew(tmp_path: Path) -> None:
    file = tmp_path / "accounts"
    some = reports(file, START)
    some.started()
    some.record_poll(poll(START + 1000), [poll(START + 1000)])
    file.unlink()
    some.record_poll(poll(START + 2000), [poll(START + 2000)])
    [account] = Ledger(file, BOOT).read().accounts.values()
    assert account.expected == 6


def test_what_an_edge_of_another_name_left_is_not_reported(tmp_path: Path) -> None:
    accounts = {"press-1": Account(START, START)}
    Ledger(tmp_path / "accounts", BOOT, "old").open(accounts)
    assert Ledger(tmp_path / "accounts", BOOT, "old").read().accounts == accounts
    assert Ledger(tmp_path / "accounts", BOOT, "new").read() == PreviousRun()


def test_a_ledger_that_was_removed_with_its_folder_is_begun_anew(tmp_path: Path) -> None:
    folder = tmp_path / "spool"
    folder.mkdir()
    some = reports(folder / "accounts", START)
    some.started()
    some.record_poll(poll(START + 1000), [poll(START + 1000)])
    shutil.rmtree(folder)
    folder.mkdir()
    some.open_ledger_again()
    some.record_poll(poll(START + 2000), [poll(START + 2000)])
    later = reports(folder / "accounts", START + 10_000)
    later.started()
    assert reported(later)[1] == (
        "press-1", {"span_ms": 2001, "expected": 6, "good": 6, "sent_records": 2, "largest_record_values": 3}
    )  # fmt: skip


def test_after_a_stop_no_account_is_reported_twice(tmp_path: Path) -> None:
    first = reports(tmp_path / "accounts", START)
    first.started()
    first.record_poll(poll(START + 100), [poll(0)])
    first.stopped()
    later = reports(tmp_path / "accounts", START + 10_000, boot=OTHER)
    later.started()
    assert reported(later)[1:] == [
        ("press-1", {"event": EventKind.STARTED, "start_ago_s": 9, "duration_s": 9})
    ]


def test_after_a_power_cut_only_the_age_of_a_device_is_believed(tmp_path: Path) -> None:
    killed(tmp_path / "accounts")
    later = reports(tmp_path / "accounts", START + 10_000, boot=OTHER)
    later.started()
    later.stopped()
    events = reported(later)
    assert [
        event for _, event in events if event.get("event") == EventKind.STARTED and "start_ago_s" in event
    ] == []
    assert [event["known_s"] for _, event in events if "known_s" in event] == [10]


def test_a_device_that_is_no_longer_collected_is_reported(tmp_path: Path) -> None:
    killed(tmp_path / "accounts")
    for times in (1, 0):
        later = reports(tmp_path / "accounts", START + 10_000, devices=("press-2",))
        later.started()
        found = [one for one in reported(later) if one[1].get("event") == EventKind.REMOVED]
        assert found == [("press-1", {"event": EventKind.REMOVED, "start_ago_s": 7.999})] * times


@given(st.integers(0, 2 * BLOCK - 1), st.binary(min_size=1, max_size=20))
def test_damage_costs_only_the_device_whose_block_it_is(at: int, garbage: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "accounts"
        ledger = Ledger(file, BOOT)
        accounts = {name: Account(*range(1, len(CELLS) + 1)) for name in ("press-1", "press-2")}
        ledger.open(accounts)
        ledger.close()
        whole = file.read_bytes()
        file.write_bytes((whole[:at] + garbage + whole[at + len(garbage) :])[: len(whole)])
        left = Ledger(file, BOOT).read()
        for name, account in left.accounts.items():
            assert account == accounts[name]
        if at >= BLOCK and at + len(garbage) <= 2 * BLOCK:
            assert left.accounts["press-2"] == accounts["press-2"]


def test_a_disk_that_refuses_costs_nothing_but_the_ledger(tmp_path: Path) -> None:
    some = reports(tmp_path / "nowhere" / "accounts", START)
    some.started()
    some.record_poll(poll(START + 1000), [poll(0)])
    some.stopped()
    assert [event["expected"] for _, event in reported(some) if "expected" in event] == [3]
