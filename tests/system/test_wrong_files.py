"""What is wrong in a user's file is told with its place and a remedy, exit code 2, before anything starts."""

import re
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.servers import free_port
from tests.system.programs import qilu

PROFILE = """\
profile: mine
title: {en: Mine, zh: 本厂}
source: its manual
points:
  - {name: level, label: {en: Level, zh: 液位}, table: holding, address: 10, type: uint32}
"""
GATEWAY = """\
edge: edge-1
profiles: profiles
spool: {directory: spool}
delivery: {trusted_stores: [store-1]}
sources:
  - type: modbus
    url: tcp://127.0.0.1:5020
    devices:
      - {device: tank-1, unit_id: 1, profile: mine}
"""
PLANT = "plant: works\nmachines:\n  - {device: tank-1, machine: chiller, port: 5020}\n"
INGESTER = "store: {type: sqlite, file: store.db}\n"
SOUND = {
    "gateway.yaml": GATEWAY,
    "plant.yaml": PLANT,
    "ingester.yaml": INGESTER,
    "profiles/mine.yaml": PROFILE,
}


def changed(text: str, old: str, new: str) -> str:
    """The text with one thing wrong in it."""
    assert old in text
    return text.replace(old, new)


SECOND = "  - {name: flow, label: {en: Flow, zh: 流量}, table: holding, address: 11, type: uint16}\n"

WRONG: Mapping[str, tuple[str, Mapping[str, str], str]] = {
    # what: the command, the files that are not as above, what is said
    "no gateway settings": ("gateway nowhere.yaml", {}, r"nowhere\.yaml: no such file; \w+"),
    "no plant": ("simulate nowhere.yaml", {}, r"nowhere\.yaml: no such file; \w+"),
    "no ingester settings": ("ingest nowhere.yaml", {}, r"nowhere\.yaml: no such file; \w+"),
    "nothing to check": ("check nowhere.yaml", {}, r"nowhere\.yaml: no such file; \w+"),
    "nothing to demonstrate": ("demo --config nowhere.yaml", {}, r"nowhere\.yaml: no such file; \w+"),
    "no store to ask": ("query --store nowhere.db --devices", {}, r"nowhere\.db: no such store; \w+"),
    "a folder to fill": (
        "ingest ingester.yaml",
        {"ingester.yaml": changed(INGESTER, "store.db", "profiles")},
        r"^qilu: profiles: is a folder, and no store; name a \w+",
    ),
    "a folder to ask": (
        "query --store ingester.yaml --devices",
        {"ingester.yaml": changed(INGESTER, "store.db", "profiles")},
        r"^qilu: profiles: is a folder, and no store; name a \w+",
    ),
    "a store in what is no folder": (
        "ingest ingester.yaml",
        {"ingester.yaml": changed(INGESTER, "store.db", "plant.yaml/store.db")},
        r"^qilu: plant\.yaml/store\.db: the store cannot be opened: [a-z ]+; name a \w+",
    ),
    "nearly the name of a file": ("gateway gatewy.yaml", {}, r"did you mean \S*gateway\.yaml"),
    "brackets without end": (
        "check profiles/mine.yaml",
        {"profiles/mine.yaml": "[" * 20_000},
        r"mine\.yaml: nested too deeply; \w+",
    ),
    "bad YAML": (
        "gateway gateway.yaml",
        {"gateway.yaml": changed(GATEWAY, "[store-1]}", "[store-1}")},
        r"gateway\.yaml:4: not YAML: .+; check \w+",
    ),
    "bad YAML in a profile": (
        "gateway gateway.yaml",
        {"profiles/mine.yaml": changed(PROFILE, "title: {", "title: {{")},
        r"profiles/mine\.yaml:\d: not YAML: .+; check \w+",
    ),
    "an unknown key": (
        "gateway gateway.yaml",
        {"gateway.yaml": changed(GATEWAY, "unit_id: 1", "unti_id: 1")},
        r"gateway\.yaml:9: sources\.0\.devices\.0\.unti_id: unknown key; did you mean unit_id",
    ),
    "an unknown key of a plant": (
        "simulate plant.yaml",
        {"plant.yaml": PLANT + "sead: 3\n"},
        r"plant\.yaml:4: sead: unknown key; did you mean seed",
    ),
    "an unknown key of an ingester": (
        "ingest ingester.yaml",
        {"ingester.yaml": changed(INGESTER, "file:", "flie:")},
        r"ingester\.yaml:1: store\.flie: unknown key; did you mean file",
    ),
    "overlapping points": (
        "gateway gateway.yaml",
        {"profiles/mine.yaml": PROFILE + SECOND},
        r"profiles/mine\.yaml:6: points\.1\S*: .*level.*; \w+",
    ),
    "an address past 65535": (
        "gateway gateway.yaml",
        {"profiles/mine.yaml": changed(PROFILE, "address: 10", "address: 65536")},
        r"profiles/mine\.yaml:5: points\.0\.address: .*65535.*; \w+",
    ),
    "a value that ends past 65535": (
        "check gateway.yaml",
        {"profiles/mine.yaml": changed(PROFILE, "address: 10", "address: 65535")},
        r"profiles/mine\.yaml:5: points\.0\.address: .*65536.*; \w+",
    ),
    "an unknown profile": (
        "check gateway.yaml",
        {"gateway.yaml": changed(GATEWAY, "profile: mine", "profile: mien")},
        r"gateway\.yaml:9: sources\.0\.devices\.0\.profile: .*no profile mien .*; did you mean mine",
    ),
    "a parameter that the profile does not have": (
        "gateway gateway.yaml",
        {"gateway.yaml": changed(GATEWAY, "unit_id: 1", "unit_id: 1, parameters: {ct_ratio: 40}")},
        r"gateway\.yaml:9: sources\.0\.devices\.0\.parameters\.ct_ratio: mine has no parameter \w+; \w+",
    ),
    "a poll group that the profile does not have": (
        "check gateway.yaml",
        {"gateway.yaml": changed(GATEWAY, "unit_id: 1", "unit_id: 1, poll_periods: {fast: 1s}")},
        r"gateway\.yaml:9: sources\.0\.devices\.0\.poll_periods\.fast: .*no group fast; its groups are",
    ),
    "a profile of nothing that can be read": (
        "check gateway.yaml",
        {"profiles/mine.yaml": changed(PROFILE, "type: uint32", "type: uint32, access: write")},
        r"gateway\.yaml:9: sources\.0\.devices\.0\.profile: .*no point that can be read; \w+",
    ),
    "an unknown machine": (
        "simulate plant.yaml",
        {"plant.yaml": changed(PLANT, "machine: chiller", "machine: chillr")},
        r"plant\.yaml:3: machines\.0\.machine: .*chillr.*; did you mean chiller",
    ),
    "a parameter that no machine can have": (
        "simulate plant.yaml",
        {"plant.yaml": changed(PLANT, "port: 5020", "port: 5020, parameters: {capacity: -1}")},
        r"plant\.yaml:3: machines\.0\.parameters\.capacity: -1 is not possible; give \w+",
    ),
    "a bit that is not in the register": (
        "simulate plant.yaml",
        {
            "plant.yaml": PLANT
            + "faults:\n"
            + "  - {device: tank-1, fault: stuck_bit, point: suction_pressure, magnitude: 40, start: 0}\n"
        },
        r"plant\.yaml:5: faults\.0\.magnitude: suction_pressure has no bit 40; give \w+",
    ),
    "a file of another kind": (
        "check profiles/mine.yaml other.yaml",
        {"other.yaml": "answer: 42\n"},
        r"other\.yaml:1: neither a device profile nor .+; \w+",
    ),
    "gateway settings for a plant": (
        "simulate gateway.yaml",
        {},
        r"^qilu: gateway\.yaml: these are gateway settings; run `qilu gateway gateway\.yaml`$",
    ),
    "a plant for gateway settings": (
        "gateway plant.yaml",
        {},
        r"^qilu: plant\.yaml: this is a plant; run `qilu simulate plant\.yaml`$",
    ),
    "gateway settings for ingester settings": (
        "ingest gateway.yaml",
        {},
        r"^qilu: gateway\.yaml: these are gateway settings; run `qilu gateway gateway\.yaml`$",
    ),
    "ingester settings for gateway settings": (
        "gateway ingester.yaml",
        {},
        r"^qilu: ingester\.yaml: these are ingester settings; run `qilu ingest ingester\.yaml`$",
    ),
    "a device profile for gateway settings": (
        "gateway profiles/mine.yaml",
        {},
        r"^qilu: profiles/mine\.yaml: this is a device profile; run `qilu check profiles/mine\.yaml`$",
    ),
    "gateway settings for what has a store": (
        "query --store gateway.yaml --devices",
        {},
        r"^qilu: gateway\.yaml: these are gateway settings; name ingester settings, or a store file$",
    ),
    "a plant for what has a spool": (
        "spool show plant.yaml",
        {},
        r"this is a plant; name the settings of the gateway",
    ),
    "a folder that is no spool": (
        "spool show profiles",
        {},
        r"^qilu: profiles: holds no spool; name the directory",
    ),
    "a folder that is no spool, to send again": (
        "spool replay profiles",
        {},
        r"^qilu: profiles: holds no spool; name the directory",
    ),
    "ingester settings to demonstrate": ("demo --config ingester.yaml", {}, r"; name the file of a plant$"),
    "a plant with a key of an ingester": (
        "simulate plant.yaml",
        {"plant.yaml": PLANT + INGESTER},
        r"plant\.yaml:4: store: unknown key; \w+",
    ),
    "a broker's certificate authority that is not there": (
        "gateway gateway.yaml",
        {"gateway.yaml": GATEWAY + "mqtt: {tls: {ca: nowhere.pem}}\n"},
        r"nowhere\.pem: mqtt\.tls\.ca: .+; name a \w+",
    ),
}


