"""Settings keys of before: the loader refuses them by one table of renames, and a script rewrites files."""

import csv
import re
import subprocess
from pathlib import Path

import pytest
from pydantic import BaseModel

from cloud.settings import IngesterSettings
from gateway.settings import GatewaySettings
from qilu.config.renames import renamed_key, renamed_value
from qilu.config.settings_file import load, load_text
from qilu.contract.errors import ConfigError
from qilu.contract.profile import DeviceProfile
from simulator.network_faults.catalogue import FAULTS, network_fault
from simulator.plant.settings import PlantSettings
from tests.project.settings_keys import keys_of

PROJECT = Path(__file__).parents[2]
MODELS: dict[str, type[BaseModel]] = {
    "gateway": GatewaySettings,
    "ingester": IngesterSettings,
    "plant": PlantSettings,
    "profile": DeviceProfile,
}
PRESENT = {key for kind, model in MODELS.items() for key in keys_of(kind, model, FAULTS)}
BEFORE = (PROJECT / "tests/cases/settings-keys-before.txt").read_text(encoding="utf-8").splitlines()
with (PROJECT / "docs/renames.csv").open(encoding="utf-8", newline="") as file:
    ROWS = [row for row in csv.DictReader(file) if row["kind"] in {f"{kind} key" for kind in MODELS}]
GATEWAY = """\
# the gateway of hall 1
edge: edge-1
spool: {directory: spool, keep_acked: 24h}   # a day
delivery:
  # the one beside the presses
  "durable_when": [store-1]
sources:
  - type: modbus
    url: tcp://127.0.0.1:502
    devices:
      - {device: meter-1, profile: three-phase-energy-meter}
"""
PLANT = """\
machines:
  - &pump {device: pump-1, machine: centrifugal-pump, port: 5050, unit: 1}
  - <<: *pump
    device: pump-2
    unit: 2
faults: [{device: pump-1, fault: bearing_wear, begin: 1h, growth: 2h}]
wire:
  - {fault: late_reply, seconds: 1s, since: 1m, until: 5m, share: 0.5}
  - {port: 5050, fault: one_client, then: evict}
"""
PROFILE = """\
profile: meter
repeat:
  - count: 2
    stride: 4
    points:
      - {name: a, table: input, address: 0, type: uint32}
      - {name: b, table: input, address: 1, type: uint16, alias_of: a}
"""


def rename(*files: Path) -> subprocess.CompletedProcess[str]:
    command = [PROJECT / "scripts" / "rename-settings", *files]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)


def test_a_key_of_before_is_refused_with_its_present_name() -> None:
    with pytest.raises(ConfigError) as refused:
        load_text(GATEWAY, GatewaySettings, file="gateway.yaml")
    assert str(refused.value).splitlines() == [
        "gateway.yaml:3: spool.keep_acked: is now called acked_retention; rename it",
        "gateway.yaml:6: delivery.durable_when: is now called trusted_stores; rename it",
    ]


def test_a_key_without_a_successor_is_refused_as_such() -> None:
    text = GATEWAY.replace("keep_acked: 24h", "quarantine_bytes: 10MB")
    with pytest.raises(ConfigError) as refused:
        load_text(text, GatewaySettings, file="gateway.yaml")
    first = "gateway.yaml:3: spool.quarantine_bytes: does not exist any more; remove it"
    assert str(refused.value).splitlines()[0] == first


def test_files_are_rewritten_with_their_comments_and_only_once(tmp_path: Path) -> None:
    file = tmp_path / "gateway.yaml"
    text = f"\ufeff{GATEWAY}".replace("\n", "\r\n").encode()
    file.write_bytes(text)
    done = rename(file)
    assert done.stdout.splitlines() == [
        f"{file}: spool.keep_acked -> acked_retention",
        f"{file}: delivery.durable_when -> trusted_stores",
    ]
    present = text.replace(b"keep_acked", b"acked_retention").replace(b"durable_when", b"trusted_stores")
    assert file.read_bytes() == present
    again = rename(file)
    assert (again.stdout, again.stderr, again.returncode) == ("", "", 0)
    assert file.read_bytes() == present


