"""Every command and option of the command line, a line each: `spool show`, `spool show --format`.

`tests/cases/command-words-2721337.txt` has those of the commit before all names were changed. It was made so:

    git archive 2721337 qilu | tar -x -C DIRECTORY
    cp tests/project/command_words.py DIRECTORY
    cd DIRECTORY && python command_words.py qilu.command.main
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from typing import Any

import typer


def commands(app: typer.Typer) -> Iterator[tuple[str, Any]]:
    """Each command that does something, with its words and without `qilu`."""
    yield from _below(typer.main.get_command(app), "")


def words(app: typer.Typer) -> Iterator[str]:
    """Each command, and each of its long options behind it."""
    for name, command in commands(app):
        yield name
        for parameter in command.params:
            yield from (f"{name} {option}" for option in parameter.opts if option.startswith("--"))


def _below(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    if not hasattr(command, "commands"):
        yield path, command
        return
    for name, child in command.commands.items():
        yield from _below(child, f"{path} {name}".strip())


if __name__ == "__main__":
    sys.stdout.writelines(f"{line}\n" for line in words(importlib.import_module(sys.argv[1]).app))
