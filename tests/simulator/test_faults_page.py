"""The page on faults of the wire agrees with the code: every fault, every parameter, default and row."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from qilu.contract.units import parse_duration
from simulator.network_faults.catalogue import FAMILIES, FAULTS, network_fault
from simulator.network_faults.fault import NetworkFault
from simulator.plant.settings import PlantSettings

PAGE = (Path(__file__).parents[2] / "docs" / "faults.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^### (\w+)\n(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL))
ROW = re.compile(r"^\| `(\w+)` \| (.+?) \| (.+) \|$", re.MULTILINE)


def shown(kind: type[NetworkFault], name: str, text: str) -> bool:
    """Whether the page tells the default of this setting."""
    field = kind.model_fields[name]
    if field.is_required():
        return text == "required"
    if field.default is None:
        return text == "none"
    output: Any = yaml.safe_load(text.strip("`"))
    right = field.default
    return bool(output == right or (isinstance(right, float) and parse_duration(output) == right))


def test_every_fault_has_its_section_in_the_order_of_its_family() -> None:
    names = [str(kind.model_fields["fault"].default) for kinds in FAMILIES.values() for kind in kinds]
    assert list(SECTIONS) == names


@pytest.mark.parametrize("name", FAULTS)
def test_a_section_names_every_parameter_and_its_default(name: str) -> None:
    kind = FAULTS[name]
    rows = ROW.findall(SECTIONS[name])
    assert [row[0] for row in rows] == [
        field for field in kind.model_fields if field not in NetworkFault.model_fields
    ]
    for parameter, default, meaning in rows:
        assert shown(kind, parameter, default), f"{parameter}: {default}"
        assert meaning.strip()


@pytest.mark.parametrize("name", FAULTS)
def test_an_example_is_a_fault_of_its_section(name: str) -> None:
    [example] = re.findall(r"```yaml\n(.*?)```", SECTIONS[name], re.DOTALL)
    [raw] = yaml.safe_load(example)
    assert network_fault(raw).fault == name


def test_the_settings_of_every_fault_are_reported() -> None:
    table = PAGE.split("Every fault takes these settings:")[1].split("Which requests")[0]
    rows = ROW.findall(table)
    assert [row[0] for row in rows] == [field for field in NetworkFault.model_fields if field != "fault"]
    assert all(shown(NetworkFault, name, default) for name, default, _ in rows)


def test_the_plant_of_the_first_example_can_be_had() -> None:
    example = PAGE.split("```yaml\n")[1].split("```")[0]
    settings = PlantSettings.model_validate(yaml.safe_load(example))
    assert len(settings.network_faults) == 3
