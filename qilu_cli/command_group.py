"""A group of commands; a word of before the first release is refused with its present name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from typer.core import TyperGroup


class CommandGroup(TyperGroup):
    """Unknown commands and options are looked up in the table of renames; typer suggests similar words."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        group = " ".join(ctx.command_path.split()[1:])
        command = self.commands.get(args[0])
        if command is None:
            _refuse_renamed(ctx, [*_options(group, args), f"{group} {args[0]}".strip(), group])
        elif not isinstance(command, TyperGroup):
            known = {option for parameter in command.params for option in parameter.opts}
            unknown = [word for word in args[1:] if word.partition("=")[0] not in known]
            _refuse_renamed(ctx, _options(f"{group} {args[0]}".strip(), unknown))
        return super().resolve_command(ctx, args)


def _options(command: str, args: Sequence[str]) -> list[str]:
    return [f"{command} {word.partition('=')[0]}" for word in args if word.startswith("--")]


def _refuse_renamed(ctx: Any, words: Sequence[str]) -> None:
    """Refuse the first of the words that the table of renames has."""
    if not words:
        return
    from qilu.config.renames import renamed_words

    for old in words:
        if new := renamed_words(old):
            ctx.fail(f"`qilu {old}` is now called `qilu {new}`")
