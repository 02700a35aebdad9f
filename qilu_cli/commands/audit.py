"""Audits a store: what should be in it, what is, and why the rest is not. The causes get their texts here."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC
from typing import Any

from cloud.audit.audit import Audit, Finding, audit
from cloud.audit.causes import Cause, MissingValues, Verdict
from qilu.contract.errors import QiluError
from qilu_cli.store_access import duration, print_json, print_table, reader, unknown_device
from qilu_cli.terminal import console
from qilu_cli.time_zones import Zone, iso_time, local_time, zone


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
    Cause.EDGE_OFFLINE: "offline",
    Cause.NOT_COUNTED: "not known: the store has no account of this time",
    Cause.NOT_IN_HISTORY: "not in local history",
    Cause.OVERLAP: "not known: the store has two accounts of this time; do two gateways have one name?",
    Cause.UNEXPLAINED: "unexplained",
}


async def run(
    store: str, last: str, devices: Sequence[str], edges: Sequence[str], form: str, tz: str = "utc"
) -> None:
    """Print what is local on stdout; IncompleteError unless it is complete, ConfigError."""
    shown_in = zone(tz)
    end_ms = int(time.time() * 1000)
    start_ms = end_ms - round(duration("--last", last) * 1000)
    async with reader(store) as opened:
        result = await audit(opened, start_ms, end_ms, devices, edges)
        for device in devices:
            if device not in {finding.device for finding in result.findings}:
                raise await unknown_device(opened, device)
    if form == "json":
        print_json([_as_json(finding, shown_in) for finding in result.findings])
    else:
        _table(result.findings, shown_in)
    if not result.complete:
        raise IncompleteError("; ".join(_reasons(result)))


def _reasons(result: Audit) -> Iterator[str]:
    """Why an audit is not complete."""
    if not result.findings:
        yield "not known: the store has no device that was asked for"
    for verdict in (Verdict.INCOMPLETE, Verdict.NOT_KNOWN):
        names = [f"{entry.edge}/{entry.device}" for entry in result.findings if entry.verdict is verdict]
        if names:
            more = f" and {len(names) - 20} more" if len(names) > 20 else ""
            yield f"{verdict}: {', '.join(names[:20])}{more}"
    for entry in result.unknown:
        known = f"the store has reports of {entry.known}"
        yield f"not known: {entry.edge} collects from {entry.devices} devices, and {known}"


def text_of(missing: MissingValues) -> str:
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
        case Cause.EDGE_OFFLINE:
            return f"{missing.edge} {text}"
    return text


def at(time_ms: int, shown_in: Zone = UTC) -> str:
    """A moment, for people: `11-23 02:10:05Z`, or with the offset of another zone."""
    local = local_time(time_ms, shown_in)
    if local is None:
        return iso_time(time_ms)
    return f"{local:%m-%d %H:%M:%S}{_offset(time_ms, shown_in)}"


def span(start_ms: int, end_ms: int, shown_in: Zone = UTC) -> str:
    """`11-23 02:10:05-05:10:00Z`, with both dates, and both offsets, where they differ."""
    start, end = at(start_ms, shown_in), at(end_ms, shown_in)
    if _offset(start_ms, shown_in) == _offset(end_ms, shown_in):
        start = start.removesuffix(_offset(end_ms, shown_in))
    return f"{start}-{end.removeprefix(start[:6])}"


def _offset(time_ms: int, shown_in: Zone) -> str:
    local = local_time(time_ms, shown_in)
    if local is None:
        return ""
    return "Z" if shown_in is UTC else local.isoformat(timespec="seconds")[19:]


def _table(findings: Sequence[Finding], shown_in: Zone) -> None:
    header = (
        "device", "edge", "from", "to", "expected", "good", "uncertain", "bad", "suppressed", "missing",
        "unexplained", "duplicates", "verdict",
    )  # fmt: skip
    rows = [
        (
            finding.device, finding.edge,
            iso_time(finding.start_ms, shown_in), iso_time(finding.end_ms, shown_in),
            finding.expected, finding.good, finding.uncertain, sum(finding.bad.values()), finding.suppressed,
            sum(m.values for m in finding.missing), finding.unexplained, finding.duplicates, finding.verdict,
        )
        for finding in findings
    ]  # fmt: skip
    print_table("table", header, rows)
    for finding in findings:
        lines = _lines(finding, shown_in)
        if lines:
            _console.print()
            _console.print(f"{finding.edge}/{finding.device}")
        for line in lines:
            _console.print(f"  {line}")


def _lines(finding: Finding, shown_in: Zone) -> list[str]:
    lines = [f"missing: {_line(missing, shown_in)}" for missing in finding.missing]
    if finding.bad:
        lines.append("bad: " + ", ".join(f"{count} {reason}" for reason, count in finding.bad.items()))
    if finding.surplus:
        lines.append(f"{finding.surplus} values more than were ever counted")
    if not finding.has_accounting:
        lines.append(
            "not known: the store has no whole account of this time; an edge reports one a minute"
            " (accounting_interval): ask later, or farther back with --last"
        )
        lines += [
            f"not known: {records} records of {finding.edge} are not in the store: {_TEXTS[cause]}"
            for cause, records in finding.kept.items()
        ]
    return [*lines, *notes_of(finding, shown_in)]


def _line(missing: MissingValues, shown_in: Zone) -> str:
    sure = "" if missing.certain or not missing.explained else " (not certain)"
    return f"{missing.values} {text_of(missing)} {span(missing.start_ms, missing.end_ms, shown_in)}{sure}"


def notes_of(finding: Finding, shown_in: Zone = UTC) -> list[str]:
    """What a person should know: when the device was offline, when the clock was set."""
    notes = []
    for period in finding.offline:
        reason = f" ({period.reason})" if period.reason else ""
        notes.append(f"device offline {span(period.start_ms, period.end_ms, shown_in)}{reason}")
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
        "from": iso_time(finding.start_ms, shown_in),
        "to": iso_time(finding.end_ms, shown_in),
        "verdict": finding.verdict,
        "accounted": finding.has_accounting,
        "expected": finding.expected,
        "good": finding.good,
        "uncertain": finding.uncertain,
        "bad": dict(finding.bad),
        "suppressed": finding.suppressed,
        "kept": dict(finding.kept),
        "missing": [
            {
                "values": missing.values,
                "cause": missing.cause,
                "why": text_of(missing),
                "explained": missing.explained,
                "certain": missing.certain,
                "from": iso_time(missing.start_ms, shown_in),
                "to": iso_time(missing.end_ms, shown_in),
                "text": f"{text_of(missing)} {span(missing.start_ms, missing.end_ms, shown_in)}",
            }
            for missing in finding.missing
        ],
        "unexplained": finding.unexplained,
        "surplus": finding.surplus,
        "duplicates": finding.duplicates,
        "notes": notes_of(finding, shown_in),
    }
