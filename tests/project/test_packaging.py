"""What is shipped: a wheel with every application and the profiles, and locks without their index address."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from qilu.web.page import missing_packages, named_packages
from tests.servers.programs import require_packages_of_the_page
from tests.support.wheels import PROJECT, build_wheel

LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-edge.lock")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The names of the files in a wheel built from this checkout."""
    require_packages_of_the_page(missing_packages())
    return zipfile.ZipFile(build_wheel(tmp_path_factory.mktemp("wheel"))).namelist()


def test_a_wheel_carries_every_room_and_the_profiles_and_nothing_of_the_tests(wheel: list[str]) -> None:
    tops = {name.split("/")[0] for name in wheel if ".dist-info/" not in name}
    assert tops == {"qilu", "qilu_cli", "simulator", "gateway", "cloud"}
    profiles = {path.name for path in (PROJECT / "configs" / "profiles").glob("*.yaml")}
    assert {name.split("/")[-1] for name in wheel if name.startswith("qilu/configs/profiles/")} == profiles
    assert any(name.endswith("/licenses/LICENSE") for name in wheel)


def test_a_wheel_carries_the_libraries_of_the_page_with_their_licences(wheel: list[str]) -> None:
    folder = "qilu/web/page/packages/"
    carried = {name.removeprefix(folder) for name in wheel if name.startswith(folder)}
    named = named_packages((PROJECT / "qilu/web/page/index.html").read_text(encoding="utf-8"))
    assert {name.removeprefix("packages/") for name in named} <= carried
    assert len([name for name in carried if name.startswith("LICENSE.")]) == 5
    assert not any("axe" in name for name in carried)


def test_a_wheel_without_the_libraries_of_the_page_is_not_built(tmp_path: Path) -> None:
    checkout = tmp_path / "qilu"
    kept = shutil.ignore_patterns(".*", "packages", "var", "tests", "__pycache__")
    shutil.copytree(PROJECT, checkout, ignore=kept)
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    built = subprocess.run(command, check=False, cwd=checkout, capture_output=True, text=True, timeout=120)
    assert built.returncode != 0
    assert "scripts/fetch-page-packages" in built.stderr + built.stdout


def test_every_library_of_the_page_has_a_version_and_a_hash() -> None:
    text = (PROJECT / "package-lock.json").read_text()
    assert "://" not in text
    packages = json.loads(text)["packages"]
    own = json.loads((PROJECT / "package.json").read_text())
    assert packages[""]["dependencies"] == own["dependencies"]
    libraries = [entry for name, entry in packages.items() if name]
    assert all(entry["integrity"].startswith("sha512-") and "resolved" not in entry for entry in libraries)
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in own["dependencies"].values())


@pytest.mark.parametrize("lock", [*LOCKS, "requirements-page.lock"])
def test_a_lock_names_no_index_and_no_path(lock: str) -> None:
    text = (PROJECT / lock).read_text()
    assert not re.search(r"://|--(extra-)?index|--find-links|(?<!make)(?<!\w)/\w", text)


def locked(lock: str) -> dict[str, list[Version]]:
    """Package -> its versions in a lock; more than one where platforms or Pythons differ."""
    versions: dict[str, list[Version]] = {}
    for name, version in re.findall(r"^([a-z0-9-]+)==([^ ;\\]+)", (PROJECT / lock).read_text(), re.MULTILINE):
        versions.setdefault(name, []).append(Version(version))
    return versions


def asked_for(group: str) -> list[Requirement]:
    """What pyproject.toml asks for: "edge" without any extra, "run" with that of the demo, "dev" besides."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())
    edge = project["project"]["dependencies"] + project["build-system"]["requires"]
    extras = project["project"]["optional-dependencies"]
    demo = [line for extra in ("simulator", "cloud", "console", "demo") for line in extras[extra]]
    lines = {"edge": edge, "run": edge + demo, "dev": project["dependency-groups"]["dev"]}
    return [wanted for line in lines[group] if (wanted := Requirement(line)).name != "qilu"]


@pytest.mark.parametrize(
    ("group", "lock"), [("run", LOCKS[0]), ("run", LOCKS[1]), ("dev", LOCKS[1]), ("edge", LOCKS[2])]
)
def test_a_lock_answers_everything_that_the_project_asks_for(group: str, lock: str) -> None:
    versions = locked(lock)
    unanswered = [
        str(wanted)
        for wanted in asked_for(group)
        if not any(wanted.specifier.contains(version) for version in versions.get(wanted.name.lower(), []))
    ]
    assert not unanswered, f"{', '.join(unanswered)}: run `make lock`"


def test_developing_and_running_use_the_same_versions() -> None:
    run, dev, edge = (locked(lock) for lock in LOCKS)
    assert {name: dev[name] for name in run} == run
    assert {name: run[name] for name in edge} == edge


def test_an_edge_gets_nothing_of_the_extras() -> None:
    assert (
        locked("requirements-edge.lock").keys().isdisjoint({"numpy", "aiohttp", "influxdb-client", "amqtt"})
    )


def test_every_dependency_has_an_upper_bound() -> None:
    unbounded = [
        str(wanted)
        for wanted in asked_for("run") + asked_for("dev")
        if not any(part.operator in ("<", "==") for part in wanted.specifier)
    ]
    assert not unbounded


def test_make_help_has_a_line_for_every_target() -> None:
    makefile = (PROJECT / "Makefile").read_text()
    output = subprocess.run(["make", "help"], check=True, cwd=PROJECT, capture_output=True, timeout=30).stdout
    targets = re.findall(r"^\.PHONY: (\S+)$", makefile, re.MULTILINE)
    assert re.findall(r"^  make (\S+) +\S", output.decode(), re.MULTILINE) == targets
