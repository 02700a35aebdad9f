"""Every command has a help text that ends with one example, and the example is a command that exists."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

from qilu_cli.main import app
from tests.project.command_words import commands

PROJECT = Path(__file__).parents[2]
COMMANDS = dict(commands(app))


def parse(line: str) -> str:
    """The words of the command whose options and arguments the line fits."""
    program, *args = shlex.split(line)
    assert program == "qilu"
    command: Any = typer.main.get_command(app)
    context, names = command.make_context(program, list(args)), []
    while hasattr(command, "commands"):
        name, command, args = command.resolve_command(context, args)
        names.append(name)
        context = command.make_context(name, list(args), parent=context)
    return " ".join(names)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_ends_with_one_example_that_parses(name: str) -> None:
    description, *paragraphs = COMMANDS[name].help.strip().split("\n\n")
    assert description.endswith(".")
    assert not any("Example" in paragraph for paragraph in (description, *paragraphs[:-1]))
    example = re.fullmatch(r"Example: (qilu .*)", paragraphs[-1])
    assert example is not None, paragraphs
    assert parse(example[1]) == name
    files = re.findall(r"\bconfigs/\S+", example[1])
    assert [file for file in files if not (PROJECT / file).is_file()] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_and_argument_has_a_help_text(name: str) -> None:
    without = [parameter.name for parameter in COMMANDS[name].params if not getattr(parameter, "help", "")]
    assert without == []


def test_an_example_that_does_not_parse_is_noticed() -> None:
    with pytest.raises(Exception, match="No such option: --sped"):
        parse("qilu plant export configs/plant.yaml out --sped 3")
