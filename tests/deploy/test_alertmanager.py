"""The delivered settings of Alertmanager send one message for each cause and one for its end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from cloud.alerting.rule_file import notes
from cloud.alerting.rules import RULES
from tests.deploy.deployed import DEPLOY
from tests.servers.alertmanager import Alertmanager
from tests.servers.receiver import Receiver, Taken

SETTINGS = DEPLOY / "alertmanager" / "alertmanager.yaml"
TEMPLATE = DEPLOY / "alertmanager" / "qilu.tmpl"
GRAFANA = DEPLOY / "grafana" / "alerting"
OFFLINE = next(rule for rule in RULES if rule.name == "QiluDeviceOffline")
TOKEN, SEND, HOOK = "/cgi-bin/gettoken", "/cgi-bin/message/send", "/alerts"
WITHIN_S = 20.0


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as opened:
        opened.replies = {TOKEN: {"errcode": 0, "access_token": "token"}, SEND: {"errcode": 0}}
        yield opened


def delivered(folder: Path, receiver: Receiver, name: str) -> Path:
    """The delivered settings with this receiver, here, and with short times; what repeats stays."""
    settings = yaml.safe_load(SETTINGS.read_text(encoding="utf-8"))
    settings["templates"] = [str(TEMPLATE)]
    settings["route"] |= {"receiver": name, "group_wait": "500ms", "group_interval": "1s"}
    for each in settings["receivers"]:
        for hook in each.get("webhook_configs", ()):
            hook["url"] = receiver.url + HOOK
        for wecom in each.get("wechat_configs", ()):
            wecom["api_url"] = f"{receiver.url}/cgi-bin/"
    file = folder / "alertmanager.yaml"
    file.write_text(yaml.safe_dump(settings, allow_unicode=True), encoding="utf-8")
    return file


def alerts(*devices: str, ended: bool = False) -> list[dict[str, Any]]:
    """As vmalert posts them: a rule fires for these devices of one edge."""
    now = datetime.now(UTC)
    made = []
    for device in devices:
        fields = {"edge": "edge-1", "device": device, "value": "60"}
        texts = notes(OFFLINE, "https://grafana.example", "victoria", fields)
        ends = now if ended else now + timedelta(minutes=5)
        made.append(
            {
                "labels": {"alertname": OFFLINE.name, "edge": "edge-1", "device": device},
                "annotations": texts,
                "startsAt": (now - timedelta(minutes=1)).isoformat(),
                "endsAt": ends.isoformat(),
            }
        )
    return made


def wait_for(receiver: Receiver, met: Callable[[list[Taken]], bool], path: str) -> list[Taken]:
    deadline = time.monotonic() + WITHIN_S
    while not met(taken := [one for one in receiver.taken if one.path.partition("?")[0] == path]):
        assert time.monotonic() < deadline, receiver.taken
        time.sleep(0.05)
    return taken


def test_one_cause_is_one_message_and_its_end_another_and_nothing_is_repeated(
    receiver: Receiver, tmp_path: Path
) -> None:
    with Alertmanager(tmp_path, delivered(tmp_path, receiver, "webhook")) as manager:
        manager.post(alerts("press-1", "press-2", "press-3"))
        wait_for(receiver, bool, HOOK)
        for _ in range(6):  # vmalert posts an alert again and again while it fires
            manager.post(alerts("press-1", "press-2", "press-3"))
            time.sleep(0.5)
        (message,) = wait_for(receiver, bool, HOOK)
        assert message.body["status"] == "firing"
        assert {alert["labels"]["device"] for alert in message.body["alerts"]} == {
            "press-1", "press-2", "press-3",
        }  # fmt: skip
        manager.post(alerts("press-1", "press-2", "press-3", ended=True))
        _, end = wait_for(receiver, lambda taken: len(taken) > 1, HOOK)
        assert end.body["status"] == "resolved"
        assert len(end.body["alerts"]) == 3


def test_a_message_to_wecom_says_what_since_when_and_what_to_do(receiver: Receiver, tmp_path: Path) -> None:
    with Alertmanager(tmp_path, delivered(tmp_path, receiver, "wecom")) as manager:
        manager.post(alerts("press-1"))
        (message,) = wait_for(receiver, bool, SEND)
    text = message.body["text"]["content"]
    first, since, step, link = text.strip().splitlines()
    assert first == "【告警】边缘 edge-1 的设备 press-1 离线超过 10 分钟，边缘本身在线"
    assert since.startswith("开始：20")
    assert step.startswith("下一步：检查设备电源")
    assert link.startswith("https://grafana.example/d/qilu-set-completeness-victoria-zh?from=now-6h&to=now&")


def test_both_ways_repeat_after_four_hours_and_group_by_cause() -> None:
    route = yaml.safe_load(SETTINGS.read_text(encoding="utf-8"))["route"]
    (policy,) = yaml.safe_load((GRAFANA / "policies.yaml").read_text(encoding="utf-8"))["policies"]
    for each in (route, policy):
        assert (each["repeat_interval"], each["group_by"]) == ("4h", ["alertname", "edge"])


def test_the_contact_points_of_grafana_have_the_form_that_it_reads_and_no_secret() -> None:
    document = yaml.safe_load((GRAFANA / "contact-points.yaml").read_text(encoding="utf-8"))
    assert set(document) == {"apiVersion", "contactPoints"}
    receivers = {point["name"]: point["receivers"] for point in document["contactPoints"]}
    types = {name: one["type"] for name, (one,) in receivers.items()}
    assert types == {"qilu-webhook": "webhook", "qilu-wecom": "wecom", "qilu-dingtalk": "dingding"}
    for (one,) in receivers.values():
        assert set(one) == {"uid", "type", "settings", "disableResolveMessage"}
        assert one["settings"]["url"].startswith("$QILU_")
    (templates,) = yaml.safe_load((GRAFANA / "templates.yaml").read_text(encoding="utf-8"))["templates"]
    assert templates == {"orgId": 1, "name": "qilu", "template": TEMPLATE.read_text(encoding="utf-8")}
    (policy,) = yaml.safe_load((GRAFANA / "policies.yaml").read_text(encoding="utf-8"))["policies"]
    assert policy["receiver"] in receivers
