"""The result of an audit as readings: one for each edge, in the built-in profile `audit`. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from cloud.audit.audit import Audit, Finding
from cloud.audit.causes import Verdict
from qilu.contract.cloud_reports import AUDIT_POINTS, audit_columns, comparison_columns
from qilu.contract.edge_info import SETTINGS, VERSION
from qilu.contract.reading import BlockSchema, Poll, Reading

Texts = Mapping[str, str]
"""Point of the profile `edge-info` -> its text."""


def audit_polls(result: Audit, span_s: float, time_ms: int) -> Iterator[Poll]:
    """What was found, by edge, with this time."""
    edges: dict[str, list[Finding]] = {}
    for finding in result.findings:
        edges.setdefault(finding.edge, []).append(finding)
    unknown = {entry.edge: entry.devices - entry.known for entry in result.unknown}
    for edge in sorted(edges.keys() | unknown.keys()):
        values = _sums(edges.get(edge, ()), unknown.get(edge, 0), span_s)
        yield _poll(audit_columns(edge), time_ms, tuple(values[point] for point in AUDIT_POINTS))


def comparison_polls(texts: Mapping[str, Texts], time_ms: int) -> Iterator[Poll]:
    """Edge -> its texts: whether version and settings are those of most edges."""
    usual = {
        point: Counter(known[point] for known in texts.values() if point in known).most_common(1)
        for point in (VERSION, SETTINGS)
    }
    for edge, known in sorted(texts.items()):
        values = tuple(
            float(known[point] != usual[point][0][0])
            for point in (VERSION, SETTINGS)
            if point in known and usual[point]
        )
        if len(values) == len(usual):
            yield _poll(comparison_columns(edge), time_ms, values)


def _sums(findings: Sequence[Finding], unknown: int, span_s: float) -> Mapping[str, float]:
    def count(verdict: Verdict) -> int:
        return sum(finding.verdict is verdict for finding in findings)

    return {
        "span_s": span_s,
        "devices": len(findings) + unknown,
        "incomplete_devices": count(Verdict.INCOMPLETE),
        "not_known_devices": count(Verdict.NOT_KNOWN) + unknown,
        "expected_values": sum(finding.expected for finding in findings),
        "good_values": sum(finding.good for finding in findings),
        "uncertain_values": sum(finding.uncertain for finding in findings),
        "bad_values": sum(sum(finding.bad.values()) for finding in findings),
        "missing_values": sum(missing.values for finding in findings for missing in finding.missing),
        "unexplained_values": sum(finding.unexplained for finding in findings),
        "surplus_values": sum(finding.surplus for finding in findings),
        "duplicates": sum(finding.duplicates or 0 for finding in findings),
    }


def _poll(columns: BlockSchema, time_ms: int, values: tuple[float, ...]) -> Poll:
    return Poll(time_ms, (Reading(columns, time_ms, values),))
