"""Control of a running plant over HTTP: from this machine, and nothing that does not fit gets in."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from qilu.contract.errors import ConfigError
from qilu.web.settings import WebSettings, on_port
from qilu.web.tokens import new_token, write_tokens
from qilu_cli.commands import plant_control
from simulator.app import Simulation, load
from simulator.control import server as control_server
from simulator.control.commands import MAX_FAULTS
from simulator.plant.settings import PlantSettings
from tests.simulator.serving import held, true
from tests.simulator.simulated import plant
from tests.web import raw

PUMP = {"device": "pump", "machine": "centrifugal-pump", "label": {"zh": "循环泵", "en": "Pump"}}
CLOCK, FAULTS = "api/v1/factory/clock", "api/v1/factory/faults"
PLAYBACK, SETPOINTS = "api/v1/factory/playback", "api/v1/factory/setpoints"


class Client:
    """Asks as a program would: replies are JSON, and errors are texts."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.session = session

    async def get(self, path: str) -> Any:
        return await self._ask("GET", path, None)

    async def post(self, path: str, body: Any) -> Any:
        return await self._ask("POST", path, body)

    async def delete(self, path: str) -> Any:
        return await self._ask("DELETE", path, None)

    async def _ask(self, method: str, path: str, body: Any) -> Any:
        async with self.session.request(method, path, json=body) as reply:
            content = await reply.json()
        error = content.get("error")
        return content if error is None else {"error": f"{error['text']}; {error['remedy']}"}


@asynccontextmanager
async def steered(**options: Any) -> AsyncIterator[tuple[Simulation, Client]]:
    """A held plant with a pump, and how to ask it."""
    async with held(plant(PUMP), control=on_port(0), **options) as simulation:
        assert simulation.url is not None
        async with aiohttp.ClientSession(simulation.url) as session:
            yield simulation, Client(session)


async def test_the_state_of_time_is_reported() -> None:
    async with steered() as (simulation, client):
        simulation.plant.advance(5)
        assert await client.get(CLOCK) == {
            "plant": "plant",
            "tick": 5,
            "seconds": 5.0,
            "speed": 1.0,
            "paused": True,
            "ticks_skipped": 0,
        }


async def test_a_fault_is_injected_listed_and_repaired(tmp_path: Path) -> None:
    async with steered(truth=tmp_path) as (simulation, client):
        simulation.plant.advance(10)
        fault = {"device": "pump", "fault": "bearing_wear", "start": "5s", "ramp": "10s", "severity": 0.5}
        assert "error" not in await client.post(FAULTS, fault)
        [reported] = (await client.get(FAULTS))["faults"]
        assert (reported["state"], reported["begin"], reported["end"]) == ("to come", 15.0, None)
        calm = true(simulation.plant, "pump")["vibration"]
        simulation.plant.advance(40)
        [reported] = (await client.get(f"{FAULTS}/pump"))["faults"]
        assert (reported["state"], reported["severity"]) == ("active", 0.5)
        assert true(simulation.plant, "pump")["vibration"] > 2 * calm
        assert (await client.delete(f"{FAULTS}/pump/bearing_wear"))["repaired"] == 1
        simulation.plant.advance(5)
        [reported] = (await client.get(FAULTS))["faults"]
        assert reported["state"] == "over"
        causes = (await client.get("api/v1/factory"))["causes"]
        texts = [cause["text"]["zh"] for cause in causes if cause["kind"] == "cause"]
        assert texts == ["循环泵（pump）：消除：轴承磨损", "循环泵（pump）：出现：轴承磨损"]
    events = (tmp_path / "events.csv").read_text()
    assert ",15,pump,fault bearing_wear,0,1\n" in events
    assert ",51,pump,fault bearing_wear,1,0\n" in events


async def test_a_device_s_possible_faults_are_reported_with_their_expectation() -> None:
    async with steered() as (_, client):
        possible = {fault["fault"]: fault for fault in (await client.get(f"{FAULTS}/pump"))["possible"]}
    assert {"bearing_wear", "drift", "reboot", "late_reply"} <= possible.keys()
    assert possible["bearing_wear"]["label"] == {"zh": "轴承磨损", "en": "bearing wear"}
    assert "振动" in possible["bearing_wear"]["expect"]["zh"]
    assert "vibration" in possible["drift"]["points"]


