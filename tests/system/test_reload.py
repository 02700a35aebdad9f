"""Settings of a running gateway are edited: the audit balances, and what is wrong is refused."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from asyncio.subprocess import DEVNULL
from pathlib import Path
from typing import Any

import yaml

from tests.servers import Mosquitto
from tests.system.programs import QILU, eventually, qilu
from tests.system.road import MACHINES, Road
from tests.system.test_completeness import STORE, AccountedRoad, all_explained


def file_of(road: Road) -> Path:
    return road.folder / "gateway.yaml"


def edit(road: Road, change: Any) -> None:
    """Write the settings of the gateway anew after `change` was done to them."""
    file = file_of(road)
    settings = yaml.safe_load(file.read_text())
    change(settings)
    file.write_text(yaml.safe_dump(settings))


async def reload(road: Road, *options: str) -> tuple[int, dict[str, Any], str]:
    """Exit code, report and errors of `qilu reload`."""
    ran = await asyncio.to_thread(qilu, "reload", file_of(road), "--format", "json", *options)
    return ran.returncode, json.loads(ran.stdout or "{}"), ran.stderr


def devices_of(settings: dict[str, Any]) -> list[dict[str, Any]]:
    return [device for source in settings["sources"] for device in source["devices"]]


def quicker(settings: dict[str, Any]) -> None:
    """One device is polled twice as often, and is called otherwise."""
    device = devices_of(settings)[0]
    device["poll_periods"] = {"fast": "125ms"}
    device["label"] = {"en": "Mill", "zh": "铣床"}


def without_one(settings: dict[str, Any]) -> None:
    settings["sources"][-1]["devices"].pop()


async def test_an_audit_over_reloads_balances_and_wrong_settings_change_nothing(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    async with AccountedRoad(tmp_path, {"port": mosquitto.port}, STORE, machines=MACHINES[:4]) as road:
        await road.flows()
        begin = file_of(road).read_text()

        edit(road, quicker)
        plan = await asyncio.to_thread(qilu, "plan", file_of(road), "--format", "json")
        assert (plan.returncode, json.loads(plan.stdout)["outcome"]) == (0, "hot")
        code, report, errors = await reload(road)
        assert (code, report["outcome"]) == (0, "taken"), errors + road.logs()
        assert [entry["device"] for entry in report["devices"]] == [road.devices[0]]

        edit(road, lambda settings: settings.update(edge="another"))
        code, report, _ = await reload(road)
        assert (code, report["restart"]) == (1, ["edge"])
        edit(road, lambda settings: settings.update(edge="edge-1", wrong=1))
        code, _, errors = await reload(road)
        assert code == 2
        assert "gateway.yaml:" in errors
        os.kill(road.gateway.pid, signal.SIGHUP)
        await eventually(lambda: "reload by SIGHUP refused" in road.gateway.output(), "a refusal in the log")
        assert "wrong" in road.gateway.output().rsplit("reload by SIGHUP refused", 1)[1]

        file_of(road).write_text(begin)
        edit(road, without_one)
        code, report, errors = await reload(road)
        assert (code, report["outcome"]) == (0, "taken"), errors + road.logs()
        removed = road.devices.pop()
        await road.flows()
        code, report, errors = await reload(road, "--last-good")
        assert (code, [entry["fate"] for entry in report["devices"]]) == (0, ["changed", "added"]), errors
        road.devices.append(removed)
        await road.flows(8)
        told = await all_explained(road)
    assert set(road.devices) <= told.keys()
    for one in told.values():
        assert {cause["cause"] for cause in one["missing"]} <= {"busy"}, "a machine under load is no reload"
        assert (one["unexplained"], one["duplicates"]) == (0, 0), one


async def test_a_gateway_that_is_killed_in_the_middle_of_a_reload_runs_by_one_of_both_sets(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    async with AccountedRoad(tmp_path, {"port": mosquitto.port}, STORE, machines=MACHINES[:4]) as road:
        await road.flows()
        for change in (quicker, without_one):
            edit(road, change)
            asked = await asyncio.create_subprocess_exec(QILU, "reload", file_of(road), stderr=DEVNULL)
            await asyncio.sleep(1.0)
            road.gateway.kill()
            asked.kill()
            await asked.wait()
            await asyncio.to_thread(road.gateway.start)
            if change is without_one:
                road.devices.pop()
            await road.flows()
        told = await all_explained(road)
    assert {one["duplicates"] for one in told.values()} == {0}