def ran_in(folder: Path, command: str, files: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """What a command does beside these files."""
    (folder / "profiles").mkdir()
    for name, text in {**SOUND, **files}.items():
        (folder / name).write_text(text)
    return qilu(*command.split(), folder=folder)


@pytest.mark.parametrize("what", WRONG)
def test_it_is_reported_with_its_place_and_a_remedy(what: str, tmp_path: Path) -> None:
    command, files, output = WRONG[what]
    done = ran_in(tmp_path, command, files)
    assert done.returncode == 2, done
    assert re.search(output, done.stderr, re.MULTILINE), done.stderr
    assert "Traceback" not in done.stderr


def test_a_plant_whose_port_is_in_use_is_not_started(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", free_port()))
        taken.listen()
        port = taken.getsockname()[1]
        done = ran_in(tmp_path, "simulate plant.yaml", {"plant.yaml": changed(PLANT, "5020", str(port))})
    assert done.returncode == 2
    assert re.search(rf"127\.0\.0\.1:{port}: the port is in use; end the program", done.stderr), done.stderr


def test_files_without_a_fault_are_checked_with_code_0(tmp_path: Path) -> None:
    done = ran_in(tmp_path, "check gateway.yaml plant.yaml ingester.yaml profiles/mine.yaml", {})
    assert done.returncode == 0, done.stderr
    assert "tank-1" in done.stdout
