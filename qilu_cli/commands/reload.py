"""Compares settings with those that run, and asks a running gateway to take them."""

from __future__ import annotations

import getpass
import os
import time
from collections.abc import Mapping
from pathlib import Path

import typer
from rich.table import Table

from gateway.reload.comparison import compare
from gateway.reload.kept_sets import KeptSets
from gateway.reload.reports import ReloadReport
from gateway.reload.requests import ReloadRequest, RequestFiles
from gateway.reload.settings_set import SettingsSet
from qilu.config.settings_file import load_plain
from qilu.contract.errors import ConfigError, UnreachableError, describe_os_error
from qilu.contract.text_escaping import plain
from qilu.runtime.private_files import acting_as_owner
from qilu_cli.file_kinds import Kind, expected
from qilu_cli.store_access import print_json
from qilu_cli.terminal import console

_ACCEPTED_WITHIN_S = 5.0
"""Seconds within which a gateway that runs takes a request."""
_REPLY_WITHIN_S = 60.0
_LOOK_S = 0.1


def plan(file: Path, against: Path | None, *, as_json: bool) -> None:
    """Print the plan and end with its exit code; ConfigError where one of the sets is wrong."""
    with expected(Kind.GATEWAY, file):
        new = SettingsSet.load(file)
    directory = new.settings.spool.directory
    old = _kept(directory, file) if against is None else SettingsSet.load(against)
    _print(ReloadReport.of(compare(old, new)), as_json=as_json)


def _kept(directory: Path, file: Path) -> SettingsSet:
    kept = KeptSets(directory)
    if not kept.exists("running"):
        problem = f"no gateway has run with the spool {directory}, so all of these settings are new"
        remedy = "start the gateway with them, or compare with another file: --against FILE"
        raise ConfigError(problem, file=file, key="spool.directory", remedy=remedy)
    with acting_as_owner(directory):
        return kept.load("running")


def reload(file: Path, *, last_good: bool, as_json: bool) -> None:
    """Ask, wait and print; ConfigError where the settings are wrong, UnreachableError where none runs."""
    directory = _spool_of(file, last_good)
    files = RequestFiles(directory)
    try:
        with acting_as_owner(directory):
            request = files.ask(f"{_user()} (qilu reload)", str(file.resolve()), last_good=last_good)
            report = _reply(files, request, directory)
    except OSError as error:
        problem = f"{directory}: {describe_os_error(error)}"
        raise UnreachableError(f"{problem}; run this as the user of the gateway, or as root") from error
    _print(report, as_json=as_json)


def _reply(files: RequestFiles, request: ReloadRequest, directory: Path) -> ReloadReport:
    start_s = time.monotonic()
    while (report := files.reply(request)) is None:
        waited = time.monotonic() - start_s
        if waited > _ACCEPTED_WITHIN_S and files.is_waiting(request):
            files.withdraw()
            text = f"no gateway runs on the spool {directory}: start it, and it takes the file as it is"
            raise UnreachableError(text)
        if waited > _REPLY_WITHIN_S:
            text = f"the gateway has not replied within {_REPLY_WITHIN_S:.0f} s: look at its log"
            raise UnreachableError(text)
        time.sleep(_LOOK_S)
    return report


def _spool_of(file: Path, last_good: bool) -> Path:
    """Where the spool is; of a file that is wrong otherwise, too, where the last good set is asked for."""
    try:
        with expected(Kind.GATEWAY, file):
            return SettingsSet.load(file).settings.spool.directory
    except ConfigError:
        raw = load_plain(file) if last_good else None
        spool = raw.get("spool") if isinstance(raw, Mapping) else None
        directory = spool.get("directory") if isinstance(spool, Mapping) else None
        if not isinstance(directory, str):
            raise
        return file.parent / Path(directory).expanduser()


def _user() -> str:
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):
        return f"user {os.getuid()}"


def _print(report: ReloadReport, *, as_json: bool) -> None:
    if as_json:
        print_json(report.value())
    else:
        _print_table(report)
    if report.exit_code:
        raise typer.Exit(report.exit_code)


def _print_table(report: ReloadReport) -> None:
    screen = console()
    screen.print(plain(f"{report.outcome}: {report.text}"), style="bold")
    table = Table("what", "name", "endpoint", "keys", box=None, pad_edge=False)
    for url, fate, keys in report.endpoints:
        table.add_row(f"endpoint {fate}", plain(url), "", plain(", ".join(keys)))
    for device, fate, url, keys in report.devices:
        table.add_row(f"device {fate}", plain(device), plain(url), plain(", ".join(keys)))
    for key in report.edge:
        table.add_row("gateway changed", "", "", plain(key))
    for key in report.restart:
        table.add_row("needs a restart", "", "", plain(key))
    if table.row_count:
        screen.print(table)
