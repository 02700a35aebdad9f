"""docs/renames.csv names every topic, point, reason, column and file whose name changed."""

import csv

import pytest

from tests.project.outer_names import ROOT, OuterName, present

KINDS = ("topic", "wire", "metric", "event", "reason", "cause", "output", "file")


def rows(file: str) -> list[list[str]]:
    with (ROOT / file).open(encoding="utf-8", newline="") as lines:
        return list(csv.reader(lines))[1:]


BEFORE = {OuterName(*row) for row in rows("tests/cases/outer-names-before.csv")}
RENAMES = {OuterName(kind, old): new for kind, old, new in rows("docs/renames.csv") if kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_every_vanished_name_is_in_the_table(kind: str) -> None:
    vanished = {name for name in BEFORE - present() if name.kind == kind}
    assert sorted(vanished - RENAMES.keys()) == [], "add a line to docs/renames.csv"


@pytest.mark.parametrize("kind", KINDS)
def test_every_new_name_is_there(kind: str) -> None:
    new = {OuterName(kind, name) for old, name in RENAMES.items() if old.kind == kind and name}
    assert new, kind
    assert sorted(new - present()) == []


def test_no_renamed_name_is_there() -> None:
    assert sorted(RENAMES.keys() & present()) == []
