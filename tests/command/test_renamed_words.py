"""Commands and options of before have a line in the table of renames, and are refused with their new name."""

import csv
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from qilu_cli.main import app
from tests.project.command_words import commands, words

PROJECT = Path(__file__).parents[2]
BEFORE = (PROJECT / "tests" / "cases" / "command-words-2721337.txt").read_text().splitlines()


def renames(*kinds: str) -> dict[str, str]:
    with (PROJECT / "docs" / "renames.csv").open(encoding="utf-8", newline="") as table:
        return {row["old"]: row["new"] for row in csv.DictReader(table) if row["kind"] in kinds}


def present() -> set[str]:
    """Commands, options and groups."""
    groups = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    return {*words(app), *groups}


def test_every_command_and_option_of_before_exists_or_has_a_present_name() -> None:
    named = {*present(), *renames("command", "option")}
    assert [word for word in BEFORE if word not in named] == []


def test_the_table_names_only_words_of_before_and_present_ones() -> None:
    options, of_commands = renames("option"), renames("command")
    actions = {old for old in of_commands if old.startswith("fault ")}  # they were an argument of `fault`
    assert {*options, *of_commands} - {*BEFORE, *actions} == set()
    assert {*options.values(), *of_commands.values()} - present() == set()


def test_no_word_that_exists_with_its_old_meaning_is_refused() -> None:
    runnable = {*words(app), *dict(commands(app))}
    assert {*renames("command", "option")} & runnable == set()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("replay var/spool", "`qilu replay` is now called `qilu spool replay`"),
        ("spool var/spool", "`qilu spool` is now called `qilu spool show`"),
        ("fault plant.yaml inject pump-1 frozen", "`qilu fault` is now called `qilu plant`"),
        ("simulate p.yaml --export=out", "`qilu simulate --export` is now called `qilu plant export`"),
        ("probe h --units 1-9", "`qilu probe --units` is now called `qilu probe scan --units`"),
        (
            "profile export-learnt a b",
            "`qilu profile export-learnt` is now called `qilu profile apply-learned`",
        ),
        ("gatway g.yaml", "Did you mean 'gateway'?"),
        ("plant injekt p.yaml", "Did you mean 'inject'?"),
    ],
)
def test_a_word_of_before_is_refused_with_the_present_one(line: str, message: str) -> None:
    refused = CliRunner().invoke(app, line.split(), env={"COLUMNS": "200"})
    assert (refused.exit_code, message in refused.stderr) == (2, True), refused.stderr
