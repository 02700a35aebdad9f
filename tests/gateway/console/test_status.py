"""`qilu status` prints the numbers of a running gateway, and says why when it cannot."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from qilu.contract.errors import ConfigError, UnreachableError
from qilu_cli.commands.status import fetch, status
from tests.gateway.console.conftest import Client, free_port

GATEWAY = """
edge: edge-1
spool: {directory: spool}
delivery: {trusted_stores: [store]}
sources: [{type: modbus, url: "tcp://127.0.0.1:5020", devices: [{device: a, profile: centrifugal-pump}]}]
"""


async def test_a_running_gateway_prints_its_sentence_and_its_road(
    client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    url = client.console.server.url
    await client.eventually(
        "/api/v1/status", lambda status: status["sentence"]["code"] == "broker_disconnected"
    )
    await status(url, "en", watch=False, as_json=False)
    printed = capsys.readouterr().out
    assert printed.startswith("Broker disconnected for")
    assert "2 of 2 reply" in printed
    await status(url, "zh", watch=False, as_json=False)
    assert capsys.readouterr().out.startswith("消息服务器断开")
    await status(url, "en", watch=False, as_json=True)
    assert json.loads(capsys.readouterr().out)["name"] == "edge-1"


async def test_where_nothing_listens_the_address_is_named() -> None:
    url = f"http://127.0.0.1:{free_port()}/"
    with pytest.raises(UnreachableError, match="is the process running"):
        await asyncio.to_thread(fetch, url)


async def test_settings_without_a_console_are_refused_with_the_key(tmp_path: Path) -> None:
    file = tmp_path / "gateway.yaml"
    file.write_text(GATEWAY)
    with pytest.raises(ConfigError, match="console: is missing.*console: {}"):
        await status(str(file), "en", watch=False, as_json=False)
    file.write_text(GATEWAY + f"console: {{listen: '127.0.0.1:{free_port()}'}}\n")
    with pytest.raises(UnreachableError, match="nothing replies"):
        await status(str(file), "en", watch=False, as_json=False)
