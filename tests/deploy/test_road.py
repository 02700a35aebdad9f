"""The settings that are shipped, run as they are: only ports and folders are others."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.settings import GatewaySettings
from qilu.config.profiles import profiles
from qilu.config.settings_file import load
from qilu_cli.commands.plant_gateway import gateway_settings
from simulator.plant.settings import PlantSettings
from tests.deploy.deployed import CONFIGS, DEPLOY, DeployedMosquitto, login, make_secrets
from tests.servers.mosquitto import Mosquitto
from tests.servers.process import HOST, free_port
from tests.system.programs import Qilu, eventually, qilu


def read(file: Path) -> dict[str, Any]:
    settings: dict[str, Any] = yaml.safe_load(file.read_text())
    return settings


def write(folder: Path, name: str, settings: dict[str, Any]) -> Path:
    file = folder / name
    file.write_text(yaml.safe_dump(settings, allow_unicode=True))
    return file


class Plant:
    """The shipped plant and gateway settings, moved to ports that are free here."""

    def __init__(self, folder: Path, plant: dict[str, Any], gateway: dict[str, Any]) -> None:
        ports = {machine["port"]: 0 for machine in plant["machines"]}
        ports.update({port: free_port() for port in ports})
        for machine in plant["machines"]:
            machine["port"] = ports[machine["port"]]
        plant["host"] = HOST
        for source in gateway["sources"]:
            source["url"] = f"tcp://{HOST}:{ports[int(source['url'].rpartition(':')[2])]}"
        gateway["spool"]["directory"] = str(folder / "spool")
        self.folder, self.gateway = folder, gateway
        self.devices = {device["device"] for source in gateway["sources"] for device in source["devices"]}
        self.file = write(folder, "plant.yaml", plant)

    @contextmanager
    def running(self, mqtt: dict[str, Any], ingester: dict[str, Any]) -> Iterator[Path]:
        """All three programs run with this broker; gives the settings of the ingester."""
        settings = write(self.folder, "ingester.yaml", {**ingester, "mqtt": mqtt["ingester"]})
        edge = write(self.folder, "gateway.yaml", {**self.gateway, "mqtt": mqtt["edge"]})
        with (
            Qilu(self.folder, "simulate", self.file, ready="devices are served"),
            Qilu(self.folder, "ingest", settings, ready="connected to"),
            Qilu(self.folder, "gateway", edge, ready="collects from"),
        ):
            yield settings


def stored_devices(settings: Path) -> set[str]:
    asked = qilu("query", "--store", settings, "--devices", "--format", "json")
    return {device["device"] for device in json.loads(asked.stdout)} if asked.returncode == 0 else set()


def reported(settings: Path, point: str) -> bool:
    """Whether the edge reported of itself a value other than 0."""
    asked = qilu("query", "--store", settings, "--device", "edge-1", "--point", point, "--format", "json")
    return asked.returncode == 0 and any(sample["value"] for sample in json.loads(asked.stdout))


async def arrives_whole(plant: Plant, settings: Path) -> None:
    """Every device and the edge itself are in the store, and the edge may forget what it sent."""
    await eventually(
        lambda: stored_devices(settings) >= plant.devices | {"edge-1"}, "every device is in the store", 60
    )
    for point in ("durable_records", "broker_connected"):
        await eventually(partial(reported, settings, point), f"the edge says that {point} is not 0")


async def test_the_shipped_settings_work_together_with_a_broker_on_this_machine(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    plant = Plant(tmp_path, read(CONFIGS / "plant.yaml"), read(CONFIGS / "gateway.yaml"))
    plant.gateway["status_interval"] = "2s"
    ingester = read(CONFIGS / "ingester.yaml")
    ingester["store"]["file"] = str(tmp_path / "store.db")
    mqtt = {**plant.gateway["mqtt"], "port": mosquitto.port}
    with plant.running(
        {"edge": mqtt, "ingester": {**ingester["mqtt"], "port": mosquitto.port}}, ingester
    ) as at:
        await arrives_whole(plant, at)


async def test_the_deployed_settings_work_over_tls_with_passwords_and_the_access_list(tmp_path: Path) -> None:
    secrets = make_secrets(tmp_path / "secrets")
    plant = Plant(
        tmp_path, read(DEPLOY / "settings" / "plant.yaml"), read(DEPLOY / "settings" / "gateway.yaml")
    )
    plant.gateway["status_interval"] = "2s"
    for trusted in plant.gateway["delivery"]["trusted_stores"]:
        trusted["key_file"] = str(secrets / Path(trusted["key_file"]).name)
    ingester = read(DEPLOY / "settings" / "ingester-influx.yaml")
    with DeployedMosquitto(tmp_path, secrets) as server:
        mqtt = {
            "edge": here(plant.gateway["mqtt"], server, secrets),
            "ingester": here(ingester["mqtt"], server, secrets),
        }
        store = {"type": "sqlite", "file": str(tmp_path / "store.db"), "name": ingester["store"]["name"]}
        key = str(secrets / Path(ingester["ack_key_file"]).name)
        with plant.running(
            mqtt, {"ingester": ingester["ingester"], "ack_key_file": key, "store": store}
        ) as at:
            await arrives_whole(plant, at)


def here(mqtt: dict[str, Any], server: Mosquitto, secrets: Path) -> dict[str, Any]:
    """The same user with the same secrets, at the broker of the test."""
    wanted = login(server, secrets, mqtt["username"])
    assert set(mqtt) == {"host", "port", "username", "password_file", "tls"}
    return {
        "host": wanted.host,
        "port": wanted.port,
        "username": wanted.username,
        "password_file": str(secrets / Path(mqtt["password_file"]).name),
        "tls": {"ca": str(secrets / Path(mqtt["tls"]["ca"]).name)},
    }


@pytest.mark.parametrize(("folder", "host"), [(CONFIGS, "127.0.0.1"), (DEPLOY / "settings", "simulator")])
def test_the_gateway_settings_name_exactly_the_machines_of_the_plant(folder: Path, host: str) -> None:
    settings = load(folder / "gateway.yaml", GatewaySettings)
    plant = load(folder / "plant.yaml", PlantSettings)
    known = profiles({machine.machine for machine in plant.machines})
    wanted = gateway_settings(
        plant.model_copy(update={"host": host}),
        known,
        {machine.port: machine.port for machine in plant.machines},
        edge=settings.edge,
        spool=settings.spool,
        mqtt=settings.mqtt,
        store="plant-store",
    )
    by_url = {source.url: source for source in settings.sources}
    assert by_url == {source.url: source for source in wanted.sources}


def test_the_plant_of_the_containers_is_the_shipped_one_on_every_address() -> None:
    shipped = read(CONFIGS / "plant.yaml")
    assert read(DEPLOY / "settings" / "plant.yaml") == {**shipped, "host": "0.0.0.0"}