def test_a_plant_and_a_profile_of_before_can_be_read_after_it(tmp_path: Path) -> None:
    plant, profile = tmp_path / "plant.yaml", tmp_path / "meter.yaml"
    plant.write_text(PLANT)
    profile.write_text(PROFILE)
    with pytest.raises(ConfigError, match=r"plant.yaml:7: wire: is now called network_faults"):
        load(plant, PlantSettings)
    with pytest.raises(ConfigError, match=r"meter.yaml:2: repeat: is now called structures"):
        load(profile, DeviceProfile)
    assert rename(plant, profile).returncode == 0
    late, limit = load(plant, PlantSettings).network_faults
    assert (late.start, late.duration, late.probability, limit.fault) == (60, 240, 0.5, "client_limit")
    assert load(profile, DeviceProfile).point("b_1").overlaps == "a_1"
    with pytest.raises(ConfigError, match=r"network_faults.0.until: is now called duration; .*until - since"):
        load_text(PLANT.replace("wire:", "network_faults:"), PlantSettings)


def test_what_cannot_be_rewritten_is_reported_and_the_other_files_are(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("a.yaml", "b.yaml", "c.yaml", "d.yaml")]
    files[0].write_text("colour: red\n")
    files[1].write_text("edge: [\n")
    files[2].write_text(GATEWAY.replace("keep_acked: 24h", "quarantine_bytes: 10MB"))
    done = rename(*files)
    assert done.returncode == 1
    assert done.stdout.splitlines() == [f"{files[2]}: delivery.durable_when -> trusted_stores"]
    assert [line.split(";")[0] for line in done.stderr.splitlines()] == [
        f"{files[0]}: neither a device profile nor a plant, gateway settings or ingester settings",
        f"{files[1]}:2: not YAML: expected the node content, but found '<stream end>'",
        f"{files[2]}: spool.quarantine_bytes does not exist any more: remove it",
        f"{files[3]}: cannot be read: no such file or directory",
    ]


def test_every_key_of_before_is_present_or_in_the_table() -> None:
    """BEFORE was made at the commit before the renames: every line of `keys_of` for the models of then."""
    vanished = [key for key in BEFORE if _present(key) not in PRESENT | {None}]
    assert vanished == [], "add a line to docs/renames.csv"


def test_every_line_of_the_table_renames_a_key_of_before() -> None:
    patterns = {_bare(key) for key in BEFORE} | set(BEFORE)
    old = [f"{row['kind'].removesuffix(' key')}: {row['old']}" for row in ROWS]
    assert [key for key in old if key not in patterns] == []
    assert [key for key in old if key in PRESENT] == []
    assert len(set(old)) == len(old)


def test_every_present_name_of_the_table_is_a_key() -> None:
    patterns = {_bare(key) for key in PRESENT} | PRESENT
    new = [f"{row['kind'].removesuffix(' key')}: {row['new']}" for row in ROWS if row["new"]]
    assert [key for key in new if key not in patterns] == []


def test_a_value_of_before_is_refused_and_rewritten() -> None:
    assert renamed_value("network_faults[](truncate).behaviour", "silence") == "no_reply"
    with pytest.raises(ValueError, match="no_reply"):
        network_fault({"fault": "truncate", "behaviour": "silence"})
    with pytest.raises(ConfigError, match=r"network_faults.1.fault: .*; did you mean client_limit"):
        load_text(PLANT.replace("wire:", "network_faults:"), PlantSettings)


def _present(key: str) -> str | None:
    """How a key of before is called now, None where it has no successor."""
    kind, path = key.split(": ")
    place = ""
    for step in path.split("."):
        name, copies, tag = re.fullmatch(r"(\w+)((?:\[\]|\{\})?)(?:\((\w+)\))?", step).groups()  # type: ignore[union-attr]
        new = renamed_key(place, name)
        if new == "":
            return None
        place = ".".join(filter(None, (place, new or name))) + copies
        place += f"({renamed_value(f'{place}.fault', tag) or tag})" if tag else ""
    return f"{kind}: {place}"


def _bare(key: str) -> str:
    return re.sub(r"\(\w+\)", "", key)
