"""Writes dashboards and alert rules into files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cloud.alerting.grafana_rules import provisioning
from cloud.alerting.published_uids import retired_rules
from cloud.alerting.rule_file import rule_file
from cloud.alerting.rules import RULES
from cloud.grafana.board import Selection
from cloud.grafana.dashboard_set import shipped
from cloud.grafana.machine import MachineDashboard
from qilu.config.profiles import known_profiles, profile_of
from qilu.contract.errors import writing
from qilu_cli.terminal import console

_console = console()


def write_dashboards(names: Sequence[str], store: str, language: Literal["zh", "en"], folder: Path) -> None:
    """One file NAME.json for each profile; ConfigError where a profile or the folder cannot be used."""
    for profile in [profile_of(name) for name in names or known_profiles()]:
        dashboard = MachineDashboard(profile, store, language)
        _write(folder / f"{profile.profile}.json", dashboard_text(dashboard), dashboard.uid)


def write_set(store: str, language: Literal["zh", "en"], folder: Path) -> None:
    """One file set-NAME.json for each dashboard about many edges."""
    known = [profile_of(name) for name in known_profiles()]
    chosen = Selection(store, language, known)
    for name, text in shipped(chosen):
        _write(folder / f"set-{name}.json", text, chosen.uid(name))


def _write(file: Path, text: str, what: str) -> None:
    with writing(file, "name another folder with --out"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    _console.print(f"{file}: {what}")


@dataclass(frozen=True, slots=True)
class RuleOptions:
    """What the rules are made for: the store, Grafana's address and, for Grafana's own, its data source."""

    store: Literal["influx", "victoria"] = "victoria"
    grafana: str = "http://127.0.0.1:3000"
    datasource: str = "qilu-influxdb2"


def write_rules(file: Path, options: RuleOptions) -> None:
    """The rule file; ConfigError where it cannot be written."""
    if options.store == "victoria":
        text = rule_file(RULES, options.grafana)
    else:
        text = provisioning(RULES, retired_rules(), options.datasource, options.grafana)
    _write(file, text, f"{len(RULES)} rules")


def dashboard_text(dashboard: MachineDashboard) -> str:
    """The file of a dashboard; the same profile gives the same text."""
    return json.dumps(dashboard.json(), ensure_ascii=False, indent=2) + "\n"
