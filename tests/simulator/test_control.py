"""Steering a running plant: from this machine, line by line, and nothing that does not fit gets in."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from qilu.contract.errors import ConfigError
from simulator.app import Simulation
from simulator.control import MAX_FAULTS, MAX_LINE
from tests.simulator.serving import held, true
from tests.simulator.simulated import plant

PUMP = {"device": "pump", "machine": "centrifugal-pump"}
Ask = Callable[[Mapping[str, Any]], Coroutine[Any, Any, Any]]


@asynccontextmanager
async def steered(**options: Any) -> AsyncIterator[tuple[Simulation, Ask]]:
    """A held plant with a pump, and how to ask it."""
    async with held(plant(PUMP), control=0, **options) as simulation:
        assert simulation.control is not None
        reader, writer = await asyncio.open_connection("127.0.0.1", simulation.control)

        async def ask(request: Mapping[str, Any]) -> Any:
            writer.write(json.dumps(request).encode() + b"\n")
            return json.loads(await reader.readline())

        try:
            yield simulation, ask
        finally:
            writer.close()


async def test_the_state_of_time_is_told() -> None:
    async with steered() as (simulation, ask):
        simulation.plant.advance(5)
        assert await ask({"do": "status"}) == {
            "plant": "plant",
            "tick": 5,
            "seconds": 5.0,
            "speed": 1.0,
            "paused": True,
            "ticks_skipped": 0,
        }


async def test_a_fault_is_injected_listed_and_repaired(tmp_path: Path) -> None:
    async with steered(truth=tmp_path) as (simulation, ask):
        simulation.plant.advance(10)
        fault = {"device": "pump", "fault": "bearing_wear", "start": "5s", "ramp": "10s", "severity": 0.5}
        assert "error" not in await ask({"do": "inject", "fault": fault})
        [told] = (await ask({"do": "list"}))["faults"]
        assert (told["state"], told["begin"], told["end"]) == ("to come", 15.0, None)
        calm = true(simulation.plant, "pump")["vibration"]
        simulation.plant.advance(40)
        [told] = (await ask({"do": "list", "device": "pump"}))["faults"]
        assert (told["state"], told["severity"]) == ("active", 0.5)
        assert true(simulation.plant, "pump")["vibration"] > 2 * calm
        assert (await ask({"do": "repair", "device": "pump", "name": "bearing_wear"}))["repaired"] == 1
        simulation.plant.advance(5)
        [told] = (await ask({"do": "list"}))["faults"]
        assert told["state"] == "over"
    events = (tmp_path / "events.csv").read_text()
    assert ",15,pump,fault bearing_wear,0,1\n" in events
    assert ",51,pump,fault bearing_wear,1,0\n" in events


async def test_a_device_s_possible_faults_are_told() -> None:
    async with steered() as (_, ask):
        assert {"bearing_wear", "drift", "reboot"} <= set(
            (await ask({"do": "list", "device": "pump"}))["possible"]
        )


async def test_time_is_held_stepped_let_go_and_made_faster() -> None:
    async with steered() as (simulation, ask):
        assert (await ask({"do": "step", "ticks": 120}))["tick"] == 120
        await ask({"do": "speed", "speed": 1000})
        assert not (await ask({"do": "resume"}))["paused"]
        async with asyncio.timeout(10):
            while simulation.plant.tick < 140:
                await asyncio.sleep(0.005)
        stopped = (await ask({"do": "pause"}))["tick"]
        assert (await ask({"do": "status"}))["tick"] == stopped


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        ({"do": "explode"}, "do"),
        ({"do": "step", "ticks": 0}, "ticks"),
        ({"do": "speed", "speed": -1}, "speed"),
        ({"do": "speed"}, "no speed was given"),
        ({"do": "inject"}, "no fault was given"),
        ({"do": "inject", "fault": {"device": "pimp", "fault": "leak", "start": 0}}, "did you mean pump?"),
        ({"do": "inject", "fault": {"device": "pump", "fault": "bearing_war", "start": 0}}, "bearing_wear"),
        ({"do": "inject", "fault": {"device": "pump", "fault": "drift", "start": 0}}, "needs the point"),
        ({"do": "inject", "fault": {"device": "pump", "fault": "reboot", "start": "-3s"}}, "not a duration"),
        ({"do": "inject", "fault": {"device": "pump", "fault": "reboot", "start": 0, "when": 1}}, "when"),
        ({"do": "repair"}, "no device was given"),
        ({"do": "repair", "device": "pump"}, "pump has no fault"),
        ({"do": "repair", "device": "x"}, "no device 'x'"),
        ({"do": "list", "device": "x"}, "no device 'x'"),
    ],
)
async def test_what_cannot_be_done_is_told_and_the_conversation_goes_on(
    request_: Mapping[str, Any], said: str
) -> None:
    async with steered() as (_, ask):
        assert said in (await ask(request_))["error"]
        assert (await ask({"do": "status"}))["tick"] == 0


async def test_a_running_plant_is_not_stepped_by_hand() -> None:
    async with steered() as (simulation, ask):
        simulation.clock.paused = False
        assert "pause it" in (await ask({"do": "step"}))["error"]


@pytest.mark.parametrize(
    "garbage",
    [
        b"POST / HTTP/1.1\r\n",
        b"\xff\xfe\n",
        b"[1]\n",
        b"\n",
        b"7\n",
        b"{" * (MAX_LINE + 10),
        b'{"do": \n',
        b'{"do": ' + b"[" * 30_000 + b"]" * 30_000 + b"}",
        b'{"do": ' + b"9" * 60_000 + b"}",
    ],
)
async def test_a_line_that_is_no_object_ends_the_connection_and_does_nothing(garbage: bytes) -> None:
    async with held(plant(PUMP), control=0) as simulation:
        assert simulation.control is not None
        reader, writer = await asyncio.open_connection("127.0.0.1", simulation.control)
        writer.write(garbage + b'\n{"do": "resume"}\n')
        try:
            assert await reader.read() == b""
        except ConnectionResetError:
            pass  # it had not read all of it
        writer.close()
        assert simulation.clock.paused


@pytest.mark.parametrize("device", ["9" * 60_000, "9" * 4_400, "x" * 5_000])
async def test_a_name_without_end_is_refused_and_the_next_request_is_served(device: str) -> None:
    async with steered() as (_, ask):
        assert "device" in (await ask({"do": "repair", "device": device}))["error"]
        assert (await ask({"do": "status"}))["tick"] == 0


async def test_faults_and_steps_of_one_client_are_bounded() -> None:
    async with steered() as (_, ask):
        fault = {"device": "pump", "fault": "drift", "point": "vibration", "start": 0, "magnitude": 1}
        for _ in range(MAX_FAULTS):
            assert "error" not in await ask({"do": "inject", "fault": fault})
        assert "repair some of them first" in (await ask({"do": "inject", "fault": fault}))["error"]
        assert "ticks" in (await ask({"do": "step", "ticks": 1_000_000}))["error"]


async def test_stepping_ends_when_its_client_leaves() -> None:
    async with held(plant(PUMP), control=0) as simulation:
        assert simulation.control is not None
        _, writer = await asyncio.open_connection("127.0.0.1", simulation.control)
        writer.write(b'{"do": "step", "ticks": 100000}\n')
        while simulation.plant.tick == 0:
            await asyncio.sleep(0.001)
        writer.transport.abort()
        ticks = -1
        while ticks != simulation.plant.tick:
            ticks = simulation.plant.tick
            await asyncio.sleep(0.2)
        assert ticks < 100_000


async def test_it_listens_on_the_loopback_address_alone_also_where_the_plant_is_open_to_all() -> None:
    async with held(plant(PUMP, host="0.0.0.0"), control=0) as simulation:
        assert simulation.control is not None
        with pytest.raises(OSError):  # noqa: PT011  # whatever the system says to it
            await asyncio.open_connection("127.0.0.2", simulation.control)


async def test_a_port_of_control_that_is_taken_is_a_config_error() -> None:
    async with held(plant(PUMP), control=0) as simulation:
        with pytest.raises(ConfigError, match=f"{simulation.control}: the port is in use"):
            async with held(plant(PUMP), control=simulation.control):
                pass
