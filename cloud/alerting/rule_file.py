"""The rule file that Prometheus and vmalert read, and the texts that both kinds of rules share."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

from cloud.alerting.conditions import Windows
from cloud.alerting.promql import expression
from cloud.alerting.rules import Rule
from qilu.contract.units import format_duration

GROUP = "qilu"
_NUMBERS = {"share": "{{ $value | humanizePercentage }}"}
_FIELDS = {"edge": "{{ $labels.edge }}", "device": "{{ $labels.device }}"}


def rule_file(rules: Sequence[Rule], grafana: str, windows: Windows | None = None) -> str:
    """The rules as YAML for `rule_files:` of Prometheus and `-rule=` of vmalert.

    `grafana`: its address, for the links.
    """
    return "\n".join(_lines(rules, grafana, windows or Windows())) + "\n"


def notes(rule: Rule, grafana: str, store: str, fields: Mapping[str, str]) -> dict[str, str]:
    """What happened and what to do, in both languages, and where to look.

    `fields`: edge, device and value as the templates of the reader of the file have them.
    """
    texts = {
        f"{name}_{language}": label.text(language).format(**fields)
        for name, label in (("summary", rule.summary), ("next_step", rule.next_step))
        for language in ("zh", "en")
    }
    edge = "&var-edge={{ $labels.edge | urlquery }}" if rule.is_of_an_edge else ""
    board = f"{grafana.rstrip('/')}/d/qilu-set-{rule.dashboard}-{store}-zh"
    return texts | {"link": f"{board}?from=now-6h&to=now{edge}"}


def _lines(rules: Sequence[Rule], grafana: str, windows: Windows) -> Iterator[str]:
    yield "# Made by `qilu grafana rules`. VictoriaMetrics: vmalert -rule=FILE; Prometheus: rule_files."
    yield f"groups:\n  - name: {GROUP}\n    interval: {format_duration(windows.interval)}\n    rules:"
    for rule in rules:
        hold_s = rule.hold_s * windows.hold
        value = _NUMBERS.get(rule.number) or f'{{{{ $value | printf "{rule.number}" }}}}'
        yield f"      - alert: {rule.name}"
        yield f"        expr: {_quoted(expression(rule, windows))}"
        yield f"        for: {format_duration(hold_s) if hold_s else '0s'}"
        yield f"        labels: {{severity: {rule.severity}}}"
        yield "        annotations:"
        for name, text in notes(rule, grafana, "victoria", {**_FIELDS, "value": value}).items():
            yield f"          {name}: {_quoted(text)}"


def _quoted(text: str) -> str:
    """A text of YAML: its double-quoted form is that of JSON."""
    return json.dumps(text, ensure_ascii=False)
