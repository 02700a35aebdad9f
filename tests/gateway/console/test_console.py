"""The console shows what the gateway does, over HTTP and over its live topics."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from typing import Any

from gateway.console.topics import COLUMNS
from gateway.interfaces import Event
from qilu.contract.reading import Reason
from tests.gateway.console.conftest import ODD, Client


async def test_without_a_broker_the_overview_begins_with_that_sentence(client: Client) -> None:
    status = await client.eventually(
        "/api/v1/status", lambda status: status["sentence"]["code"] == "broker_disconnected"
    )
    assert status["road"]["machines"] == {"answering": 2, "expected": 2, "level": "normal"}
    assert status["road"]["broker"]["connected"] is False
    overview = await client.snapshot("overview")
    assert overview["sentence"]["code"] == "broker_disconnected"
    assert overview["sentence"]["zh"].startswith("消息服务器断开")
    assert overview["devices"]["pump-1"]["label"] == {"zh": "循环泵", "en": "Pump"}
    assert overview["devices"]["pump-1"]["place"] == "U-05"
    assert (await client.get("/readyz", 503))["checks"] == {"collecting": True, "delivering": False}
    assert (await client.get("/healthz"))["status"] == "ok"


async def test_a_device_shows_its_values_its_plan_and_its_registers(client: Client) -> None:
    device = await client.snapshot("device/pump-1")
    described = await client.get("/api/v1/devices/pump-1")
    names = {point["point"] for point in described["points"]}
    assert device["points"].keys() <= names
    assert all(point["quality"] == "good" for point in device["points"].values())
    assert device["plan"]["blocks"]
    assert device["state"] in ("running", "idle", "off", "setup", "fault", "maintenance")
    registers = await client.get("/api/v1/devices/pump-1/registers")
    assert [block["address"] for block in registers["blocks"]] == [
        block["address"] for block in device["plan"]["blocks"]
    ]
    assert all(block["words"] for block in registers["blocks"] if block["time_ms"])


async def test_a_chart_has_at_most_the_pixels_and_the_values_that_were_polled(client: Client) -> None:
    path = "/api/v1/devices/pump-1/points/serve_counter/series"
    chart = await client.eventually(f"{path}?pixels=20", lambda chart: sum(chart["n"]) >= 3)
    assert chart["source"] == "recent"
    assert len(chart["t"]) == len(chart["last"]) <= 20
    assert chart["last"] == sorted(chart["last"])
    assert chart["bad"] == [] == chart["gaps"]


async def test_a_table_of_devices_is_in_columns(client: Client) -> None:
    table = await client.get("/api/v1/devices")
    assert tuple(table["columns"]) == COLUMNS
    assert [row[0] for row in table["rows"]] == ["pump-1", ODD]
    sparklines = await client.get("/api/v1/sparklines?devices=pump-1,nobody")
    assert sparklines.keys() == {"pump-1"}


async def test_changes_of_a_topic_turn_its_snapshot_into_the_present_state(client: Client) -> None:
    """A page that applies the cells has what a new page gets as its snapshot."""
    async with client.session.ws_connect(client.console.server.url + "api/v1/live") as live:
        await live.send_json({"subscribe": ["devices"]})
        rows: list[list[Any]] = []
        seen = 0
        while seen < 4:
            message = await live.receive_json(timeout=60)
            if message.get("topic") != "devices":
                continue
            rows = message["snapshot"]["rows"] if "snapshot" in message else rows
            for row, column, value in message.get("changes", {}).get("cells", ()):
                rows[row][column] = value
                seen += 1
    times = COLUMNS.index("time_ms")
    fresh = await client.get("/api/v1/devices")
    assert all(row[times] <= now[times] for row, now in zip(rows, fresh["rows"], strict=True))
    assert [row[0] for row in rows] == [row[0] for row in fresh["rows"]]


async def test_a_device_that_goes_offline_is_an_event_and_a_cause(client: Client) -> None:
    book = client.console.gateway.devices
    now_ms = client.console.gateway.clock.now_ms()
    book.record_event(Event(now_ms, "pump-1", "offline", "does not answer", Reason.TIMEOUT))
    (newest, *_) = (await client.get("/api/v1/events"))["events"]
    assert newest["text"]["zh"] == "循环泵（pump-1）无应答（超时）"
    status = await client.get("/api/v1/status")
    causes = [status["sentence"], *status["sentence"]["more"]]
    assert [cause["subject"] for cause in causes if cause["code"] == "device_offline"] == ["pump-1"]
    assert (await client.snapshot("overview"))["devices"]["pump-1"]["state"] == "offline"


async def test_the_metrics_are_read_by_a_scraper(client: Client) -> None:
    await client.eventually("/api/v1/status", lambda status: status["counters"]["polls"] > 4)
    text = await client.text("/metrics")
    sample = re.compile(r'[a-z_]+(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})? -?[0-9.e+]+(NaN|Inf)?')
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert all(sample.fullmatch(line) for line in lines), [
        line for line in lines if not sample.fullmatch(line)
    ]
    assert 'qilu_device_up{device="pump-1"} 1' in lines
    assert 'qilu_gateway_info{edge="edge-1",version="1.2.3"} 1' in lines
    names = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")]
    assert len(names) == len(set(names))


async def test_a_name_of_a_device_is_text_everywhere(client: Client) -> None:
    described = await client.get("/api/v1/devices/%3Cimg-onerror=alert(1)%3E")
    assert described["device"] == ODD
    assert (await client.snapshot(f"device/{ODD}"))["device"] == ODD
    missing = await client.get("/api/v1/devices/nobody", 404)
    assert missing["error"]["code"] == "no_device"


async def test_what_the_api_is_asked_wrongly_is_refused_with_a_remedy(client: Client) -> None:
    path = "/api/v1/devices/pump-1/points/serve_counter/series"
    for query in ("from_ms=x", "pixels=0", "pixels=99999", "from_ms=9&to_ms=3", "to_ms=-1"):
        error = (await client.get(f"{path}?{query}", 400))["error"]
        assert error["remedy"]
    assert (await client.get("/api/v1/devices/pump-1/points/nothing/series", 404))["error"]["remedy"]


async def test_the_status_of_the_edge_carries_the_cause(client: Client) -> None:
    await client.eventually(
        "/api/v1/status", lambda status: status["sentence"]["code"] == "broker_disconnected"
    )
    values = client.console.gateway.health.read()
    assert (values["cause_code"], values["causes"]) == (6, 1)


def test_a_gateway_without_a_console_imports_nothing_of_it() -> None:
    program = (
        "import sys, qilu_cli.commands.gateway, gateway.app, gateway.load\n"
        "from gateway.load import load\n"
        "from pathlib import Path\n"
        "settings, profiles = load(Path('configs/gateway.yaml'))\n"
        "gateway.app.build(settings, profiles)\n"
        "bad = [m for m in sys.modules if m.startswith(('gateway.console', 'aiohttp'))"
        " or m.startswith('qilu.web.') and m != 'qilu.web.settings']\n"
        "print(bad)"
    )
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert finished.stdout.strip() == "[]"


async def test_samples_are_a_file_that_excel_opens(client: Client) -> None:
    path = "/api/v1/devices/pump-1/csv?points=serve_counter,state&excel=1&lang=zh"
    async with asyncio.timeout(60):
        while True:  # the poll group of these points may come after the first one
            async with client.session.get(client.console.server.url.rstrip("/") + path) as response:
                assert response.status == 200
                content = await response.read()
            assert content.startswith(b"\xef\xbb\xbf")
            heading, *lines = content.decode("utf-8-sig").splitlines()
            assert heading.split(",")[:2] == ["时间", "应答计数"]
            if "好" in {line.split(",")[2] for line in lines}:
                break
            await asyncio.sleep(0.1)
    for query, status in (("", 400), ("points=nothing", 404), ("points=state&excel=1&from_ms=0", 400)):
        error = (await client.get(f"/api/v1/devices/pump-1/csv?{query}", status))["error"]
        assert error["remedy"]
