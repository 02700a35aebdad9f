"""The description of the API is held against the live server, with requests made at random from a seed."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.diagnosis.causes import CauseCode
from qilu.web.exchange import Route
from tests.gateway.console.conftest import Client

FILE = Path(__file__).parents[3] / "gateway" / "console" / "openapi.yaml"


def described() -> Any:
    return yaml.safe_load(FILE.read_text(encoding="utf-8"))


async def test_the_description_has_every_route_and_no_other(client: Client) -> None:
    routes: list[Route] = client.console.routes
    assert {(route.method.lower(), route.path) for route in routes} == {
        (method, path)
        for path, entry in described()["paths"].items()
        for method in entry
        if method != "parameters"
    }


def test_the_description_has_every_code_of_a_cause() -> None:
    codes = described()["components"]["schemas"]["Cause"]["properties"]["code"]["enum"]
    assert codes == [code.value for code in CauseCode]


@pytest.mark.slow
async def test_the_live_server_keeps_to_its_description(client: Client, tmp_path: Path) -> None:
    """A failure prints the request; the seed makes the same requests again."""
    program = Path(sys.executable).with_name("schemathesis")
    arguments = (
        *("run", str(FILE), "--url", client.console.server.url.rstrip("/"), "--no-color"),
        *("--seed", "7", "--max-examples", "6", "--workers", "1", "--request-timeout", "10"),
        *("--phases", "examples,coverage,fuzzing"),
        # /readyz replies 503 while nothing is delivered, which counts as an error of a server.
        *("--exclude-operation-id", "readyz"),
        # A range that ends before it begins fits the description, and is refused all the same.
        *("--exclude-checks", "positive_data_acceptance"),
    )
    process = await asyncio.create_subprocess_exec(
        program, *arguments, cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        async with asyncio.timeout(120):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    text = output.decode(errors="replace")
    assert process.returncode == 0, text[-6000:]
    assert re.search(r"[1-9]\d* (passed|generated)", text), text[-2000:]
