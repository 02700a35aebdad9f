"""Where the programs of real servers are on this machine, and what becomes of a test that lacks one."""

import ctypes.util
import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

UNPACKED = Path(__file__).resolve().parents[2] / ".servers"

_missing: set[str] = set()


def find(program: str) -> Path | None:
    """The program, from .servers/ (see `make servers`), the PATH or the folders of system programs."""
    unpacked = UNPACKED / "bin" / program
    if unpacked.exists():
        return unpacked
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"])
    found = shutil.which(program, path=path)
    return Path(found) if found else None


def find_library(name: str) -> str | None:
    """What ctypes.CDLL takes for the shared library of this name ("modbus"), .servers/ first."""
    roots = (UNPACKED / "root" / "usr" / "lib", Path("/usr/lib"))
    # libfaketime has a folder of its own: nobody links with it, it is loaded before everything else
    places = [
        root.glob(f"*-linux-gnu*/{inner}lib{name}.so.*") for root in roots for inner in ("", "faketime/")
    ]
    found = [library for place in places for library in sorted(place)]
    return str(found[0]) if found else ctypes.util.find_library(name)


def require(program: str) -> Path:
    """The program; where there is none, the test that asks skips, or fails with CI=true."""
    return find(program) or _miss(program)


def require_library(name: str) -> str:
    """The shared library, as `require` does it for programs."""
    return find_library(name) or _miss(f"lib{name}")


def require_packages_of_the_page(missing: list[str]) -> None:
    """Every library of the page is there, as `require` does it for programs."""
    if missing:
        _miss(
            f"{missing[0]} of qilu/web/page", "`make page` fetches it where a package registry can be reached"
        )


def missing_servers() -> list[str]:
    """What tests of this run asked for in vain."""
    return sorted(_missing)


def _miss(name: str, remedy: str = "`make servers` fetches it where there is apt") -> NoReturn:
    _missing.add(name)
    reason = f"{name} is not on this machine: {remedy}"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
