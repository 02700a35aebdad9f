"""Fifty machines, and all goes wrong: nothing is lost but requests that were open, nothing comes twice.

`make campaign SEED=... SECONDS=...` plays a script of any length; each test prints its seed.
"""

from pathlib import Path

import pytest

from tests.campaign.campaign import Outcome, Plan, campaign

PLANS = [
    Plan(seed=2024, seconds=180, store="victoriametrics", ingesters=2),
    Plan(seed=2025, seconds=40, store="sqlite", ingesters=1),
]


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.store)
async def test_what_is_missing_was_open_at_a_fault_and_what_is_stored_was_served(
    plan: Plan, tmp_path: Path
) -> None:
    outcome = await campaign(plan, tmp_path, print)
    assert outcome.findings == []
    assert len(outcome.verdict.ledger.stored) > 50 * plan.seconds / 2, "too little came through to prove much"


async def test_ingesters_die_one_after_the_other_while_a_ghost_swallows_its_share(tmp_path: Path) -> None:
    plan = Plan(seed=2026, seconds=30, ingesters=3, plot="sharing")
    outcome: Outcome = await campaign(plan, tmp_path, print)
    assert outcome.findings == []
    assert outcome.swallowed > 0, "the ghost took no message: nothing was shown"
