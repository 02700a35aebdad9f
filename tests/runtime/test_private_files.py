"""Files of a gateway beside its spool: for their owner alone, and never through a link or a pipe."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.accounting.ledger import Ledger
from gateway.delivery.resend import request_resend, take_resend_request
from gateway.timekeeping.clock_file import read_saved
from qilu.runtime.boot import UNKNOWN_BOOT
from qilu.runtime.private_files import (
    check_folder,
    is_file,
    make_folder,
    open_file,
    read_file,
    replace_file,
    write_named,
)
from tests.deploy.deployed import PROJECT


@pytest.fixture(autouse=True)
def no_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def open_ledger(folder: Path) -> None:
    ledger = Ledger(folder / "accounts", UNKNOWN_BOOT, "edge-1")
    ledger.open({})
    ledger.close()


def replace_learned(folder: Path) -> None:
    replace_file(folder / "press-1.yaml", b"{}")


def make_clock(folder: Path) -> None:
    os.close(open_file(folder / "clock", os.O_WRONLY | os.O_CREAT))


@pytest.mark.parametrize("write", [open_ledger, replace_learned, make_clock, request_resend])
def test_a_file_is_for_its_owner_alone(tmp_path: Path, write: Callable[[Path], None]) -> None:
    folder = tmp_path / "a" / "b"
    assert make_folder(folder) == [folder, folder.parent]
    check_folder(folder)
    write(folder)
    (made,) = folder.iterdir()
    assert made.stat().st_mode & 0o777 == 0o600
    assert {path.stat().st_mode & 0o777 for path in (folder, folder.parent)} == {0o700}


@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_nothing_is_written_or_read_through_a_link_and_no_pipe_is_waited_for(
    tmp_path: Path, kind: str
) -> None:
    precious = tmp_path / "precious"
    precious.write_text("keep")
    for name in ("accounts", "accounts.new", "clock", "resend"):
        if kind == "link":
            (tmp_path / name).symlink_to(precious)
        else:
            os.mkfifo(tmp_path / name)
    open_ledger(tmp_path)
    for act in (make_clock, request_resend):
        with pytest.raises(OSError, match=r"links|no file|No such device"):
            act(tmp_path)
    for name in ("clock", "accounts"):
        assert not is_file(tmp_path / name)
        assert read_saved(tmp_path / name) is None
        with pytest.raises(OSError, match=r"links|no file|No such"):
            read_file(tmp_path / name)
    assert precious.read_text() == "keep"
    assert take_resend_request(tmp_path)


def test_a_file_that_a_person_names_is_for_its_owner_alone_and_may_be_a_link(tmp_path: Path) -> None:
    named, target = tmp_path / "report.html", tmp_path / "target"
    write_named(named, "readings")
    assert named.stat().st_mode & 0o777 == 0o600
    (tmp_path / "link").symlink_to(target)
    write_named(tmp_path / "link", "readings")
    assert target.read_text() == "readings"
    assert target.stat().st_mode & 0o777 == 0o600


HANDED_ON = {
    "qilu_cli/commands/gateway_config.py": "settings, which a service under another user reads",
    "qilu_cli/commands/grafana.py": "dashboards and rules",
    "gateway/commissioning/profiles/yaml_writer.py": "profiles",
}
"""The modules whose files have neither readings nor secrets, and follow the umask."""
WRITES = re.compile(r"write_text\(|write_bytes\(|\bopen\([^()]*[\"'][wax][bt+]*[\"'](?![^()]*opener=)")


def test_what_may_hold_readings_is_written_as_a_private_file() -> None:
    """Any other module that writes a file gives it an opener of `private_files`, or uses its functions."""
    found = set()
    for package in ("qilu", "qilu_cli", "gateway", "cloud", "simulator"):
        for file in (PROJECT / package).rglob("*.py"):
            for write in WRITES.finditer(file.read_text(encoding="utf-8")):
                if "devnull" not in file.read_text(encoding="utf-8")[write.start() - 40 : write.start()]:
                    found.add(file.relative_to(PROJECT).as_posix())
    assert found == set(HANDED_ON)
