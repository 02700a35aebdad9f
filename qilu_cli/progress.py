"""How far a long command is, on stderr: a bar where somebody watches, else a line at each tenth."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from qilu_cli.terminal import console


@contextmanager
def progress(words: str, total: int) -> Iterator[Callable[[int], None]]:
    """Inside, the yielded function is told how many of `total` are done."""
    if not sys.stderr.isatty():
        tenth = 0

        def line(done: int) -> None:
            nonlocal tenth
            if 10 * done // max(total, 1) > tenth:
                tenth = 10 * done // max(total, 1)
                print(f"{words}: {10 * tenth} %", file=sys.stderr, flush=True)

        yield line
        return
    columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:3.0f} %")
    with Progress(*columns, TimeRemainingColumn(), console=console(stderr=True)) as bar:
        task = bar.add_task(words, total=total)
        yield lambda done: bar.update(task, completed=done)
