"""The compose file, as far as it can be judged without an engine: nothing is missing, open or unsaid."""

import os
import re
import sys
import tomllib
from typing import Any

import pytest
import yaml

from tests.deploy.deployed import CONFIGS, DEPLOY, PROJECT
from tests.system.programs import qilu

COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
ENDS_BY_ITSELF = {"victoriametrics-volume", "influxdb-tokens-volume"}
MADE_BY_SCRIPT = {
    "dynamic-security.json", "server.pem", "server.key", "ca.pem", "ingester.password",
    "ingester-victoria.password", "edge-1.password", "influx-store.key", "victoria-store.key",
    "edge-1.influx-store.key", "edge-1.victoria-store.key", "influxdb-admin.secret", "influxdb-token.secret",
    "influxdb-reader.secret", "grafana-admin.secret", "victoriametrics-admin.secret",
    "victoriametrics-reader.secret",
}  # fmt: skip
services = pytest.mark.parametrize("name", sorted(SERVICES))


def example() -> dict[str, str]:
    """The variables of .env.example."""
    return dict(re.findall(r"^(\w+)=(.*)$", (DEPLOY / ".env.example").read_text(), re.MULTILINE))


def variables() -> dict[str, str]:
    """Every variable of the compose file with what stands behind its name: `:-default` or `:?message`."""
    return dict(re.findall(r"\$\{(\w+)([^}]*)\}", (DEPLOY / "compose.yaml").read_text()))


def bound(service: dict[str, Any]) -> list[tuple[str, str]]:
    """The files and folders of the host that it sees: (of the host, inside)."""
    mounts = [mount.split(":") for mount in service.get("volumes", [])]
    return [(mount[0], mount[1]) for mount in mounts if mount[0].startswith(".")]


def test_every_variable_is_in_the_example_and_no_secret_has_a_default() -> None:
    assert set(variables()) | {"COMPOSE_PROFILES"} == set(example())
    for name, behind in variables().items():
        if re.search(r"PASSWORD|TOKEN|GID", name):
            assert behind.startswith(":?"), name
            assert example()[name] == ""
        else:
            assert behind.startswith(":-"), name
            assert example()[name] == behind.removeprefix(":-")


