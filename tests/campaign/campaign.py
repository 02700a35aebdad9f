"""One campaign from its seed to its verdict."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.campaign.conduct import Conductor
from tests.campaign.script import write_script, write_sharing_script
from tests.campaign.works import StoreKind, Works
from tests.system.verdict import Verdict

SETTLE_WITHIN = 180.0
"""Seconds in which everything must be stored, when nothing goes wrong any more."""

Plot = Literal["everything", "sharing"]


@dataclass(frozen=True)
class Plan:
    """The same plan is the same script; which request is open at a fault is not in our hands."""

    seed: int
    seconds: float
    store: StoreKind = "victoriametrics"
    ingesters: int = 2
    plot: Plot = "everything"


@dataclass(frozen=True)
class Outcome:
    """How a campaign ended."""

    verdict: Verdict
    findings: list[str]
    swallowed: int
    """Messages that a ghost took from the ingesters."""

    def __str__(self) -> str:
        return "\n".join(
            [str(self.verdict), f"{self.swallowed} messages swallowed by the ghost", *self.findings]
        )


async def campaign(plan: Plan, folder: Path, tell: Callable[[str], None]) -> Outcome:
    """Run it; `tell` hears the seed first, then what happens, as it happens."""
    tell(f"{plan}")
    async with Works(folder, plan.store, plan.ingesters) as works:
        await works.road.flows(1)
        stage = works.stage
        if plan.plot == "sharing":
            script = write_sharing_script(plan.seed, plan.seconds, stage.ingesters)
        else:
            script = write_script(plan.seed, plan.seconds, stage)
        conductor = Conductor(works, tell)
        await conductor.perform(script)
        verdict = await works.road.settled(conductor.faults, SETTLE_WITHIN)
        findings = [*verdict.findings, *_given_up(works), *_tracebacks(works)]
        outcome = Outcome(verdict, findings, works.ghost.swallowed)
        await works.road.stop()
    tell(str(outcome))
    return outcome


def _given_up(works: Works) -> list[str]:
    """With `when_full: block` the spool gives nothing up, whatever is full."""
    path = works.disk.folder / "spool" / "dropped.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    return [f"given up by the spool: {json.loads(line)}" for line in lines]


def _tracebacks(works: Works) -> list[str]:
    return [f"a traceback in {name}" for name, output in works.logs().items() if "Traceback" in output]