async def test_every_possible_fault_can_be_injected_with_its_defaults() -> None:
    async with steered() as (simulation, client):
        for fault in (await client.get(f"{FAULTS}/pump"))["possible"]:
            body = {"device": "pump", "fault": fault["fault"], **fault["defaults"]}
            if "points" in fault:
                body["point"] = "vibration"
            missing = [key for key in fault.get("parameters", ()) if key not in body]
            reply = await client.post(FAULTS, body)
            assert ("error" in reply) == bool(missing) or "point" in str(reply), (body, reply)
        simulation.plant.advance(3)


async def test_time_is_held_stepped_let_go_and_made_faster() -> None:
    async with steered() as (simulation, client):
        assert (await client.post(CLOCK, {"step": 120}))["tick"] == 120
        await client.post(CLOCK, {"speed": 1000})
        assert not (await client.post(CLOCK, {"paused": False}))["paused"]
        async with asyncio.timeout(60):
            while simulation.plant.tick < 140:
                await asyncio.sleep(0.005)
        stopped = (await client.post(CLOCK, {"paused": True}))["tick"]
        assert (await client.get(CLOCK))["tick"] == stopped


@pytest.mark.parametrize(
    ("path", "body", "wanted"),
    [
        (CLOCK, {"explode": 1}, "explode"),
        (CLOCK, {"step": 0}, "step"),
        (CLOCK, {"step": 1_000_000}, "step"),
        (CLOCK, {"speed": -1}, "speed"),
        (CLOCK, [], "no change was given"),
        (CLOCK, None, "no change was given"),
        (FAULTS, None, "no fault was given"),
        (FAULTS, {}, "device"),
        (FAULTS, {"device": "pimp", "fault": "leak"}, "did you mean pump?"),
        (FAULTS, {"device": "pump", "fault": "bearing_war"}, "bearing_wear"),
        (FAULTS, {"device": "pump", "fault": "drift"}, "needs the point"),
        (FAULTS, {"device": "pump", "fault": "reboot", "start": "-3s"}, "not a duration"),
        (FAULTS, {"device": "pump", "fault": "reboot", "when": 1}, "when"),
        (FAULTS, {"device": "pump", "fault": "late_reply"}, "delay"),
    ],
)
async def test_what_cannot_be_done_is_reported_and_the_conversation_goes_on(
    path: str, body: Any, wanted: str
) -> None:
    async with steered() as (_, client):
        assert wanted in (await client.post(path, body))["error"]
        assert (await client.get(CLOCK))["tick"] == 0


@pytest.mark.parametrize(
    ("method", "path", "wanted"),
    [
        ("DELETE", f"{FAULTS}/pump", "pump has no fault"),
        ("DELETE", f"{FAULTS}/x", "no device 'x'"),
        ("GET", f"{FAULTS}/x", "no device 'x'"),
        ("DELETE", f"{FAULTS}/" + "9" * 4_400, "no device"),
        ("DELETE", f"{FAULTS}/" + "x" * 5_000, "no device"),
    ],
)
async def test_a_device_that_is_not_there_is_reported(method: str, path: str, wanted: str) -> None:
    async with steered() as (_, client):
        assert wanted in (await client._ask(method, path, None))["error"]


async def test_a_running_plant_is_not_stepped_by_hand() -> None:
    async with steered() as (simulation, client):
        simulation.clock.paused = False
        assert "pause it" in (await client.post(CLOCK, {"step": 1}))["error"]


async def test_faults_of_a_plant_are_bounded() -> None:
    async with steered() as (_, client):
        fault = {"device": "pump", "fault": "drift", "point": "vibration", "magnitude": 1}
        for _ in range(MAX_FAULTS):
            assert "error" not in await client.post(FAULTS, fault)
        assert "repair some of them first" in (await client.post(FAULTS, fault))["error"]


async def test_stepping_ends_when_its_client_leaves() -> None:
    async with held(plant(PUMP), control=on_port(0)) as simulation:
        assert simulation.control is not None
        async with raw.connected(simulation.control) as (_, writer):
            body = b'{"step": 100000}'
            head = ("Content-Type: application/json", f"Content-Length: {len(body)}")
            writer.write(raw.request(f"/{CLOCK}", *head, method="POST") + body)
            while simulation.plant.tick == 0:
                await asyncio.sleep(0.001)
            writer.transport.abort()
        ticks = -1
        while ticks != simulation.plant.tick:
            ticks = simulation.plant.tick
            await asyncio.sleep(0.2)
        assert ticks < 100_000


