"""`qilu simulate` and `qilu plant` as a user types them."""

import csv
import gzip
import json
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
import yaml

from qilu.config.profiles import shipped_configs
from qilu.contract.errors import ConfigError
from qilu_cli.commands.check import check
from qilu_cli.commands.export import ExportOptions, export_to
from qilu_cli.commands.gateway_config import write_gateway_config
from qilu_cli.commands.plant_control import send
from tests.servers import free_port
from tests.system.programs import Qilu, eventually, qilu

PLANTS = ("plant", "quiet-day", "bad-day", "hostile-network", "thousand", "school")


def small(folder: Path, **changes: object) -> Path:
    """A plant on free ports and a pseudo terminal."""
    machines = [
        {"device": "pump-1", "machine": "centrifugal-pump", "port": free_port(), "line": "water"},
        {"device": "air-1", "machine": "screw-air-compressor", "port": free_port(), "framing": "rtu"},
        {"device": "meter-1", "machine": "three-phase-energy-meter", "unit_id": 7, "serial": {"pty": "bus"},
         "parameters": {"ct_ratio": 20}},
    ]  # fmt: skip
    file = folder / "small.yaml"
    file.write_text(
        yaml.safe_dump({"plant": "small", "control": free_port(), "machines": machines, **changes})
    )
    return file


def test_a_data_set_is_written_and_its_progress_reported(tmp_path: Path) -> None:
    file = small(tmp_path)
    done = qilu("plant", "export", file, tmp_path / "set", "--span", "2m", "--every", "2s")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("3 devices, 60 rows each, 2m in ")
    assert "10 % (" in done.stderr
    assert "100 % (2m)" in done.stderr
    assert json.loads((tmp_path / "set" / "dataset.json").read_text())["step"] == 1.0
    modes = {path.is_dir(): path.stat().st_mode & 0o777 for path in (tmp_path / "set").rglob("*")}
    assert modes == {True: 0o700, False: 0o600}
    with gzip.open(tmp_path / "set" / "devices" / "meter-1.csv.gz", "rt") as text:
        assert [int(row["tick"]) for row in csv.DictReader(text)] == list(range(0, 120, 2))


