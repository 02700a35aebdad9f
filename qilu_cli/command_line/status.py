"""`qilu status`: what a running gateway or ingester does."""

from __future__ import annotations

from typing import Annotated

import typer

from qilu_cli.runner import run

app = typer.Typer()


@app.command()
def status(
    place: Annotated[
        str,
        typer.Argument(
            help="Settings (.yaml) of a running gateway with `console:` or of an ingester with `metrics:`,"
            " or the address of its page, such as http://127.0.0.1:8080/."
        ),
    ],
    watch: Annotated[bool, typer.Option("--watch", help="Again every two seconds, until Ctrl-C.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As one JSON object.")] = False,
    chinese: Annotated[bool, typer.Option("--zh", help="The sentence in Chinese.")] = False,
) -> None:
    """Print what a running gateway or ingester does, with one sentence about what is wrong.

    QILU_TOKEN in the environment is the token where one is demanded.

    Example: qilu status configs/gateway.yaml --watch
    """
    from qilu_cli.commands import status as command

    language = command.LANGUAGE_ZH if chinese else command.LANGUAGE_EN
    run(lambda: command.status(place, language, watch=watch, as_json=as_json), "warning", False)