async def test_it_listens_on_the_loopback_address_alone_also_where_the_plant_is_open_to_all() -> None:
    async with held(plant(PUMP, host="0.0.0.0"), control=on_port(0)) as simulation:
        assert simulation.control is not None
        with pytest.raises(OSError):  # noqa: PT011  # whatever the system says to it
            await asyncio.open_connection("127.0.0.2", simulation.control)


async def test_a_port_of_control_that_is_taken_is_a_config_error() -> None:
    async with held(plant(PUMP), control=on_port(0)) as simulation:
        assert simulation.control is not None
        with pytest.raises(ConfigError, match=f"{simulation.control}: the port is in use"):
            async with held(plant(PUMP), control=on_port(simulation.control)):
                pass


@pytest.mark.parametrize(
    "headers",
    [
        ("Content-Type: text/plain",),
        ("Content-Type: application/json", "Origin: http://evil.example.com"),
        ("Content-Type: application/json", "Sec-Fetch-Site: cross-site"),
    ],
)
async def test_a_page_of_another_site_changes_nothing(headers: tuple[str, ...]) -> None:
    async with held(plant(PUMP), control=on_port(0)) as simulation:
        assert simulation.control is not None
        body = b'{"paused": false}'
        request = raw.request(f"/{CLOCK}", *headers, f"Content-Length: {len(body)}", method="POST")
        assert raw.status(await raw.reply(simulation.control, request + body)) in (403, 415)
        rebound = raw.request(f"/{CLOCK}", host="evil.example.com")
        assert raw.status(await raw.reply(simulation.control, rebound)) == 421
        assert simulation.clock.paused


async def test_a_token_is_demanded_where_the_file_asks_for_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text, token = new_token("operator", "2026-12-01T00:00:00Z")
    tokens = tmp_path / "tokens.json"
    write_tokens(tokens, [token])
    settings = WebSettings.model_validate({"listen": "127.0.0.1:0", "demand_token": True})
    async with held(plant(PUMP), control=settings, tokens=tokens) as simulation:
        port = str(simulation.control)
        with pytest.raises(ConfigError, match="console token operator"):
            await plant_control.send(port, "GET", "factory/clock", as_json=True)
        monkeypatch.setenv("QILU_TOKEN", text)
        await plant_control.send(port, "GET", "factory/clock", as_json=True)
    assert json.loads(capsys.readouterr().out)["tick"] == 0


async def test_the_factory_is_followed_live() -> None:
    async with steered() as (simulation, client), client.session.ws_connect("api/v1/live") as socket:
        greeting = await socket.receive_json(timeout=10)
        assert greeting["hello"]["role"] == "plant"
        await socket.send_json({"subscribe": ["factory"]})
        while "snapshot" not in (message := await socket.receive_json(timeout=10)):
            pass
        # a pump is a utility, and no line is left
        [utility] = message["snapshot"]["utilities"]
        assert (utility["device"], utility["label"]["zh"], utility["unit"]) == ("pump", "循环泵", "bar")
        simulation.plant.advance(3)
        while "changes" not in (message := await socket.receive_json(timeout=10)):
            pass
        assert message["changes"]["tick"] == 3


async def test_lines_have_machines_with_their_state_parts_and_buffers() -> None:
    machines = [
        {"device": f"m{number}", "machine": "injection-moulding-machine", "line": "packing"}
        for number in (1, 2)
    ]
    robot = {"device": "robot", "machine": "robot-cell", "line": "packing"}
    buffers = [{"after": ["m1", "m2"], "before": ["robot"], "capacity": 12, "filled": 4}]
    async with held(plant(*machines, robot, buffers=buffers), control=on_port(0)) as simulation:
        assert simulation.url is not None
        async with aiohttp.ClientSession(simulation.url) as session:
            factory = await Client(session).get("api/v1/factory")
    [line] = factory["lines"]
    assert [machine["device"] for machine in line["machines"]] == ["m1", "m2", "robot"]
    assert all(machine["parts"] > 0 and machine["value"]["unit"] for machine in line["machines"])
    assert {machine["state"] for machine in line["machines"]} <= {"running", "idle", "setup", "off"}
    assert line["buffers"] == [{"from": ["m1", "m2"], "to": ["robot"], "level": 4, "capacity": 12}]


