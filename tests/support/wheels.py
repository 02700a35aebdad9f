"""Qilu as a user installs it: a wheel, and environments that have it."""

import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterable
from importlib.metadata import distribution
from pathlib import Path

PROJECT = Path(__file__).parents[2]


def build_wheel(folder: Path) -> Path:
    """The wheel of this checkout."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, check=True, cwd=PROJECT, capture_output=True, timeout=120)
    (wheel,) = folder.glob("qilu-*.whl")
    return wheel


def make_environment(folder: Path) -> Path:
    """A new environment in `folder` with the wheel alone; returns its folder of packages."""
    venv.create(folder / "environment", with_pip=False)
    (packages,) = (folder / "environment").glob("lib/python*/site-packages")
    with zipfile.ZipFile(
        build_wheel(folder)
    ) as archive:  # a wheel of plain Python is installed by unpacking it
        archive.extractall(packages)
    return packages


def link_packages(names: Iterable[str], packages: Path) -> None:
    """Give an environment these installed packages of the environment of the tests, and no others."""
    for name in names:
        files = distribution(name).files or []
        for top in {file.parts[0] for file in files} - {"..", "__pycache__"}:
            target = Path(str(distribution(name).locate_file(top)))
            if not (packages / top).exists():
                (packages / top).symlink_to(target)
