"""Audits a store: what should be in it, what is, and why the rest is not. The causes get their texts here."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC
from typing import Any

from cloud.audit.audit import Audit, Finding, audit
from cloud.audit.causes import Cause, Missing, Verdict
from qilu.contract.errors import QiluError
from qilu_cli.store_access import duration, reader, show, show_json, unknown_device
from qilu_cli.terminal import console
from qilu_cli.time_zones import Zone, local_time, moment, zone


class IncompleteError(QiluError):
    """Not every value that was due is accounted for with certainty."""


_console = console()

_TEXTS: Mapping[Cause, str] = {
    Cause.BUSY: "skipped: endpoint busy",
    Cause.BLOCKED: "skipped: spool blocked",
    Cause.DOWN: "gateway down",
    Cause.DROPPED: "dropped by spool",
    Cause.REJECTED: "rejected by store",
    Cause.DEFERRED: "deferred",
    Cause.HELD: "held for another edge",
    Cause.QUARANTINED: "in quarantine",
    Cause.WAITING: "not delivered yet",
    Cause.STOPPED: "gateway stopped",
    Cause.NOT_HEARD: "not heard",
    Cause.NOT_COUNTED: "not known: the store has no account of this time",
    Cause.OVERLAP: "not known: the store has two accounts of this time; do two gateways have one name?",
    Cause.UNEXPLAINED: "unexplained",
}


async def run(
    store: str, last: str, devices: Sequence[str], edges: Sequence[str], form: str, tz: str = "utc"
) -> None:
    """Print what is found on stdout; IncompleteError unless it is complete, ConfigError."""
    shown_in = zone(tz)
    end_ms = int(time.time() * 1000)
    start_ms = end_ms - round(duration("--last", last) * 1000)
    async with reader(store) as opened:
        found = await audit(opened, start_ms, end_ms, devices, edges)
        for device in devices:
            if device not in {one.device for one in found.findings}:
                raise await unknown_device(opened, device)
    if form == "json":
        show_json([_as_json(one, shown_in) for one in found.findings])
    else:
        _table(found.findings, shown_in)
    if not found.complete:
        raise IncompleteError("; ".join(_reasons(found)))


def _reasons(found: Audit) -> Iterator[str]:
    """Why an audit is not complete."""
    if not found.findings:
        yield "not known: the store has no device that was asked for"
    for verdict in (Verdict.INCOMPLETE, Verdict.NOT_KNOWN):
        names = [f"{one.edge}/{one.device}" for one in found.findings if one.verdict is verdict]
        if names:
            more = f" and {len(names) - 20} more" if len(names) > 20 else ""
            yield f"{verdict}: {', '.join(names[:20])}{more}"
    for one in found.unknown:
        known = f"the store has reports of {one.known}"
        yield f"not known: {one.edge} collects from {one.devices} devices, and {known}"


def text_of(missing: Missing) -> str:
    """The cause of what is missing, for people."""
    text = _TEXTS[missing.cause]
    match missing.cause:
        case Cause.DROPPED | Cause.REJECTED:
            return f"{text} ({missing.detail})" if missing.detail else text
        case Cause.DEFERRED:
            code = f": {missing.detail}" if missing.detail else ""
            return f"{text}{code}, {missing.records} records wait on {missing.edge}"
        case Cause.WAITING:
            return f"{text}: {missing.records} records wait on {missing.edge}"
        case Cause.HELD | Cause.QUARANTINED:
            return f"{text}: {missing.records} records"
        case Cause.NOT_HEARD:
            return f"{missing.edge} {text}"
    return text


def at(time_ms: int, shown_in: Zone = UTC) -> str:
    """A moment, for people: `11-23 02:10:05Z`, or with the offset of another zone."""
    found = local_time(time_ms, shown_in)
    if found is None:
        return moment(time_ms)
    return f"{found:%m-%d %H:%M:%S}{_offset(time_ms, shown_in)}"


def span(begin_ms: int, end_ms: int, shown_in: Zone = UTC) -> str:
    """`11-23 02:10:05-05:10:00Z`, with both dates, and both offsets, where they differ."""
    begin, end = at(begin_ms, shown_in), at(end_ms, shown_in)
    if _offset(begin_ms, shown_in) == _offset(end_ms, shown_in):
        begin = begin.removesuffix(_offset(end_ms, shown_in))
    return f"{begin}-{end.removeprefix(begin[:6])}"


def _offset(time_ms: int, shown_in: Zone) -> str:
    found = local_time(time_ms, shown_in)
    if found is None:
        return ""
    return "Z" if shown_in is UTC else found.isoformat(timespec="seconds")[19:]


def _table(findings: Sequence[Finding], shown_in: Zone) -> None:
    header = (
        "device", "edge", "from", "to", "expected", "good", "uncertain", "bad", "suppressed", "missing",
        "unexplained", "twice", "verdict",
    )  # fmt: skip
    rows = [
        (
            one.device, one.edge, moment(one.begin_ms, shown_in), moment(one.end_ms, shown_in), one.expected,
            one.good, one.uncertain, sum(one.bad.values()), one.suppressed,
            sum(m.values for m in one.missing), one.unexplained, one.twice, one.verdict,
        )
        for one in findings
    ]  # fmt: skip
    show("table", header, rows)
    for one in findings:
        lines = _lines(one, shown_in)
        if lines:
            _console.print()
            _console.print(f"{one.edge}/{one.device}")
        for line in lines:
            _console.print(f"  {line}")


def _lines(finding: Finding, shown_in: Zone) -> list[str]:
    lines = [f"missing: {_line(missing, shown_in)}" for missing in finding.missing]
    if finding.bad:
        lines.append("bad: " + ", ".join(f"{count} {reason}" for reason, count in finding.bad.items()))
    if finding.surplus:
        lines.append(f"{finding.surplus} values more than were ever counted")
    if not finding.accounted:
        lines.append(
            "not known: the store has no whole account of this time; an edge reports one a minute"
            " (completeness_every): ask later, or farther back with --last"
        )
        lines += [
            f"not known: {records} records of {finding.edge} are not in the store: {_TEXTS[cause]}"
            for cause, records in finding.kept.items()
        ]
    return [*lines, *notes_of(finding, shown_in)]


def _line(missing: Missing, shown_in: Zone) -> str:
    sure = "" if missing.certain or not missing.explained else " (not certain)"
    return f"{missing.values} {text_of(missing)} {span(missing.begin_ms, missing.end_ms, shown_in)}{sure}"


def notes_of(finding: Finding, shown_in: Zone = UTC) -> list[str]:
    """What a person should know: when the device was offline, when the clock was set."""
    notes = []
    for away in finding.offline:
        reason = f" ({away.reason})" if away.reason else ""
        notes.append(f"device offline {span(away.begin_ms, away.end_ms, shown_in)}{reason}")
    notes += [
        f"clock of {finding.edge} set by {step.seconds:+.1f} s at {at(step.time_ms, shown_in)}"
        for step in finding.clock_steps
    ]
    if finding.texts:
        notes.append(f"{finding.texts} texts are not expected: this store has no place for them")
    return notes


def _as_json(finding: Finding, shown_in: Zone) -> dict[str, Any]:
    return {
        "device": finding.device,
        "edge": finding.edge,
        "from": moment(finding.begin_ms, shown_in),
        "to": moment(finding.end_ms, shown_in),
        "verdict": finding.verdict,
        "accounted": finding.accounted,
        "expected": finding.expected,
        "good": finding.good,
        "uncertain": finding.uncertain,
        "bad": dict(finding.bad),
        "suppressed": finding.suppressed,
        "kept": dict(finding.kept),
        "missing": [
            {
                "values": one.values,
                "cause": one.cause,
                "why": text_of(one),
                "explained": one.explained,
                "certain": one.certain,
                "from": moment(one.begin_ms, shown_in),
                "to": moment(one.end_ms, shown_in),
                "text": f"{text_of(one)} {span(one.begin_ms, one.end_ms, shown_in)}",
            }
            for one in finding.missing
        ],
        "unexplained": finding.unexplained,
        "surplus": finding.surplus,
        "twice": finding.twice,
        "notes": notes_of(finding, shown_in),
    }
