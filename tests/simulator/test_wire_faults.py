"""Faults of the wire in a plant: scripted, steered, told, the same in every run, refused where impossible."""

from __future__ import annotations

import asyncio
import csv
import struct
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from qilu.config.profiles import shipped_configs
from qilu.contract.errors import ConfigError
from qilu.contract.profile import Table
from qilu.modbus.framing import Frame
from qilu.modbus.pdu import read_request
from qilu.modbus.tcp import TcpFramer
from qilu.web.settings import on_port
from qilu_cli.commands.plant_control import Injection, faults_path, inject, send
from simulator.app import load, simulate
from simulator.machines import MODELS
from simulator.network_faults.catalogue import FAULTS, network_fault
from tests.simulator.memory import raw_client
from tests.simulator.serving import FIRST, held
from tests.simulator.simulated import plant

PUMP = {"device": "pump", "machine": "centrifugal-pump", "port": FIRST}
TWO = ({**PUMP, "unit_id": 1}, {**PUMP, "device": "other", "unit_id": 2})
ASK = read_request(3, 0, 1)


async def asked(port: int, count: int, unit: int = 1) -> list[int]:
    """Of so many requests over one connection: the function code of each reply."""
    async with raw_client(("127.0.0.1", port)) as client:
        return [(await client.ask(unit, ASK))[0] for _ in range(count)]


def rows(table: Path) -> list[dict[str, str]]:
    with table.open() as file:
        return list(csv.DictReader(file))


async def test_a_fault_of_a_device_strikes_its_unit_alone_at_its_time() -> None:
    busy = {"fault": "exception", "code": 6, "start": 2, "duration": 2}
    async with held(plant({**TWO[0], "network_faults": [busy]}, TWO[1])) as simulation:
        port = simulation.ports[FIRST]
        message = []
        for _ in range(6):
            message.append((await asked(port, 1), await asked(port, 1, unit=2)))
            simulation.plant.advance()
    assert message == [([131 if second in (2, 3) else 3], [3]) for second in range(6)]


async def test_a_fault_of_a_port_strikes_all_behind_it_and_nobody_else() -> None:
    elsewhere = {**PUMP, "device": "elsewhere", "port": FIRST + 1}
    running = plant(*TWO, elsewhere, network_faults=[{"port": FIRST, "fault": "exception", "code": 4}])
    async with held(running) as simulation:
        here, there = simulation.ports[FIRST], simulation.ports[FIRST + 1]
        assert (await asked(here, 1), await asked(here, 1, 2), await asked(there, 1)) == ([131], [131], [3])


async def test_the_only_device_of_a_port_is_struck_by_whatever_id_it_is_asked() -> None:
    async with held(plant({**PUMP, "network_faults": [{"fault": "exception", "code": 4}]})) as simulation:
        port = simulation.ports[FIRST]
        assert [await asked(port, 1, unit) for unit in (0, 1, 255)] == [[131]] * 3


async def test_some_are_let_pass_and_no_more_are_struck_than_wanted() -> None:
    wire = [{"fault": "exception", "code": 4, "skip": 2, "max_count": 3}]
    async with held(plant({**PUMP, "network_faults": wire})) as simulation:
        assert await asked(simulation.ports[FIRST], 8) == [3, 3, 131, 131, 131, 3, 3, 3]


async def test_a_share_strikes_the_same_requests_in_every_run_and_others_with_another_seed() -> None:
    async def run(seed: int) -> list[int]:
        wire = [{"fault": "exception", "code": 4, "probability": 0.3}]
        async with held(plant({**PUMP, "network_faults": wire}, seed=seed)) as simulation:
            return await asked(simulation.ports[FIRST], 300)

    first, again, other = await run(1), await run(1), await run(2)
    assert first == again != other
    assert 50 < Counter(first)[131] < 130


async def test_a_neighbours_traffic_does_not_change_who_is_struck() -> None:
    wire = [{"fault": "exception", "code": 4, "probability": 0.5}]

    async def run(between: int) -> list[int]:
        async with held(plant({**TWO[0], "network_faults": wire}, TWO[1])) as simulation:
            port, message = simulation.ports[FIRST], []
            for _ in range(30):
                message += await asked(port, 1)
                await asked(port, between, unit=2)
            return message

    assert await run(0) == await run(2)