def test_a_port_and_a_mapping_mean_the_same_control() -> None:
    machine = {"device": "pump", "machine": "centrifugal-pump", "port": 5020}
    port = PlantSettings.model_validate({"control": 5019, "machines": [machine]})
    mapping = PlantSettings.model_validate({"control": {"listen": 5019}, "machines": [machine]})
    assert port.control_settings == mapping.control_settings == on_port(5019)


async def test_a_recording_is_moved_held_and_let_go(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("time_ms,power\n0,1\n1000,2\n2000,3\n3000,4\n")
    (tmp_path / "plant.yaml").write_text(
        "step: 1s\nmachines:\n  - {device: played, machine: eastron-sdm630, port: 5020, "
        "playback: {file: log.csv}}\n  - {device: other, machine: eastron-sdm630, port: 5021}\n"
    )
    running = load(tmp_path / "plant.yaml", lowest_port=1)
    async with held(running, control=on_port(0)) as simulation:
        assert simulation.url is not None
        async with aiohttp.ClientSession(simulation.url) as session:
            client = Client(session)
            (state,) = (await client.get(PLAYBACK))["playback"]
            assert (state["device"], state["position"], state["duration"]) == ("played", 0.0, 4.0)
            changed = await client.post(f"{PLAYBACK}/played", {"position": 2.0, "paused": True})
            assert changed["playback"][0]["paused"]
            running.advance(3)
            assert true(running, "played")["power"] == 3.0
            await client.post(f"{PLAYBACK}/played", {"paused": False})
            running.advance()
            assert true(running, "played")["power"] == 4.0
            refused = await client.post(f"{PLAYBACK}/other", {"position": 1})
            assert "shows no recording" in refused["error"]


async def test_set_points_are_written_within_their_limits() -> None:
    async with steered() as (simulation, client):
        before = {entry["point"]: entry for entry in (await client.get(f"{SETPOINTS}/pump"))["setpoints"]}
        assert before["speed_set"]["max"] is not None
        await client.post(f"{SETPOINTS}/pump/speed_set", {"value": before["speed_set"]["min"]})
        simulation.plant.advance()
        assert true(simulation.plant, "pump")["speed_set"] == before["speed_set"]["min"]
        high = await client.post(f"{SETPOINTS}/pump/speed_set", {"value": 1e9})
        assert "1e+09 is not possible" in high["error"]
        missing = await client.post(f"{SETPOINTS}/pump/sped_set", {"value": 1})
        assert "speed_set" in missing["error"]


def test_the_description_names_the_routes_of_the_server() -> None:
    described = yaml.safe_load(Path(control_server.__file__).with_name("openapi.yaml").read_text("utf-8"))
    assert described["openapi"].startswith("3.1")
    routes = {
        (method.upper(), path)
        for path, item in described["paths"].items()
        for method in item
        if method != "parameters"
    }
    built = {(route.method, route.path) for route in control_server.routes_of(plant(PUMP))}
    assert built == routes


@pytest.mark.slow
async def test_the_live_server_keeps_to_its_description(tmp_path: Path) -> None:
    """A failure prints the request; the seed makes the same requests again."""
    program = Path(sys.executable).with_name("schemathesis")
    description = Path(control_server.__file__).with_name("openapi.yaml")
    async with held(plant(PUMP), control=on_port(0)) as simulation:
        assert simulation.url is not None
        arguments = (
            *("run", str(description), "--url", simulation.url.rstrip("/"), "--no-color"),
            *("--seed", "7", "--max-examples", "6", "--workers", "1", "--request-timeout", "20"),
            *("--phases", "examples,coverage,fuzzing"),
            # The description does not name the faults of a device; steps of a running plant are refused.
            *("--exclude-checks", "positive_data_acceptance"),
        )
        process = await asyncio.create_subprocess_exec(
            program,
            *arguments,
            cwd=tmp_path,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            async with asyncio.timeout(120):
                output, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
    assert process.returncode == 0, output.decode()
