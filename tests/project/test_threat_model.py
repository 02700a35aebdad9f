"""Every row of the threat model names tests, and these are there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
PAGE = (PROJECT / "docs" / "threat-model.md").read_text()
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)))


def rows(heading: str) -> list[list[str]]:
    """The cells of the rows of the table below a heading."""
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| ")]
    return lines[1:]


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_a_test_that_is_named_is_there(file: str, name: str) -> None:
    module = ast.parse((PROJECT / file).read_text())
    kinds = ast.FunctionDef | ast.AsyncFunctionDef
    assert name in {node.name for node in module.body if isinstance(node, kinds)}


def test_every_threat_has_an_actor_a_control_a_test_and_what_stays() -> None:
    found = rows("Threats")
    assert len(found) > 20
    for row in found:
        threat, *_, tests, residual = row
        assert len(row) == 5, threat
        assert "::" in tests, threat
        assert residual, threat
    reported = {number for row in found for number in re.findall(r"F(\d+)", row[0])}
    assert reported == {str(number) for number in range(1, 17)}


def test_every_requirement_is_present_with_evidence_or_the_gap_is_named() -> None:
    for requirement, state, evidence in rows("IEC 62443-4-2, SL-C 2"):
        assert re.match(r"present|partly|missing|pages present", state), requirement
        assert "::" in evidence or state != "present" or "this page's tests" in evidence, requirement


def test_no_module_of_the_gateway_can_write_to_a_machine() -> None:
    """qilu.modbus_client.client can; nothing in the gateway and no command imports it."""
    for folder in ("gateway", "qilu_cli"):
        for file in (PROJECT / folder).rglob("*.py"):
            text = file.read_text()
            assert "modbus_client.client" not in text, file
            assert "write_functions" not in text, file