async def test_what_was_sent_stands_in_the_truth_beside_what_was_served(tmp_path: Path) -> None:
    wire = [{"fault": "truncate", "missing_bytes": 2, "skip": 1}]
    async with held(plant({**PUMP, "network_faults": wire}), truth=tmp_path) as simulation:
        async with raw_client(("127.0.0.1", simulation.ports[FIRST])) as client:
            right = await client.ask(1, ASK)
            client.send(Frame(5, 1, ASK))
            await asyncio.sleep(0.05)
    sent = TcpFramer().encode(5, 1, right)[:-2].hex()
    [row] = rows(tmp_path / "wire.csv")
    assert (row["place"], row["unit"], row["fault"], row["sent"]) == (str(FIRST), "1", "truncate", sent)
    assert len(rows(tmp_path / "requests.csv")) == 2, "the device answered both"
    events = [row["event"] for row in rows(tmp_path / "events.csv")]
    assert "fault wire truncate" in events


async def test_a_fault_is_injected_and_repaired_while_the_plant_runs() -> None:
    async with held(plant(*TWO)) as simulation:
        port, running = simulation.ports[FIRST], simulation.plant
        running.advance(7)
        running.wires.inject(network_fault({"fault": "exception", "code": 4, "device": "pump"}))
        running.wires.inject(network_fault({"fault": "exception", "code": 4, "port": FIRST, "start": 9}))
        assert (await asked(port, 1), await asked(port, 1, 2)) == ([131], [3])
        running.advance(3)
        assert await asked(port, 1, 2) == [131]
        assert running.wires.repair("exception", device="pump") == 1
        assert await asked(port, 1) == [131]
        assert running.wires.repair("exception", port=FIRST) == 1
        assert (await asked(port, 1), await asked(port, 1, 2)) == ([3], [3])
        assert list(running.wires.faults) == []


def refusal(**raw: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        network_fault(raw)
    [error] = caught.value.errors()
    remedy = error.get("ctx", {}).get("remedy")
    return f"{'.'.join(map(str, error['loc']))}: {error['msg']}; {remedy}"


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"fault": "late_replay"}, "fault: no fault of the wire 'late_replay'; did you mean late_reply?"),
        ({}, "fault: is missing; there are: bad_length, block_limit"),
        ({"fault": "slow", "delay": 1, "strat": 3}, "strat: unknown key; did you mean start?"),
        (
            {"fault": "slow", "delay": 1, "start": 5, "duration": 0},
            "duration: Input should be greater than 0",
        ),
        ({"fault": "slow", "delay": 1, "start": -5}, "start: -5 is not a duration"),
        ({"fault": "slow"}, "delay: Field required"),
        ({"fault": "garbage", "device": "a", "port": 1}, "port: a device is given too"),
        ({"fault": "garbage", "probability": 0}, "probability: Input should be greater than 0"),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_remedy(raw: dict[str, Any], message: str) -> None:
    assert message in refusal(**raw)


@pytest.mark.parametrize(
    ("wire", "message"),
    [
        ({"device": "pomp", "fault": "slow", "delay": 1}, "no device pomp; did you mean pump?"),
        ({"port": 9999, "fault": "slow", "delay": 1}, "no port 9999; there are: 5020"),
        (
            {"fault": "sentinel", "point": "outlet_presure"},
            "no point outlet_presure in a register; did you mean ",
        ),
    ],
)
def test_what_does_not_fit_the_plant_is_reported_with_its_line(
    tmp_path: Path, wire: Mapping[str, Any], message: str
) -> None:
    file = tmp_path / "plant.yaml"
    entries = ", ".join(f"{key}: {value}" for key, value in wire.items())
    pump = "{device: pump, machine: centrifugal-pump, port: 5020}"
    file.write_text(f"machines:\n  - {pump}\nnetwork_faults:\n  - {{{entries}}}\n")
    with pytest.raises(ConfigError) as caught:
        load(file)
    text = str(caught.value)
    assert f"{file}:4: network_faults.0" in text
    assert message in text


