"""docs/one-reading.md names what a reading really passes: compared with the calls of a running plant."""

from __future__ import annotations

import ast
import asyncio
import re
import socket
import sys
import threading
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from types import FrameType

import pytest

from qilu_cli.commands.demo import DemoOptions, demo

ROOT = Path(__file__).parents[2]
PACKAGES = ("qilu/", "simulator/", "gateway/", "cloud/")
STEP = re.compile(r"^- `([\w/]+\.py):([\w.]+)`", re.MULTILINE)
MODULE = re.compile(r"`([\w/]+(?:\.py|/))`")
DUE = "gateway/sources/modbus/poll_schedule.py:_Grid.pop_due"
"""Called once at the begin of each turn, right after the first step of the walk."""

PLANT = "machines: [{device: compressor-1, machine: screw-air-compressor, port: PORT}]"
PROFILE = """
profile: screw-air-compressor
title: Screw air compressor
source: the part of the shipped profile that shows every step of decoding
word_order: little
groups: {only: 1500ms}
points:
  - {name: serve_counter, table: input, address: 0, type: uint32, kind: counter}
  - {name: discharge_pressure, table: input, address: 4, type: uint16, scale: 0.01, limits: {min: 0, max: 16}}
  - {name: discharge_temperature, table: input, address: 6, type: int16, scale: 0.1, sentinels: [0x8000]}
"""

Trace = Sequence[str]


@cache
def sections() -> dict[str, str]:
    """Heading -> text of the page."""
    page = (ROOT / "docs" / "one-reading.md").read_text(encoding="utf-8")
    return dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL))


def steps(text: str) -> list[str]:
    return [f"{path}:{name}" for path, name in STEP.findall(text)]


def walk() -> list[str]:
    """Every step in order, but for those that happen beside the others."""
    return [step for name, text in sections().items() if not _beside(name) for step in steps(text)]


def strands() -> list[list[str]]:
    """What must each be in order in itself: the walk, and what happens beside it."""
    return [walk(), *(steps(text) for name, text in sections().items() if _beside(name))]


def _beside(heading: str) -> bool:
    return heading.startswith("Meanwhile")


def modules_beside() -> tuple[str, ...]:
    """Modules and folders."""
    return tuple(MODULE.findall(sections()["Modules beside the path"]))


@pytest.fixture(scope="module")
def turns(tmp_path_factory: pytest.TempPathFactory, free_port: int) -> list[Trace]:
    """The calls of our own functions, a list for each turn of a plant of one device with one poll group."""
    folder = tmp_path_factory.mktemp("one-reading")
    (folder / "plant.yaml").write_text(PLANT.replace("PORT", str(free_port)), encoding="utf-8")
    (folder / "screw-air-compressor.yaml").write_text(PROFILE, encoding="utf-8")
    called = _calls_of(folder)
    begins = [index - 1 for index, name in enumerate(called) if name == DUE]
    return [called[begin:end] for begin, end in pairwise(begins)]


@pytest.fixture(scope="module")
def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _calls_of(folder: Path) -> list[str]:
    called: list[str] = []
    names: dict[object, str | None] = {}

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            code = frame.f_code
            if code not in names:
                names[code] = _name(code.co_filename, code.co_qualname)
            if (name := names[code]) is not None:
                called.append(name)

    before = sys.getprofile()
    threading.setprofile(note)
    sys.setprofile(note)
    try:
        asyncio.run(demo(DemoOptions(folder / "plant.yaml", folder / "data", 7.0, True, None)))
    finally:
        sys.setprofile(before)
        threading.setprofile(None)
    return called


def _name(file: str, qualname: str) -> str | None:
    path = Path(file)
    if not path.is_relative_to(ROOT):
        return None
    place = path.relative_to(ROOT).as_posix()
    return f"{place}:{qualname.replace('.<locals>', '')}" if place.startswith(PACKAGES) else None


def _reach(wanted: Sequence[str], trace: Trace) -> int:
    """How many steps follow in `trace` one on the other."""
    rest: Iterator[str] = iter(trace)
    return next((count for count, step in enumerate(wanted) if step not in rest), len(wanted))


def _whole(turns: Sequence[Trace]) -> list[Trace]:
    """The turns in which everything happened before the next one began."""
    return [trace for trace in turns if all(_reach(strand, trace) == len(strand) for strand in strands())]


def _defined(file: str) -> set[str]:
    found: set[str] = set()

    def look(node: ast.AST, inside: str) -> None:
        for child in ast.iter_child_nodes(node):
            name = inside
            if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                name = f"{inside}.{child.name}" if inside else child.name
                if not isinstance(child, ast.ClassDef):
                    found.add(name)
            look(child, name)

    look(ast.parse((ROOT / file).read_text(encoding="utf-8")), "")
    return found


def test_the_walk_is_read_from_the_page() -> None:
    assert len(walk()) > 40
    assert len(strands()) > 1
    assert modules_beside()


def test_every_function_that_the_walk_names_exists() -> None:
    named = [step.split(":") for strand in strands() for step in strand]
    unknown = [f"{file}:{name}" for file, name in named if name not in _defined(file)]
    assert not unknown


def test_every_side_room_exists() -> None:
    assert [module for module in modules_beside() if not (ROOT / module).exists()] == []


def test_a_reading_passes_the_functions_in_the_order_of_the_walk(turns: list[Trace]) -> None:
    for strand in strands():
        reach = max(_reach(strand, trace) for trace in turns)
        assert reach == len(strand), f"after {strand[:reach][-1:]} a reading does not come to {strand[reach]}"


def test_no_module_that_a_reading_passes_is_missing_from_the_walk(turns: list[Trace]) -> None:
    whole = _whole(turns)
    assert whole, "in no turn did everything happen before the next one began"
    passed = set.intersection(*({call.split(":")[0] for call in trace} for trace in whole))
    named = {step.split(":")[0] for strand in strands() for step in strand}
    unnamed = [module for module in sorted(passed - named) if not module.startswith(modules_beside())]
    assert not unnamed, (
        f"name a function of each in docs/one-reading.md, or list it as a module beside the path: {unnamed}"
    )
