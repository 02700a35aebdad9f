"""Audits a store: what should be in it, what is, and why the rest is not."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from cloud.audit.auditing import Finding, audit
from cloud.audit.verdict import span
from qilu.command.asking import duration, reader, show, show_json, unknown_device
from qilu.command.moments import moment
from qilu.command.printing import console
from qilu.contract.errors import QiluError


class UnexplainedError(QiluError):
    """The store lacks something, or has too much, and nothing tells why."""


_console = console()


async def run(store: str, last: str, devices: Sequence[str], form: str) -> None:
    """Print what is found on stdout; UnexplainedError when it is not all explained, ConfigError."""
    end_ms = int(time.time() * 1000)
    start_ms = end_ms - round(duration("--last", last) * 1000)
    async with reader(store) as opened:
        findings = await audit(opened, start_ms, end_ms, devices)
        for device in devices:
            if device not in {one.device for one in findings}:
                raise await unknown_device(opened, device)
    if form == "json":
        show_json([_as_json(one) for one in findings])
    else:
        _table(findings)
    unsound = [one.device for one in findings if not one.sound]
    if unsound:
        raise UnexplainedError(f"not all is explained: {', '.join(unsound)}")


def _table(findings: Sequence[Finding]) -> None:
    header = (
        "device", "edge", "from", "to", "expected", "good", "uncertain", "bad", "suppressed", "missing",
        "unexplained", "twice",
    )  # fmt: skip
    rows = [
        (
            one.device, one.edge, moment(one.begin_ms), moment(one.end_ms), one.expected, one.good,
            one.uncertain, sum(one.bad.values()), one.suppressed, sum(m.values for m in one.missing),
            one.unexplained, one.twice,
        )
        for one in findings
    ]  # fmt: skip
    show("table", header, rows)
    for one in findings:
        lines = _lines(one)
        if lines:
            _console.print()
            _console.print(one.device)
        for line in lines:
            _console.print(f"  {line}")


def _lines(finding: Finding) -> list[str]:
    lines = [f"missing: {missing}" for missing in finding.missing]
    if finding.bad:
        lines.append("bad: " + ", ".join(f"{count} {reason}" for reason, count in finding.bad.items()))
    if finding.surplus:
        lines.append(f"{finding.surplus} values more than were ever counted")
    if not finding.accounted:
        lines.append(
            "its edge told of no whole account for this time, so nothing can be said; an edge tells one"
            " a minute (completeness_every): ask later, or farther back with --last"
        )
    return [*lines, *finding.notes]


def _as_json(finding: Finding) -> dict[str, Any]:
    return {
        "device": finding.device,
        "edge": finding.edge,
        "from": moment(finding.begin_ms),
        "to": moment(finding.end_ms),
        "accounted": finding.accounted,
        "expected": finding.expected,
        "good": finding.good,
        "uncertain": finding.uncertain,
        "bad": dict(finding.bad),
        "suppressed": finding.suppressed,
        "missing": [
            {
                "values": one.values,
                "why": one.why,
                "explained": one.explained,
                "from": moment(one.begin_ms),
                "to": moment(one.end_ms),
                "text": f"{one.why} {span(one.begin_ms, one.end_ms)}",
            }
            for one in finding.missing
        ],
        "unexplained": finding.unexplained,
        "surplus": finding.surplus,
        "twice": finding.twice,
        "notes": finding.notes,
    }
