"""How a process runs: until it is done or stopped, with an exit code that has a meaning."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from qilu.contract.errors import ConfigError, QiluError, UnreachableError, describe_os_error
from qilu.contract.text_escaping import plain_lines
from qilu.runtime.extras import missing_extra
from qilu.runtime.redaction import redacted
from qilu.runtime.tasks import flatten

EXIT_OK, EXIT_FAILURE, EXIT_USAGE = 0, 1, 2
"""Exit codes: done or stopped as asked; failed; the user's files or arguments are wrong."""

_log = logging.getLogger(__name__)


def run(
    main: Callable[[], Coroutine[Any, Any, None]],
    duration: float | None = None,
    *,
    survives_hangup: bool = False,
) -> int:
    """Run `main` until it returns, or SIGINT, SIGTERM or `duration` (s) cancels it; return the exit code.

    SIGHUP (a terminal was closed) does the same, or nothing where the process `survives_hangup`.

    A ConfigError becomes its message on stderr and code 2, another QiluError its message and code 1, and
    anything else, being a bug, its traceback in the log and code 1. A second signal ends the process at once.
    """
    try:
        asyncio.run(_until_stopped(main, duration, survives_hangup))
    except QiluError as error:
        return report(error)
    except BrokenPipeError:
        return _broken_pipe()
    except BaseExceptionGroup as group:
        if group.split(BrokenPipeError)[1] is None:
            return _broken_pipe()
        return _report_group(group)
    except Exception as error:  # noqa: BLE001  # the end of the process: nothing runs on after it
        if (refusal := refused_by_system(error)) is not None:
            return report(refusal)
        _log.exception("ended by a bug")
        return EXIT_FAILURE
    return EXIT_OK


def report(error: QiluError) -> int:
    """Print what is wrong on stderr, without a traceback; return the exit code."""
    print(f"qilu: {redacted(plain_lines(str(error)))}", file=sys.stderr, flush=True)  # noqa: T201  # this is where it belongs
    return EXIT_USAGE if isinstance(error, ConfigError) else EXIT_FAILURE


def _broken_pipe() -> int:
    """Whoever read our output has seen enough (`qilu query ... | head`): that is no failure."""
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())  # or flushing at exit would fail once more
    return EXIT_OK


async def _until_stopped(
    main: Callable[[], Coroutine[Any, Any, None]], duration: float | None, survives_hangup: bool
) -> None:
    task = asyncio.create_task(main(), name="main")
    if duration is not None:
        asyncio.get_running_loop().call_later(duration, task.cancel)
    with _signals_to(task, survives_hangup):
        try:
            await task
        except asyncio.CancelledError:
            if not task.cancelled():
                raise


@contextmanager
def _signals_to(task: asyncio.Task[None], survives_hangup: bool) -> Iterator[None]:
    """SIGINT, SIGTERM and SIGHUP cancel `task`; the second of them ends the process at once.

    A SIGHUP that is ignored since the start, as `nohup` does, stays ignored.
    """
    received: list[int] = []

    def stop(number: int) -> None:
        received.append(number)
        if len(received) > 1:
            _show_the_cursor()
            os._exit(128 + number)
        task.cancel()

    loop = asyncio.get_running_loop()
    numbers = (signal.SIGINT, signal.SIGTERM)
    if sys.platform == "win32":
        before = {number: signal.getsignal(number) for number in numbers}
        for number in numbers:
            signal.signal(number, lambda number, _: loop.call_soon_threadsafe(stop, number))
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        return
    hangups = () if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else (signal.SIGHUP,)
    for number in (*numbers, *hangups):
        loop.add_signal_handler(number, stop, number)
    if hangups and survives_hangup:
        text = "SIGHUP changes nothing: restart to take new settings"
        loop.add_signal_handler(signal.SIGHUP, _log.info, text)
    try:
        yield
    finally:
        for number in (*numbers, *hangups):
            loop.remove_signal_handler(number)


def _show_the_cursor() -> None:
    """A live table hides it, and whoever leaves at once cannot tidy up after it."""
    if sys.stdout.isatty():
        os.write(sys.stdout.fileno(), b"\x1b[?25h\n")


def _report_group(group: BaseExceptionGroup[BaseException]) -> int:
    """The errors of a TaskGroup: our own and the system's by their messages, bugs with their traceback."""
    ours, other_errors = group.split(QiluError)
    refused, bugs = other_errors.split(_is_refusal) if other_errors is not None else (None, None)
    if bugs is not None:
        _log.error("ended by a bug", exc_info=bugs)
    refusals = [] if refused is None else [refused_by_system(error) for error in flatten(refused)]
    codes = [report(error) for error in (*(flatten(ours) if ours is not None else ()), *refusals) if error]
    return EXIT_FAILURE if bugs is not None else max(codes, default=EXIT_FAILURE)


def _is_refusal(error: BaseException) -> bool:
    return refused_by_system(error) is not None


def refused_by_system(error: BaseException) -> QiluError | None:
    """What to report where a file, a folder or an optional library cannot be used; None for other errors."""
    if (missing := missing_extra(error)) is not None:
        return missing
    if not isinstance(error, OSError) or error.filename is None:
        return None
    text = describe_os_error(error)
    return UnreachableError(f"{error.filename}: {text}; let this user use it, or look at the disk")
