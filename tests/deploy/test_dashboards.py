"""What Grafana is given as files: made by the generator, with fixed folders and uids, without a secret."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml

from cloud.alerting.published_uids import published_uids
from deploy.grafana.build import FOLDER, STORES, dashboards, rule_files
from tests.deploy.deployed import DEPLOY

PROVISIONING = DEPLOY / "grafana" / "provisioning"
SOURCES = sorted(file.stem for file in (PROVISIONING / "datasources").glob("*.yaml"))
WRITTEN = dict(dashboards())


def test_the_files_are_what_the_generator_writes() -> None:
    assert set(FOLDER.rglob("*.json")) == set(WRITTEN)
    for file, text in (*WRITTEN.items(), *rule_files()):
        assert file.read_text(encoding="utf-8") == text, f"{file} is stale: make dashboards"


def test_every_dashboard_is_in_the_ledger_and_has_no_id() -> None:
    shown = [json.loads(text) for text in WRITTEN.values()]
    uids = {one["uid"] for one in shown}
    assert len(uids) == len(shown)
    assert uids <= {entry.uid for entry in published_uids() if entry.state == "used"}
    assert {one["id"] for one in shown} == {None}


def test_each_kind_of_store_has_a_folder_with_a_fixed_uid_from_which_a_file_that_goes_is_deleted() -> None:
    text = (PROVISIONING / "dashboards" / "qilu.yaml").read_text(encoding="utf-8")
    providers = yaml.safe_load(text)["providers"]
    assert [provider["folderUid"] for provider in providers] == [f"qilu-{folder}" for folder in STORES]
    for folder, provider in zip(STORES, providers, strict=True):
        assert provider["options"]["path"].endswith(f"/{folder}")
        assert (FOLDER / folder).is_dir()
        assert not provider["options"]["foldersFromFilesStructure"]
        assert (provider["disableDeletion"], provider["allowUiUpdates"]) == (False, False)


@pytest.mark.parametrize(
    "file", sorted((PROVISIONING / "datasources").glob("*.yaml")), ids=lambda file: str(file.stem)
)
def test_a_data_source_is_one_that_a_dashboard_is_for_and_carries_no_secret(file: Any) -> None:
    (source,) = yaml.safe_load(file.read_text())["datasources"]
    assert source["uid"] == f"qilu-{file.stem}"
    assert re.search("Qilu", source["name"])
    assert source["type"] in {"influxdb", "prometheus"}
    assert source["jsonData"]["timeInterval"] == "10s"
    assert all(re.match(r"\$(__file)?\{", secret) for secret in source.get("secureJsonData", {}).values())
    assert re.fullmatch(r"\$\{\w+\}", source["url"])


def test_there_is_a_data_source_for_each_kind_of_store_that_can_be_asked() -> None:
    assert SOURCES == ["influxdb1", "influxdb2", "victoriametrics"]
