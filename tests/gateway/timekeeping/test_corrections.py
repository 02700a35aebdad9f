"""The correction of records made in doubt is decided once, survives what disks do, and never changes."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.interfaces import Record
from gateway.timekeeping.corrections import CORRECTIONS, Corrections
from gateway.timekeeping.held_records import HeldRecords
from gateway.timekeeping.provisional import Correction, Mark, corrected, is_provisional, mark_of, marked
from gateway.timekeeping.time_synchronisation import NEVER, TimeService, kernel_synchronised
from qilu.contract.ranges import IntervalSet
from qilu.contract.reading import BlockSchema, EpochTag, Origin, Poll, Reading, Reason, TimeTrust, Value
from qilu.contract.record_codec import decode_record, encode_record
from tests.gateway.spool.disk_model import ModelDisk

BODY = (
    b'{"edge":"e","device":"d","profile":"p","group":"g","due_ms":1000,"readings":[{"t":1024,"v":{"x":1.5}}]}'
)
TAG = EpochTag(77, TimeTrust.HELD, 5000)
SHIFTED = Correction(64_007, uncertain=False)

values: st.SearchStrategy[Value] = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(-(2**63), 2**64 - 1),
    st.booleans(),
    st.text(),
)


class Knows:
    """Decides as it is set to; each decision is another."""

    def __init__(self) -> None:
        self.deciding = False
        self.decisions = 0

    def correction(self, mark: Mark, *, this_boot: bool) -> Correction | None:
        if this_boot and not self.deciding:
            return None
        self.decisions += 1
        return Correction(1000 * self.decisions, uncertain=not this_boot)


class RefusingDisk(ModelDisk):
    """Takes a line and then does not sync it, while `refusing`."""

    refusing = False

    def sync(self, name: str) -> None:
        if self.refusing:
            raise OSError(errno.EIO, "refused")
        super().sync(name)


@given(st.lists(values, min_size=1, max_size=5), st.integers(-(10**15), 10**15), st.booleans())
def test_a_record_comes_back_with_other_times_and_nothing_else(
    row: list[Value], shift_ms: int, uncertain: bool
) -> None:
    columns = BlockSchema(Origin("e", "d", "p"), "g", tuple(f"x{n}" for n in range(len(row) + 1)))
    poll = Poll(10**12, (Reading(columns, 10**12 + 64, (*row, None), {len(row): Reason.TIMEOUT}),))
    body = encode_record(poll)
    held = marked(body, TAG)
    assert is_provisional(held)
    assert not is_provisional(body)
    assert mark_of(held) == Mark(77, 5000)
    assert decode_record(held) == decode_record(body)  # who does not know the mark reads it, too
    found = decode_record(corrected(held, Correction(shift_ms, uncertain)))
    [reading] = found.readings
    assert (found.due_ms, reading.time_ms) == (10**12 + shift_ms, 10**12 + 64 + shift_ms)
    assert reading.values == decode_record(body).readings[0].values
    marks = dict.fromkeys(range(len(row)), Reason.CLOCK_UNCERTAIN) if uncertain else {}
    assert reading.reasons == marks | {len(row): Reason.TIMEOUT}


def test_accounts_and_events_are_not_marked_as_uncertain() -> None:
    body = marked(BODY.replace(b'"p"', b'"collection"'), TAG)
    assert b"clock_uncertain" not in corrected(body, Correction(0, uncertain=True))


@given(st.binary(max_size=60))
def test_whatever_follows_the_begin_of_a_mark_is_no_exception(garbage: bytes) -> None:
    mark_of(b'{"provisional":[' + garbage)
    mark_of(garbage)


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(-9, 9)), max_size=12), st.integers()
)
def test_what_was_decided_is_the_same_after_any_power_cut(
    decisions: list[tuple[int, int, int]], seed: int
) -> None:
    disk, kept = ModelDisk(), dict[tuple[int, int], Correction]()
    corrections = Corrections(disk, range(4))
    for stream, epoch, shift_ms in decisions:
        if (stream, epoch) not in kept:
            kept[stream, epoch] = corrections.add(stream, epoch, Correction(shift_ms, shift_ms > 0))
        if shift_ms == 9:
            disk.cut_power(Random(seed))
            corrections = Corrections(disk, range(4))
        assert all(corrections.get(*key) == one for key, one in kept.items())
    half = Corrections(disk, range(2))  # the other streams are drained
    disk.cut_power(Random(seed))
    again = Corrections(disk, range(4))
    for key, one in kept.items():
        assert half.get(*key) == again.get(*key) == (one if key[0] < 2 else None)


def test_a_decision_that_the_disk_may_have_taken_is_kept_to() -> None:
    disk = RefusingDisk()
    corrections = Corrections(disk, [1])
    disk.refusing = True
    with pytest.raises(OSError, match="refused"):
        corrections.add(1, 77, SHIFTED)
    assert corrections.get(1, 77) is None
    disk.refusing = False
    assert corrections.add(1, 77, Correction(5, uncertain=True)) == SHIFTED
    assert Corrections(disk, [1]).get(1, 77) == SHIFTED


def test_a_torn_line_costs_itself_alone() -> None:
    disk = ModelDisk()
    Corrections(disk, [1]).add(1, 77, SHIFTED)
    disk.append(CORRECTIONS, b'12345678 {"stream": "01", "ep')
    corrections = Corrections(disk, [1])
    corrections.add(1, 78, Correction(3, uncertain=True))
    again = Corrections(disk, [1])
    assert (again.get(1, 77), again.get(1, 78)) == (SHIFTED, Correction(3, uncertain=True))


def test_records_in_doubt_wait_and_others_do_not() -> None:
    disk, knows, now = RefusingDisk(), Knows(), [0.0]
    holding = HeldRecords(Corrections(disk, [1]), knows, lambda stream: stream == 1, lambda: now[0])
    plain, held = Record(1, 0, BODY), Record(1, 1, marked(BODY, TAG))
    pending = {1: IntervalSet([(0, 1)])}
    assert holding.corrected([plain, held]) == [plain]
    assert holding.without_held(pending) == {1: IntervalSet([(0, 0)])}
    knows.deciding = disk.refusing = True
    assert holding.without_held(pending) == pending
    assert holding.corrected([held]) == []  # the disk refuses: it waits
    now[0] = 1.0
    disk.refusing = False
    assert holding.without_held(pending) == pending
    [sent] = holding.corrected([held])
    assert msgspec.json.decode(sent.body)["readings"][0]["t"] == 1024 + 1000
    assert holding.corrected([held]) == [sent]
    knows.deciding = False
    assert holding.corrected([held]) == [sent]  # what was sent keeps its time


def test_records_of_another_boot_are_sent_at_once_as_uncertain() -> None:
    holding = HeldRecords(Corrections(ModelDisk(), [1]), Knows(), lambda _: False, lambda: 0.0)
    [sent] = holding.corrected([Record(1, 1, marked(BODY, TAG))])
    assert decode_record(sent.body).readings[0].reasons == {0: Reason.CLOCK_UNCERTAIN}


def test_the_time_service_is_asked_by_its_files() -> None:
    with TemporaryDirectory() as directory:
        folder = Path(directory) / "timesync"
        service = TimeService(folder=folder, kernel=lambda: None)
        assert service() is None
        folder.mkdir()
        assert service() == NEVER
        (folder / "synchronized").touch()
        first = service()
        os.utime(folder / "synchronized", (1, 1))  # the service touches it each time
        assert len({NEVER, first, service()}) == 3


def test_the_kernel_tells_of_a_time_service_once_one_has_synchronised_it(tmp_path: Path) -> None:
    """chrony and ntpd tell the kernel, and a clock that is set by hand is no longer synchronised there."""
    told: list[bool | None] = [False, True, True, False]
    service = TimeService(folder=tmp_path / "none", kernel=lambda: told.pop(0))
    assert service() is None  # perhaps there is no service
    first, second = service(), service()
    assert None not in (first, second)
    assert len({NEVER, first, second}) == 3
    assert service() == NEVER


def test_a_time_service_that_is_demanded_is_waited_for(tmp_path: Path) -> None:
    for kernel in (lambda: None, lambda: False):
        assert TimeService(required=True, folder=tmp_path / "none", kernel=kernel)() == NEVER
    assert kernel_synchronised() in (None, False, True)
