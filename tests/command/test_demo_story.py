"""The story of the demo: its steps in order, in both languages, and an end that depends on the audit."""

import asyncio

import pytest

from qilu_cli.commands.demo.story import STEPS, Account, Stage, StepName, Story, StoryError

CLEAN = Account(
    devices=22, expected=113_520, skipped=0, missing=0, duplicates=0, complete=True, until_ms=1_000
)


async def told(account: Account) -> tuple[Story, list[str]]:
    """A story at full speed over a stage that writes down what happens."""
    seen: list[str] = []

    async def act(name: str) -> None:
        seen.append(name)

    async def audit(_end_ms: int) -> Account:
        seen.append("audited")
        return account

    actions = {
        name: lambda name=name: act(name)
        for name in (StepName.BROKER_STOPPED, StepName.PUMP_FAULT, StepName.BROKER_STARTED)
    }
    story = Story(speed=1e6, timeout_s=0.0)
    await story.run(Stage(actions, audit, lambda: 1_000, seen.append), asyncio.Event())
    return story, seen


async def test_the_broker_goes_the_pump_fails_the_broker_comes_back_and_the_store_is_audited() -> None:
    story, seen = await told(CLEAN)
    acts = [entry for entry in seen if not entry.startswith("[")]
    assert acts == ["broker_stopped", "pump_fault", "broker_started", "audited"]
    captions = [entry for entry in seen if entry.startswith("[")]
    assert len(captions) == 2 * len(STEPS)
    assert captions[-2].endswith("113520 values due, missing 0, stored twice 0.")
    assert captions[-1].endswith("应采 113520 个值，缺数 0，重复 0。")
    assert story.snapshot()["result"]["clean"]
    story.raise_if_unclean()


@pytest.mark.parametrize(
    "account",
    [
        Account(22, 100, 0, 1, 0, complete=True, until_ms=1_000),
        Account(22, 100, 0, 0, 1, complete=False, until_ms=1_000),
        Account(22, 100, 0, 0, 0, complete=False, until_ms=1_000),
    ],
)
async def test_an_audit_that_is_not_clean_is_an_error(account: Account) -> None:
    story, _ = await told(account)
    with pytest.raises(StoryError, match="ask why with|Ask why with"):
        story.raise_if_unclean()


async def test_values_that_were_not_polled_are_counted_apart_from_those_that_are_missing() -> None:
    story, seen = await told(Account(22, 100, 7, 0, 0, complete=True, until_ms=1_000))
    assert "缺数 0，重复 0（这台电脑忙，漏采 7 个值）" in seen[-1]
    story.raise_if_unclean()


async def test_a_story_that_is_stopped_before_its_audit_is_an_error() -> None:
    stop = asyncio.Event()
    stop.set()
    story = Story()

    async def audit(_end_ms: int) -> Account:
        return CLEAN

    await story.run(Stage({}, audit, lambda: 0, lambda _: None), stop)
    with pytest.raises(StoryError, match="stopped before its audit"):
        story.raise_if_unclean()


def test_the_story_lasts_three_minutes() -> None:
    assert sum(step.seconds for step in STEPS) == pytest.approx(170, abs=10)
