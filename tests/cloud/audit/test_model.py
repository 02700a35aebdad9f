"""Whatever is lost, data or accounts or events: no audit says complete where a value is missing unknown."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.audit.audit import Finding, audit
from cloud.audit.causes import Verdict
from qilu.contract.reading import Poll, Reason
from tests.cloud.audit.scene import POINTS, START, Scene
from tests.cloud.audit.shelf import Shelf

Step = Callable[[Scene], None]


def collect(seconds: int, skipped: int, bad: bool, every: int) -> Step:
    reason = Reason.TIMEOUT if bad else None
    return lambda scene: scene.collect(
        seconds, bad=reason, skipped=skipped, keep=lambda poll: poll.due_ms // 1000 % every == 0
    )


def again(end: Callable[[Scene], None], seconds: int) -> Step:
    """The gateway ends in this way, and starts again after so long."""

    def step(scene: Scene) -> None:
        end(scene)
        alive_ms = scene.now_ms
        scene.wait(seconds)
        scene.start(alive_ms)

    return step


def ago(what: Callable[[Scene, int, int], None], begin: int, length: int) -> Step:
    """Something that happens to what was polled `begin` seconds ago, for so long."""

    def step(scene: Scene) -> None:
        begin_ms = scene.now_ms - 1000 * begin + 1
        what(scene, begin_ms, begin_ms + 1000 * length)

    return step


seconds = st.integers(1, 30)
changes = [Scene.drop, Scene.reject, Scene.reject_in_part, Scene.requeue]
ends = st.sampled_from([Scene.kill, Scene.stop, Scene.cut_power])
steps = st.one_of(
    st.builds(collect, seconds, st.integers(0, 2), st.booleans(), st.sampled_from([1, 1, 4])),
    st.builds(again, ends, seconds),
    st.builds(ago, st.sampled_from(changes), seconds, seconds),
)
histories = st.lists(steps, min_size=1, max_size=12)


def played(folder: str, history: list[Step]) -> Scene:
    scene = Scene(Path(folder), account_interval_s=10)
    scene.start()
    for step in history:
        step(scene)
        scene.collect(3)
    scene.stop()
    return scene


def found(polls: list[Poll], start_ms: int, end_ms: int) -> list[Finding]:
    return list(asyncio.run(audit(Shelf(polls), start_ms, end_ms)).findings)


def due_in(scene: Scene, finding: Finding) -> int:
    return sum(finding.start_ms <= time_ms < finding.end_ms for time_ms in scene.due)


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(histories, st.data())
def test_no_loss_is_ever_called_complete(history: list[Step], data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        scene = played(folder, history)
    polls = scene.sent
    some = st.integers(0, len(polls) - 1)
    lost = data.draw(st.sets(some, max_size=6))
    begin, length = data.draw(some), data.draw(st.sampled_from([0, 0, 5, 50]))
    lost |= set(range(begin, min(begin + length, len(polls))))
    if data.draw(st.booleans()):  # a store that was restored, or begun later
        lost |= set(range(data.draw(some)))
    start_ms = data.draw(st.integers(START - 60_000, scene.now_ms))
    kept = [poll for index, poll in enumerate(polls) if index not in lost]
    for finding in found(kept, start_ms, scene.now_ms + 1000):
        if finding.verdict is Verdict.COMPLETE:
            gone = [polls[index] for index in lost if polls[index].origin.profile == "press"]
            times = [reading.time_ms for poll in gone for reading in poll.readings]
            assert not [time_ms for time_ms in times if finding.start_ms <= time_ms < finding.end_ms]
            starts = 1 + sum(poll.origin.profile == "gateway" for poll in polls)
            assert finding.expected >= due_in(scene, finding) - len(POINTS) * starts


@pytest.mark.slow
@settings(max_examples=50, deadline=None)
@given(st.lists(st.one_of(
    st.builds(collect, seconds, st.integers(0, 2), st.booleans(), st.sampled_from([1, 1, 4])),
    st.builds(again, st.sampled_from([Scene.kill, Scene.stop]), seconds),
), max_size=8), st.integers(1, 60), st.booleans())  # fmt: skip
def test_where_nothing_is_lost_unknown_the_audit_is_complete(
    history: list[Step], begin: int, dropped: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        scene = played(folder, history[:-1] + [ago(Scene.drop, begin, begin)] * dropped + history[-1:])
    [finding] = found(scene.sent, START - 60_000, scene.now_ms + 1000)
    assert finding.verdict is Verdict.COMPLETE, finding.missing
    assert finding.end_ms >= scene.now_ms
