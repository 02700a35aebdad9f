"""The JSON schemas take every file that is shipped, and refuse what the programs refuse."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from typer.testing import CliRunner

from qilu.config.yaml_loader import parse
from qilu.contract.profile import DeviceProfile, Point
from qilu_cli.commands.schema import Kind, field_texts, schema
from qilu_cli.main import app

CONFIGS = Path(__file__).parents[2] / "configs"
KINDS: tuple[Kind, ...] = get_args(Kind)
FILES: list[tuple[Path, Kind]] = [(file, "profile") for file in sorted((CONFIGS / "profiles").glob("*.yaml"))]
FILES += [(CONFIGS / f"{kind}.yaml", kind) for kind in KINDS if kind not in ("profile", "plant")]
FILES += [
    (file, "plant")
    for file in sorted(CONFIGS.glob("*.yaml"))
    if "machines:" in file.read_text(encoding="utf-8")
]
TYPES: dict[str, type | tuple[type, ...]] = {
    "object": dict, "array": list, "string": str, "integer": int, "number": (int, float), "boolean": bool,
    "null": type(None),
}  # fmt: skip


def problems(value: Any, rule: dict[str, Any], root: dict[str, Any], at: str = "") -> Iterator[str]:
    """What is wrong with a value: as much of JSON Schema as our schemas use."""
    if "$ref" in rule:
        yield from problems(value, root["$defs"][rule["$ref"].removeprefix("#/$defs/")], root, at)
    for choice in (rule[words] for words in ("anyOf", "oneOf") if words in rule):
        if all(any(problems(value, one, root, at)) for one in choice):
            yield f"{at}: {value!r} is nothing of what it may be"
    if not all(_is_right(value, rule)):
        yield f"{at}: {value!r} is not right"
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from problems(item, rule.get("items", {}), root, f"{at}.{index}")
    if isinstance(value, dict):
        yield from _in_mapping(value, rule, root, at)


def _is_right(value: Any, rule: dict[str, Any]) -> Iterator[bool]:
    yield "type" not in rule or any(_is(value, kind) for kind in _listed(rule["type"]))
    yield "enum" not in rule or value in rule["enum"]
    yield "const" not in rule or value == rule["const"]
    yield not isinstance(value, str) or re.search(rule.get("pattern", ""), value) is not None
    yield not isinstance(value, list) or len(value) >= rule.get("minItems", 0)
    yield not _is(value, "number") or rule.get("minimum", value) <= value <= rule.get("maximum", value)


def _in_mapping(value: dict[Any, Any], rule: dict[str, Any], root: dict[str, Any], at: str) -> Iterator[str]:
    yield from (f"{at}.{key}: missing" for key in rule.get("required", ()) if key not in value)
    for key, item in value.items():
        patterns = [
            one for pattern, one in rule.get("patternProperties", {}).items() if re.search(pattern, str(key))
        ]
        rest = rule.get("additionalProperties", True)
        for one in [rule.get("properties", {}).get(key), *patterns]:
            if one is not None:
                rest = True
                yield from problems(item, one, root, f"{at}.{key}")
        if rest is False:
            yield f"{at}.{key}: unknown"
        elif isinstance(rest, dict):
            yield from problems(item, rest, root, f"{at}.{key}")


def _is(value: Any, kind: str) -> bool:
    return isinstance(value, TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool))


def _listed(kinds: str | list[str]) -> list[str]:
    return [kinds] if isinstance(kinds, str) else kinds


@pytest.mark.parametrize(("file", "kind"), FILES, ids=[file.stem for file, _ in FILES])
def test_a_shipped_file_fits_its_schema(file: Path, kind: Kind) -> None:
    found = schema(kind)
    raw, _ = parse(file.read_text(), str(file))
    assert list(problems(raw, found, found)) == []


POINT: dict[str, Any] = {"name": "p", "table": "input", "address": 1, "type": "uint16"}


@pytest.mark.parametrize(
    "point",
    [
        {**POINT, "label": {"en": "P", "zh": "压力"}, "group": "fast", "scale": {"parameter": "ct"}},
        {**POINT, "label": "P", "scale": {"point": "sf"}, "sentinels": [0x8000], "suffixes": ["a", 2]},
        {**POINT, "flags": {0: "hot", 1: {"name": "cold", "label": "Cold"}}, "count": 3, "stride": 9},
        {**POINT, "enum": {0: "off", 1: {"zh": "开"}}, "limits": {"min": 0}},
        {"name": "p", "address": "400001", "type": "int8", "byte": "low"},
    ],
)
def test_all_that_a_point_may_say_fits(point: dict[str, Any]) -> None:
    found = schema("profile")
    profile = {"profile": "x", "points": [point], "groups": {"fast": "1s", "slow": 60}}
    assert list(problems(profile, found, found)) == []
    repeated = {"profile": "x", "structures": [{"count": 2, "stride": 10, "points": [point]}]}
    assert list(problems(repeated, found, found)) == []


@pytest.mark.parametrize(
    "change",
    [
        {"adress": 1}, {"type": "no_such_type"}, {"bit": 16}, {"scale": {"factor": "x"}}, {"label": 5},
        {"flags": {0: 5}}, {"word_order": "middle"}, {"count": 0}, {"name": "Big"}, {"limits": {"low": 1}},
    ],
)  # fmt: skip
def test_what_the_programs_refuse_does_not_fit(change: dict[str, Any]) -> None:
    found = schema("profile")
    assert list(problems({"profile": "x", "points": [{**POINT, **change}]}, found, found))


def test_every_key_of_a_profile_is_explained() -> None:
    for model in (DeviceProfile, Point):
        unexplained = set(model.model_fields) - set(field_texts(model))
        assert not unexplained - {"byte_order"}, f"{model.__name__}: {unexplained}"


@pytest.mark.parametrize("kind", ["gateway", "ingester", "plant"])
def test_every_key_of_a_settings_file_is_explained(kind: Kind) -> None:
    root = schema(kind)
    unexplained = {
        f"{model}.{key}"
        for model, rule in {kind: root, **root["$defs"]}.items()
        for key, output in rule.get("properties", {}).items()
        if "description" not in output and "const" not in output
    }
    assert not unexplained


@pytest.mark.parametrize("kind", KINDS)
def test_the_command_prints_it(kind: Kind) -> None:
    done = CliRunner().invoke(app, ["schema", kind])
    assert json.loads(done.stdout) == json.loads(json.dumps(schema(kind)))


def test_the_command_wants_a_file_or_a_schema() -> None:
    assert CliRunner().invoke(app, ["check"]).exit_code == 2
