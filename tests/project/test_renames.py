"""Settings keys of before: the loader refuses them by one table of renames, and a script rewrites files."""

import subprocess
from pathlib import Path

import pytest

from gateway.settings import GatewaySettings
from qilu.config.settings_file import load_text
from qilu.contract.errors import ConfigError

PROJECT = Path(__file__).parents[2]
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