@services
def test_a_service_runs_without_privileges(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    if name not in ENDS_BY_ITSELF:
        assert "cap_add" not in service
        user = service.get("user") or image_user()
        assert user.split(":")[0] not in ("root", "0")
        assert service["restart"] == "unless-stopped"


def image_user() -> str:
    """Whom our own image runs as."""
    (user,) = re.findall(r"^USER (\S+)$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    return str(user)


@services
def test_an_image_is_named_with_its_version(name: str) -> None:
    assert re.fullmatch(r"[a-z0-9/-]+:v?\d+\.\d+\.\d+", SERVICES[name]["image"])


@services
def test_a_service_says_how_it_is_and_waits_for_what_it_needs(name: str) -> None:
    service = SERVICES[name]
    assert ("healthcheck" in service) is (name not in ENDS_BY_ITSELF)
    for needed, how in service.get("depends_on", {}).items():
        ends = needed in ENDS_BY_ITSELF
        assert how["condition"] == ("service_completed_successfully" if ends else "service_healthy")
        assert ends or "healthcheck" in SERVICES[needed]
        assert set(SERVICES[needed].get("profiles", [])) <= set(service.get("profiles", []))


def test_only_grafana_and_the_brokers_tls_port_are_published() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert {name: [port.rpartition(":")[2] for port in ports] for name, ports in published.items()} == {
        "mosquitto": ["8883"],
        "grafana": ["3000"],
    }
    broker = (DEPLOY / "mosquitto" / "mosquitto.conf").read_text()
    listeners = re.findall(r"^listener (.*)$", broker, re.MULTILINE)
    assert listeners == ["8883"]


def test_machines_are_reached_by_the_gateway_only() -> None:
    assert COMPOSE["networks"]["machines"] == {"internal": True}
    assert on_network("machines") == {"simulator", "gateway"}


def on_network(name: str) -> set[str]:
    return {service for service, settings in SERVICES.items() if name in settings.get("networks", [])}


def reachable_from(name: str) -> set[str]:
    """All services that share a network with it."""
    return set().union(*map(on_network, SERVICES[name].get("networks", []))) - {name}


def test_a_store_is_reached_by_what_fills_and_watches_it_and_by_grafana_only() -> None:
    stores = {"influxdb", "victoriametrics"}
    ingesters = {"ingester", "ingester-victoria", "audit", "audit-victoria"}
    assert reachable_from("influxdb") == ingesters | {"victoriametrics", "vmauth", "vmalert", "grafana"}
    assert reachable_from("victoriametrics") == ingesters | {"influxdb", "vmauth", "vmalert"}
    assert not reachable_from("gateway") & (stores | ingesters | {"grafana", "vmalert", "alertmanager"})
    inside = ("store", "query", "cloud", "alerts")
    assert all(COMPOSE["networks"][network] == {"internal": True} for network in inside)


def test_no_environment_carries_a_secret() -> None:
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            if re.search(r"PASSWORD|TOKEN|KEY", name):
                assert re.fullmatch(r"/run/secrets/[\w.-]+\.secret", str(value)), name


def test_grafana_has_no_right_to_write() -> None:
    """InfluxDB: a user who may read the bucket. VictoriaMetrics: see test_store_reader.py."""
    script = (DEPLOY / "influxdb" / "make-users").read_text()
    (line,) = [line for line in script.replace("\\\n", "").splitlines() if "v1 auth create" in line]
    assert "--username grafana" in line
    assert "--read-bucket" in line
    assert "--write" not in line
    assert set(SERVICES["grafana"]["secrets"]) == {
        "grafana-admin.secret",
        "influxdb-reader.secret",
        "victoriametrics-reader.secret",
    }


@services
def test_memory_and_processes_of_a_service_are_bounded(name: str) -> None:
    assert {"mem_limit", "pids_limit"} <= set(SERVICES[name])


@services
def test_everything_mounted_is_there(name: str) -> None:
    for outside, _ in bound(SERVICES[name]):
        assert (DEPLOY / outside).exists(), outside
    named = {mount.split(":")[0] for mount in SERVICES[name].get("volumes", []) if not mount.startswith(".")}
    assert named <= set(COMPOSE["volumes"])
    assert set(SERVICES[name].get("secrets", [])) <= set(COMPOSE["secrets"])
    assert set(SERVICES[name].get("networks", [])) <= set(COMPOSE["networks"])


def test_every_secret_is_one_that_the_script_makes_and_stands_where_settings_expect_it() -> None:
    assert {name: f"./secrets/{name}" for name in MADE_BY_SCRIPT} == {
        name: secret["file"] for name, secret in COMPOSE["secrets"].items()
    }
    for name, service in SERVICES.items():
        files = [DEPLOY / outside for outside, _ in bound(service)]
        given = [*service.get("command", []), *map(str, service.get("environment", {}).values())]
        folders = [inside for file in files if file.is_dir() for inside in file.rglob("*.yaml")]
        text = "\n".join([*(file.read_text() for file in (*files, *folders) if file.is_file()), *given])
        wanted = set(re.findall(r"^[^#\n]*/run/secrets/([\w.-]+)", text, re.MULTILINE))
        assert wanted == set(service.get("secrets", [])), name


def test_settings_are_valid() -> None:
    files = [*sorted((DEPLOY / "settings").glob("*.yaml")), *sorted(CONFIGS.glob("*.yaml"))]
    done = qilu("check", *files)
    assert done.returncode == 0, done.stderr
    assert all(str(file) in done.stdout for file in files)


def test_our_commands_are_given_the_files_that_are_mounted() -> None:
    known = qilu("--help").stdout
    for service in SERVICES.values():
        if "build" in service:
            command, *options = service["command"]
            assert f" {command} " in known
            (file,) = [option for option in options if option.endswith(".yaml")]
            assert file in {inside for _, inside in bound(service)}


def test_the_image_has_the_version_of_the_project_and_is_made_from_files_that_exist() -> None:
    version = re.search(r'^version = "(.+)"$', (PROJECT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version is not None
    assert {service["image"] for service in SERVICES.values() if "build" in service} == {f"qilu:{version[1]}"}
    dockerfile = (DEPLOY / "Dockerfile").read_text()
    copied = set(" ".join(re.findall(r"^COPY (?!--from)(.+) \S+$", dockerfile, re.MULTILINE)).split())
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text()
    let_in = set(re.findall(r"^!(.+)$", ignored, re.MULTILINE))
    assert copied == let_in
    assert all((PROJECT / name).exists() for name in copied)
    assert len(set(re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE))) == 1


def test_the_image_is_given_everything_that_the_package_is_made_of() -> None:
    wheel = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"][
        "wheel"
    ]
    needed = {*wheel["packages"], *wheel["force-include"]}
    given = re.findall(r"^!(.+)$", (DEPLOY / "Dockerfile.dockerignore").read_text(), re.MULTILINE)
    assert needed <= set(given)


def test_the_image_has_the_interpreter_that_runs_the_tests() -> None:
    """An image with another minor version would run what no test has run."""
    (image,) = set(re.findall(r"^FROM (\S+)", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE))
    version = re.fullmatch(r"python:(\d+\.\d+)(?:\.\d+)?-slim-bookworm", image)
    assert version is not None
    if os.environ.get("CI") == "true":
        assert version[1] == f"{sys.version_info.major}.{sys.version_info.minor}"


def test_grafana_finds_every_data_source_that_compose_provides() -> None:
    given = set(SERVICES["grafana"]["environment"])
    for outside, _ in bound(SERVICES["grafana"]):
        path = DEPLOY / outside
        for file in [path] if path.is_file() else path.rglob("*.yaml"):
            assert set(re.findall(r"\$\{(\w+)\}", file.read_text())) <= given