def test_no_fault_of_the_wire_has_the_name_of_another_fault() -> None:
    for model in MODELS:
        known = plant({"device": "one", "machine": model}).possible_faults("one")
        assert not set(known) & set(FAULTS)


async def test_the_hostile_network_that_is_shipped_runs() -> None:
    running = load(shipped_configs() / "hostile-network.yaml")
    assert len({fault.fault for fault in running.wires.faults}) >= 10
    async with simulate(running, free_ports=True) as simulation:
        async with raw_client(("127.0.0.1", simulation.ports[5053])) as client:
            assert (await client.ask(1, read_request(3, 0, 41)))[0] == 131


def test_a_fault_goes_into_a_file_and_back() -> None:
    for raw in ({"fault": "slow", "delay": "200ms", "duration": "1h"}, {"fault": "sentinel", "point": "a"}):
        fault = network_fault(raw)
        assert network_fault(fault.model_dump(mode="json")) == fault


async def test_a_fault_of_the_wire_is_steered_from_the_command_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async with held(plant(*TWO), control=on_port(0)) as simulation:
        steer, port = str(simulation.control), simulation.ports[FIRST]

        async def add(device: str, fault: str, *parameters: str, **options: Any) -> None:
            await inject(steer, Injection(device, fault, parameters, **options), as_json=False)

        async def reply(method: str, device: str, name: str | None = None) -> list[str]:
            capsys.readouterr()
            await send(steer, method, faults_path(device, name), as_json=False)
            return capsys.readouterr().out.splitlines()

        await add("pump", "exception", "code=0x06", "probability=1", duration="5s")
        await add(str(FIRST), "late_reply", "delay=1ms", start_in="1h")
        assert any("exception" in line and "active" in line for line in await reply("GET", "pump"))
        assert any("late_reply" in line and "to come" in line for line in await reply("GET", "other"))
        assert await asked(port, 1) == [131]
        simulation.plant.advance(5)
        assert await asked(port, 1) == [3]
        assert "1 repaired" in await reply("DELETE", str(FIRST))
        await add("*", "half_open", "max_count=1")
        assert "1 repaired" in await reply("DELETE", "*", "half_open")
        for arguments, message in {
            ("pump", "exception"): "code",
            ("pump", "exception", "cod=1"): "did you mean code",
            ("pump", "exception", "1"): "is no parameter",
            ("pump", "exception", "code=boom"): "not a whole number",
            ("pomp", "frozen"): "no device pomp",
        }.items():
            with pytest.raises(ConfigError) as caught:
                await add(*arguments)
            assert message in str(caught.value)


async def test_a_device_that_checks_nothing_replies_to_a_block_beyond_every_limit() -> None:
    made = plant({"device": "pump", "machine": "centrifugal-pump"}, network_faults=[{"fault": "no_limits"}])
    async with held(made) as simulation:
        reader, writer = await asyncio.open_connection("127.0.0.1", simulation.ports[FIRST])
        for function, count, size in ((3, 126, 252), (4, 200, 400), (1, 2001, 251)):
            writer.write(struct.pack(">HHHBBHH", 1, 0, 6, 1, function, 0, count))
            head = await reader.readexactly(9)
            assert head[7:] == bytes((function, size & 0xFF))
            data = await reader.readexactly(size)
            if function == 3:
                device = made.devices["pump"]
                assert data[80:82] == device.read_registers(Table.HOLDING, 40, 1)
        writer.close()


def test_a_unit_id_that_no_device_of_the_port_has_cannot_be_the_only_one() -> None:
    alone = {**PUMP, "device": "alone", "port": FIRST + 1}
    zero = {"fault": "unit_zero_only"}
    both = plant(*TWO, alone, network_faults=[zero])
    [problem] = both.wires.problems(network_fault({**zero, "device": "pump"}))
    assert problem.loc == ("unit_id",)
    assert "no device there has the unit id 0" in problem.text
    assert not list(both.wires.problems(network_fault({**zero, "device": "alone"})))
    assert not list(both.wires.problems(network_fault({**zero, "device": "pump", "unit_id": 2})))
    assert [len(both.wires[port].faults) for port in (FIRST, FIRST + 1)] == [0, 1]
