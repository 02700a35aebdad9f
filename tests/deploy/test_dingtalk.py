"""What Grafana would send to a robot of 钉钉 with the delivered contact point, and what the robot replies."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.deployed import DEPLOY
from tests.deploy.test_alertmanager import GRAFANA, OFFLINE, TEMPLATE, alerts
from tests.servers.dingtalk import PATH, REFUSED, Robot, signed
from tests.servers.http import ask
from tests.servers.programs import require
from tests.servers.receiver import Receiver, Taken

TOKEN, SECRET = "token", "SECret"
KEYWORDS = ("告警", "恢复")


def contact_point() -> dict[str, Any]:
    document = yaml.safe_load((GRAFANA / "contact-points.yaml").read_text(encoding="utf-8"))
    (point,) = (each for each in document["contactPoints"] if each["name"] == "qilu-dingtalk")
    (receiver,) = point["receivers"]
    settings: dict[str, Any] = receiver["settings"]
    return settings


def sent_by_grafana(folder: Path, status: str) -> dict[str, Any]:
    """The body that Grafana makes of its contact point: the delivered texts, filled in by the engine of Go
    that Alertmanager and Grafana share."""
    settings = contact_point()
    fired = [{**alert, "status": status} for alert in alerts("press-1", "press-2", ended=status != "firing")]
    data = folder / "alerts.json"
    data.write_text(json.dumps({"status": status, "alerts": fired}), encoding="utf-8")

    def text(template: str) -> str:
        done = subprocess.run(
            [
                require("amtool"), "template", "render", f"--template.glob={TEMPLATE}",
                f"--template.text={template}", f"--template.data={data}",
            ],
            check=True, timeout=60, capture_output=True, text=True,
        )  # fmt: skip
        return done.stdout.removesuffix("\n")

    assert settings["msgType"] == "actionCard"
    card = {
        "title": text(settings["title"]), "text": text(settings["message"]), "singleTitle": "More",
        "singleURL": "dingtalk://dingtalkclient/page/link?pc_slide=false&url=https%3A%2F%2Fgrafana.example",
    }  # fmt: skip
    return {"msgtype": "actionCard", "actionCard": card}


def posted(robot: Robot, body: dict[str, Any], *, sign: bool = False) -> dict[str, Any]:
    """The robot's reply over HTTP."""

    def reply(taken: Taken) -> dict[str, Any]:
        return robot.reply(taken.path, taken.body, time.time_ns() // 1_000_000)

    with Receiver() as receiver:
        receiver.replies = {PATH: reply}
        path = f"{PATH}?access_token={TOKEN}"
        if sign:
            path = signed(path, SECRET, time.time_ns() // 1_000_000)
        port = int(receiver.url.rpartition(":")[2])
        found: dict[str, Any] = json.loads(ask(port, "POST", path, {}, json.dumps(body).encode()).body)
        return found


@pytest.mark.parametrize("status", ["firing", "resolved"])
def test_a_robot_takes_the_alert_and_its_end(tmp_path: Path, status: str) -> None:
    body = sent_by_grafana(tmp_path, status)
    assert posted(Robot(TOKEN, KEYWORDS), body) == {"errcode": 0, "errmsg": "ok"}
    title, text = body["actionCard"]["title"], body["actionCard"]["text"]
    assert title.endswith("离线超过 10 分钟，边缘本身在线 等 2 项")
    first, since, *rest = [line for line in text.splitlines() if line]
    assert first.startswith("#### 【告警】边缘 edge-1" if status == "firing" else "#### 【恢复】边缘 edge-1")
    assert since.startswith("开始：20")
    assert any(line.startswith("[打开看板](https://grafana.example/d/") for line in rest)
    assert (OFFLINE.next_step.zh in text) == (status == "firing")
    assert "\n\n".join(line for line in text.splitlines() if line) == text.strip(), "markdown joins lines"


def test_a_robot_that_lacks_the_word_for_an_end_refuses_it(tmp_path: Path) -> None:
    reply = posted(Robot(TOKEN, ("告警",)), sent_by_grafana(tmp_path, "resolved"))
    assert reply["errcode"] == REFUSED
    comment = (DEPLOY / "grafana" / "alerting" / "contact-points.yaml").read_text(encoding="utf-8")
    assert all(word in comment for word in KEYWORDS)


def test_a_robot_with_a_secret_refuses_what_grafana_sends_and_takes_what_is_signed(tmp_path: Path) -> None:
    robot, body = Robot(TOKEN, secret=SECRET), sent_by_grafana(tmp_path, "firing")
    assert posted(robot, body)["errcode"] == REFUSED
    assert posted(robot, body, sign=True)["errcode"] == 0
