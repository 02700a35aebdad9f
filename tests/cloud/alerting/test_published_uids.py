"""Every uid that was ever published stays in the ledger, and Grafana is told to delete the retired ones."""

from __future__ import annotations

import yaml

from cloud.alerting.grafana_rules import provisioning
from cloud.alerting.published_uids import published_uids, retired_rules
from cloud.alerting.rules import RULES
from cloud.grafana.board import STORES, Selection
from cloud.grafana.dashboard_set import SET
from cloud.grafana.machine import MachineDashboard
from qilu.config.profiles import known_profiles, profiles
from qilu.contract.display import Language

LANGUAGES: tuple[Language, ...] = ("zh", "en")


def present() -> set[tuple[str, str]]:
    """Kind and uid of all that is made now."""
    known = profiles(known_profiles()).values()
    made = {("rule", rule.uid) for rule in RULES}
    for store in STORES:
        for language in LANGUAGES:
            made |= {("dashboard", Selection(store, language).uid(name)) for name in SET}
            made |= {("dashboard", MachineDashboard(profile, store, language).uid) for profile in known}
    return made


def test_a_uid_is_in_the_ledger_as_used_exactly_while_something_has_it() -> None:
    """A new uid gets a line; the line of one that goes becomes `retired` and stays for ever."""
    entries = list(published_uids())
    assert {(entry.kind, entry.uid) for entry in entries if entry.state == "used"} == present()
    assert {entry.state for entry in entries} <= {"used", "retired"}
    assert len({entry.uid for entry in entries}) == len(entries)


def test_every_retired_rule_is_deleted_by_the_file_of_rules() -> None:
    document = yaml.safe_load(provisioning(RULES, ("qilu-rule-gone", *retired_rules()), "source", "http://g"))
    deleted = {entry["uid"] for entry in document["deleteRules"]}
    assert deleted == {"qilu-rule-gone", *retired_rules()}
    assert not deleted & {rule["uid"] for group in document["groups"] for rule in group["rules"]}