@pytest.mark.parametrize("plant", PLANTS)
def test_the_gateway_that_collects_a_shipped_plant_is_emitted_and_checked(
    plant: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, out = shipped_configs() / f"{plant}.yaml", tmp_path / "gateway.yaml"
    write_gateway_config(file, out)
    message = capsys.readouterr().out
    if plant != "thousand":  # the printing of whose plan takes longer than all the others
        check([out])
    text = out.read_text()
    assert text.startswith("# Collects every device of the plant ")
    collected = [
        device["device"] for source in yaml.safe_load(text)["sources"] for device in source["devices"]
    ]
    assert collected == list(dict.fromkeys(collected))
    assert f": {len(collected)} devices" in message
    with pytest.raises(ConfigError, match="is there already"):
        write_gateway_config(file, out)


async def test_a_gateway_runs_with_what_was_emitted_and_every_device_is_asked(tmp_path: Path) -> None:
    file, truth = small(tmp_path), tmp_path / "truth"
    assert qilu("plant", "gateway-config", file, tmp_path / "gateway.yaml").returncode == 0
    with Qilu(tmp_path, "simulate", file, "--truth", truth, ready="devices are served"):
        with Qilu(tmp_path, "gateway", tmp_path / "gateway.yaml", ready="collects from") as gateway:

            def asked() -> set[str]:
                with (truth / "requests.csv").open() as table:
                    return {row["device"] for row in csv.DictReader(table) if row["counter"]}

            await eventually(lambda: asked() == {"pump-1", "air-1", "meter-1"}, "all three are asked")
            assert "lets nobody read" not in gateway.output()
    with (truth / "requests.csv").open() as table:
        assert {row["exception"] for row in csv.DictReader(table)} == {"0"}


def test_a_running_plant_is_steered_by_its_file_or_its_port(tmp_path: Path) -> None:
    file = small(tmp_path)
    port = str(yaml.safe_load(file.read_text())["control"])
    with Qilu(tmp_path, "simulate", file, ready="devices are served"):
        injected = qilu("plant", "inject", port, "pump-1", "drift", "--point", "flow", "--magnitude", "5")
        assert injected.returncode == 0, injected.stderr
        listed = qilu("plant", "status", file, "pump-1").stdout
        assert "drift" in listed
        assert "it may have: bearing_wear" in listed
        assert "paused" in qilu("plant", "pause", file).stdout
        before = json.loads(qilu("plant", "status", port, "--json").stdout)["tick"]
        assert json.loads(qilu("plant", "step", port, "30", "--json").stdout)["tick"] == before + 30
        wrong = qilu("plant", "inject", file, "pump-1", "bearing_war")
        assert (wrong.returncode, "did you mean bearing_wear?" in wrong.stderr) == (2, True)
    gone = qilu("plant", "status", port)
    assert (gone.returncode, "nothing replies at" in gone.stderr) == (1, True)


def test_a_plant_is_shown_in_a_browser_without_a_gateway(tmp_path: Path) -> None:
    port = free_port()
    file = small(tmp_path, control={"listen": f"127.0.0.1:{port}"})
    with Qilu(tmp_path, "simulate", file, "--console", ready="devices are served"):
        with urlopen(f"http://127.0.0.1:{port}/", timeout=10) as page:
            assert page.headers["Content-Type"].startswith("text/html")
            assert "Qilu" in page.read().decode()
        with urlopen(f"http://127.0.0.1:{port}/api/v1/factory", timeout=10) as factory:
            assert json.loads(factory.read())["utilities"][0]["device"] == "pump-1"


def test_what_makes_no_sense_is_message_with_exit_code_2(tmp_path: Path) -> None:
    done = qilu("plant", "export", small(tmp_path), tmp_path / "out", "--span", "forever")
    assert done.returncode == 2
    assert "--span: 'forever' is not a duration" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("times", "message"),
    [
        ({"every": "0s"}, "--every: '0s' is no time at all"),
        ({"step": "300ms"}, "do not fit a step of 0.3 s"),
        ({"step": "20s", "every": "20s"}, "cannot be stepped so far"),
        ({"span": "1s", "every": "2s"}, "has no row every 2 s"),
    ],
)
async def test_an_impossible_time_is_refused_before_anything_is_written(
    times: dict[str, str], message: str, tmp_path: Path
) -> None:
    wanted: dict[str, Any] = {"span": "1h", "every": "1s", "step": None, "form": "csv"} | times
    with pytest.raises(ConfigError) as error:
        await export_to(small(tmp_path), ExportOptions(tmp_path / "out", **wanted))
    assert message in str(error.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("plant", "message"),
    [
        ("10.0.0.7:5019", "only be controlled from its own machine"),
        ("70000", "70000 is no port"),
        ("nowhere.yaml", "no such file"),
    ],
)
async def test_a_plant_that_cannot_be_controlled_is_a_config_error(plant: str, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        await send(plant, "GET", "factory/faults", as_json=False)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["explode"], "No such command 'explode'"),
        (["paus", "PLANT"], "Did you mean 'pause'"),
        (["inject", "PLANT", "pump-1"], "Missing argument 'fault'"),
        (["speed", "PLANT", "fast"], "Invalid value for 'factor'"),
        (["inject", "PLANT", "pump-1", "bearing_wear", "x=1"], "KEY=VALUE is for network faults"),
        (["inject", "PLANT", "pump-1", "late_reply", "probability"], "write KEY=VALUE"),
        (["inject", "PLANT", "pump-1", "late_reply", "--ramp", "1m"], "--ramp: network faults have no such"),
    ],
)
def test_a_wrong_order_to_a_plant_is_refused_with_exit_code_2(
    arguments: list[str], message: str, tmp_path: Path
) -> None:
    plant = str(small(tmp_path))
    done = qilu("plant", *(plant if word == "PLANT" else word for word in arguments))
    assert (done.returncode, message in done.stderr) == (2, True), done.stderr


def test_a_plant_without_a_port_of_control_says_how_to_get_one(tmp_path: Path) -> None:
    done = qilu("plant", "status", small(tmp_path, control=None))
    assert (done.returncode, "--control 5019" in done.stderr) == (2, True)
