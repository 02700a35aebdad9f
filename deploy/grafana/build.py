"""Writes dashboards and alert rules: `python -m deploy.grafana.build` (also: make dashboards)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cloud.alerting.grafana_rules import provisioning
from cloud.alerting.published_uids import retired_rules
from cloud.alerting.rule_file import rule_file
from cloud.alerting.rules import RULES
from cloud.grafana.board import Selection
from cloud.grafana.dashboard_set import shipped
from qilu.config.profiles import known_profiles, profiles
from qilu.contract.display import Language

STORES = {"influxql": "influx", "promql": "victoria"}
"""Folder -> the store that its dashboards ask."""
LANGUAGES: tuple[Language, ...] = ("zh", "en")
DEPLOY = Path(__file__).parents[1]
FOLDER = DEPLOY / "grafana" / "dashboards"
GRAFANA = "http://127.0.0.1:3000"
"""Where compose.yaml has it."""
DATASOURCE = "qilu-influxdb2"


def dashboards() -> Iterator[tuple[Path, str]]:
    """Every dashboard with what is to stand in its file."""
    known = list(profiles(known_profiles()).values())
    for folder, store in STORES.items():
        for language in LANGUAGES:
            for name, text in shipped(Selection(store, language, known)):
                yield FOLDER / folder / f"{name}-{language}.json", text


def rule_files() -> Iterator[tuple[Path, str]]:
    """The rules for vmalert, and Grafana's own."""
    yield DEPLOY / "alertmanager" / "qilu-rules.yaml", rule_file(RULES, GRAFANA)
    own = provisioning(RULES, retired_rules(), DATASOURCE, GRAFANA)
    yield DEPLOY / "grafana" / "alerting" / "rules.yaml", own


def main() -> None:
    """Write all of them."""
    for file, text in (*dashboards(), *rule_files()):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        print(file)


if __name__ == "__main__":
    main()
