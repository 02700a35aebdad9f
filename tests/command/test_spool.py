"""`qilu spool` as a person types it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from gateway.delivery.resend import take_resend_request
from qilu_cli.main import app
from tests.gateway.spool.opened import disk_spool, fill, numbers


def typed(*words: object) -> str:
    """What it prints; it must end well."""
    result = CliRunner().invoke(app, ["spool", *map(str, words)])
    assert result.exit_code == 0, result.output
    return result.output


def shown(place: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(typed("show", place, "--format", "json"))
    return found


async def test_held_records_are_counted_until_their_edge_is_adopted(tmp_path: Path) -> None:
    async with disk_spool(tmp_path, edge="old") as spool:
        fill(spool, range(30))
    async with disk_spool(tmp_path, edge="new") as spool:
        fill(spool, range(100, 102))
    before = shown(tmp_path)
    assert (before["records"], before["held"], before["adopted"]) == (32, 30, None)
    assert [(one["edge"], one["records"]) for one in before["streams"]] == [("old", 30), ("new", 2)]
    assert typed("adopt", tmp_path, "old").startswith(
        "30 records of edge old are sent when the gateway starts"
    )
    after = shown(tmp_path)
    assert (after["records"], after["held"], after["adopted"]) == (32, 0, "old")
    async with disk_spool(tmp_path, edge="new") as spool:
        assert numbers(spool) == [*range(30), 100, 101]


async def test_a_request_to_send_deferred_records_again_is_left_for_the_gateway(tmp_path: Path) -> None:
    async with disk_spool(tmp_path, edge="edge-1") as spool:
        fill(spool, range(3))
        assert "deferred records" in typed("resend", tmp_path)
        assert take_resend_request(tmp_path)
        assert not take_resend_request(tmp_path)
    missing = CliRunner().invoke(app, ["spool", "resend", str(tmp_path / "missing")])
    assert missing.exit_code == 2
    assert "takes no request" in missing.output


async def test_rejected_records_are_listed_by_device_and_reason_and_sent_again(tmp_path: Path) -> None:
    assert typed("quarantine", _made(tmp_path)) == "nothing is set aside\n"
    async with disk_spool(tmp_path) as spool:
        for number in range(9):
            spool.append(b'{"edge":"edge-1","device":"press-%d"}' % (number // 5))
        spool.quarantine(spool.stream, dict.fromkeys(range(8), "bad_value: nan"))
        spool.quarantine(spool.stream, {8: "bad_name: x"})
    listed = json.loads(typed("quarantine", tmp_path, "--format", "json"))["quarantined"]
    assert [(one["edge"], one["device"], one["reason"], one["records"]) for one in listed] == [
        ("edge-1", "press-0", "bad_value: nan", 5),
        ("edge-1", "press-1", "bad_value: nan", 3),
        ("edge-1", "press-1", "bad_name: x", 1),
    ]
    assert "press-1" in typed("quarantine", tmp_path)
    lines = [json.loads(line) for line in typed("quarantine", tmp_path, "--bodies").splitlines()]
    assert [line["offset"] for line in lines] == list(range(9))
    assert (shown(tmp_path)["records"], shown(tmp_path)["quarantined"]) == (0, 9)
    assert typed("requeue", tmp_path) == "9 records are sent again when the gateway starts\n"
    assert (shown(tmp_path)["records"], shown(tmp_path)["quarantined"]) == (9, 0)


def _made(directory: Path) -> Path:
    (directory / "owner").write_text("1")
    return directory


async def test_times_are_shown_in_the_zone_that_is_asked_for(tmp_path: Path) -> None:
    async with disk_spool(tmp_path) as spool:
        fill(spool, range(3))
        spool.quarantine(spool.stream, {1: "bad_value: nan"})
    zoned = "--tz", "Asia/Shanghai", "--format", "json"
    [stream] = json.loads(typed("show", tmp_path, *zoned))["streams"]
    assert stream["newest"].endswith("+08:00")
    [group] = json.loads(typed("quarantine", tmp_path, *zoned))["quarantined"]
    assert (group["from"][-6:], group["to"][-6:]) == ("+08:00", "+08:00")
    assert "+08:00" in typed("quarantine", tmp_path, "--bodies", "--tz", "Asia/Shanghai")
    assert (
        "there is no time zone"
        in CliRunner().invoke(app, ["spool", "show", str(tmp_path), "--tz", "x"]).output
    )
