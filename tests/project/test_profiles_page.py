"""docs/profiles.md explains and shows every key of a device profile, and all that it shows can be read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from qilu.config.settings_file import load_text
from qilu.config.yaml_loader import parse
from qilu.contract.profile import (
    AddressRange,
    DataType,
    DeviceLimits,
    DeviceProfile,
    Flag,
    Label,
    Limits,
    NormalBand,
    ParameterRef,
    Point,
    PointRef,
    Structure,
)
from qilu.contract.profile.point_rules import RESERVED_ENDINGS, RESERVED_NAMES

PAGE = (Path(__file__).parents[2] / "docs" / "profiles.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
MODELS: list[type[BaseModel]] = [
    AddressRange, DeviceLimits, DeviceProfile, Flag, Label, Limits, NormalBand,
    ParameterRef, Point, PointRef, Structure,
]  # fmt: skip


def whole(example: str) -> str:
    return example if example.startswith("profile:") else f"profile: example\n{example}"


def keys_in(raw: Any) -> Iterator[str]:
    if isinstance(raw, Mapping):
        yield from map(str, raw)
        for value in raw.values():
            yield from keys_in(value)
    elif isinstance(raw, list):
        for item in raw:
            yield from keys_in(item)


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_is_a_profile(example: str) -> None:
    assert load_text(whole(example), DeviceProfile).points


@pytest.mark.parametrize("model", MODELS)
def test_every_key_stands_in_an_example(model: type[BaseModel]) -> None:
    shown = {key for example in EXAMPLES for key in keys_in(parse(whole(example), "page")[0])}
    assert set(model.model_fields) <= shown


@pytest.mark.parametrize("model", [DeviceLimits, DeviceProfile, Point, Structure])
def test_every_key_is_explained(model: type[BaseModel]) -> None:
    explained = {word for words in re.findall(r"`([^`]+)`", PAGE) for word in re.findall(r"\w+", words)}
    assert set(model.model_fields) <= explained


def test_every_choice_and_every_name_that_is_taken_is_listed() -> None:
    taken = {*DataType, *RESERVED_NAMES, *RESERVED_ENDINGS}
    for key in ("encoding", "char_bytes", "padding", "kind", "access", "word_order", "byte_order", "byte"):
        choices = DeviceProfile.model_json_schema()["$defs"]["Point"]["properties"][key]
        taken |= set(choices.get("enum") or choices["anyOf"][0]["enum"])
    missing = {word for word in taken if not re.search(rf"`([^`]* )?{re.escape(word)}`", PAGE)}
    assert not missing, f"docs/profiles.md has to explain {sorted(missing)}"
