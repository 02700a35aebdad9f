"""How a command runs: until its end with log lines on stderr, and with an exit code that means something."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import typer

from qilu.contract.errors import ConfigError, QiluError, describe_os_error


def run(
    start: Callable[[], Coroutine[Any, Any, None]],
    log_level: str,
    log_json: bool,
    duration: float | None = None,
    *,
    log: Path | None = None,
    survives_hangup: bool = False,
) -> None:
    """Run until the end with log lines on stderr, or in the file `log`."""
    from qilu.runtime import process
    from qilu.runtime.logs import logging_to
    from qilu.runtime.private_files import check_folder, make_folder, open_file

    with ExitStack() as stack:
        stream = None
        if log is not None:
            try:
                make_folder(log.parent)
                check_folder(log.parent)
                stream = stack.enter_context(open(log, "a", encoding="utf-8", opener=open_file))
            except OSError as error:
                problem = f"cannot be written: {describe_os_error(error)}"
                remedy = getattr(error, "remedy", "name a folder that this user may write")
                raise typer.Exit(process.report(ConfigError(problem, file=log, remedy=remedy))) from None
        stack.enter_context(logging_to(stream, level=log_level, form="json" if log_json else "text"))
        code = process.run(start, duration, survives_hangup=survives_hangup)
    raise typer.Exit(code)


def run_sync(work: Callable[[], None]) -> None:
    """Do it; an error of ours becomes its message and exit code."""
    from qilu.runtime.process import report

    try:
        work()
    except QiluError as error:
        raise typer.Exit(report(error)) from None
