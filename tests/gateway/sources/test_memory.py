"""What devices taught outlives the process, as long as it is about the same profile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sources.modbus.learning.device_limits import TRIAL_INTERVAL_S
from gateway.sources.modbus.learning.store import LearnedLimitsFile, LearnedLimitsStore
from gateway.sources.modbus.planning.plan import NOTHING_LEARNED, LearnedLimits
from qilu.config.settings_file import load_text
from qilu.contract.profile import AddressRange, DeviceProfile, Table
from qilu.contract.reading import Reason
from tests.gateway.sources.peer import Peer, World, profile, reasons
from tests.gateway.sources.test_learning import without
from tests.support.virtual_time import run

METER = profile(range(60))
RANGES = st.builds(
    lambda table, first, size: AddressRange(table=table, first=first, last=first + size),
    st.sampled_from(Table),
    st.integers(0, 60000),
    st.integers(0, 99),
)
LEARNT = st.builds(
    LearnedLimits,
    st.dictionaries(st.sampled_from([point.name for point in METER.points]), st.sampled_from(Reason)),
    st.lists(RANGES, max_size=4, unique=True).map(tuple),
    st.dictionaries(st.sampled_from(Table), st.integers(1, 2000)),
    st.booleans(),
)


@given(LEARNT)
def test_what_was_kept_is_recalled(learnt: LearnedLimits) -> None:
    text = LearnedLimitsFile.of("meter-1", METER, learnt).text()
    assert load_text(text, LearnedLimitsFile).learned == learnt


def test_nothing_is_recalled_for_another_profile_or_out_of_a_damaged_file(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    memory = LearnedLimitsStore(tmp_path / "learned")
    learnt = LearnedLimits({"p13": Reason.ILLEGAL_ADDRESS})
    memory.keep("meter-1", METER, learnt)
    assert memory.load("meter-1", METER) == learnt
    assert memory.load("meter-2", METER) is NOTHING_LEARNED
    assert memory.load("meter-1", profile(range(59))) is NOTHING_LEARNED
    file = tmp_path / "learned" / "meter-1.yaml"
    file.write_bytes(file.read_bytes()[:60])
    assert memory.load("meter-1", METER) is NOTHING_LEARNED
    assert "learned limits of meter-1 are measured again, the file is unreadable: " in caplog.text


def test_a_folder_that_cannot_be_written_is_reported_and_stops_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "learned").write_text("no folder")
    LearnedLimitsStore(tmp_path / "learned").keep(
        "meter-1", METER, LearnedLimits({"p13": Reason.ILLEGAL_ADDRESS})
    )
    assert "learned limits of meter-1 are not saved: " in caplog.text


def polled(
    peer: Peer, memory: LearnedLimitsStore, meter: DeviceProfile, turns: int = 2, **more: Any
) -> list[str]:
    polls, _ = run(World("memory").polls(peer, turns, meter=meter, memory=memory, **more))
    return reasons(polls)


def test_a_source_that_starts_again_asks_what_it_knows_to_be_refused_for_nothing(tmp_path: Path) -> None:
    memory = LearnedLimitsStore(tmp_path)
    polled(Peer(without(13, 40)), memory, METER)
    peer = Peer(without(13, 40))
    assert polled(peer, memory, METER) == ["illegal_address"] * 2
    assert [asked.read[1:] for asked in peer.asked] == [(0, 13), (14, 26), (41, 19)] * 2


def test_why_a_point_is_refused_is_known_after_a_restart_and_it_is_tried_again(tmp_path: Path) -> None:
    memory = LearnedLimitsStore(tmp_path)
    few = profile(range(4))
    assert polled(Peer(lambda line, asked: line.refuse(asked, 1)), memory, few)[-1] == "illegal_function"
    output = polled(Peer(), memory, few, turns=30)
    assert (output[0], output[-1]) == ("illegal_function", "good")


def test_what_is_not_refused_any_more_is_forgotten_on_disk_too(tmp_path: Path) -> None:
    memory = LearnedLimitsStore(tmp_path)
    polled(Peer(without(13)), memory, METER)
    assert list(tmp_path.iterdir()) == [tmp_path / "meter-1.yaml"]
    assert polled(Peer(), memory, METER, int(TRIAL_INTERVAL_S / 60) + 3, period=60)[-1] == "good"
    assert list(tmp_path.iterdir()) == []


def test_a_device_of_which_nothing_is_asked_is_not_output_to_be_silent(tmp_path: Path) -> None:
    memory, refusing = LearnedLimitsStore(tmp_path), profile(range(4))
    polled(Peer(without(*range(4))), memory, refusing)
    peer = Peer()
    polls, source = run(World("memory").polls(peer, 3, meter=refusing, memory=memory))
    assert reasons(polls) == ["illegal_address"] * 3
    assert peer.asked == []
    assert list(source.stats.events) == []
    assert source.stats.offline == set()
