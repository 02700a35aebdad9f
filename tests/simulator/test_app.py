"""The simulator as a program: real time, real sockets, ground truth."""

import asyncio
from pathlib import Path

import pytest

from qilu.contract.errors import ConfigError
from simulator.app import simulate
from simulator.plant.clock import Clock
from simulator.plant.events import Event
from tests.simulator.simulated import plant
from tests.support.virtual_time import virtual_time

AIR = {"device": "air", "machine": "screw-air-compressor"}
METER = {"device": "meter", "machine": "three-phase-energy-meter"}
READ = bytes.fromhex("0001 0000 0006 01 04 0000 0004")


async def ask(port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    head = await reader.readexactly(6)
    body = await reader.readexactly(int.from_bytes(head[4:], "big"))
    writer.close()
    await writer.wait_closed()
    return head + body


async def test_a_plant_is_served_and_runs() -> None:
    running = plant(AIR, METER, step=0.01)
    async with asyncio.timeout(60), simulate(running, free_ports=True) as simulation:
        assert set(simulation.ports) == {5020, 5021}
        reply = await ask(simulation.ports[5020], READ)
        assert reply[7:9] == b"\x04\x08"
        begin = running.tick
        while running.tick < begin + 3:
            await asyncio.sleep(0.01)


async def test_what_was_served_is_in_the_truth_and_nothing_else(tmp_path: Path) -> None:
    running = plant(AIR, step=0.01)
    async with asyncio.timeout(60), simulate(running, truth=tmp_path, free_ports=True) as simulation:
        counters = [await ask(simulation.ports[5020], READ) for _ in range(5)]
        await ask(simulation.ports[5020], bytes.fromhex("0001 0000 0006 01 04 0004 0004"))
    lines = (tmp_path / "requests.csv").read_text().splitlines()
    assert lines[0].startswith("time_ms,tick,device,unit,function,address,count,exception,counter")
    rows = [line.split(",") for line in lines[1:]]
    # low word first: the counter is in the first register
    assert rows.pop()[8] == ""  # read without its counter
    assert (
        [int(row[8]) for row in rows]
        == [int.from_bytes(reply[9:11], "big") for reply in counters]
        == [1, 2, 3, 4, 5]
    )
    assert {row[2] for row in rows} == {"air"}
    assert [int(row[1]) for row in rows] == sorted(int(row[1]) for row in rows)


async def test_a_second_run_appends_to_the_truth(tmp_path: Path) -> None:
    for _ in range(2):
        async with asyncio.timeout(60), simulate(plant(AIR), truth=tmp_path, free_ports=True) as simulation:
            await ask(simulation.ports[5020], READ)
    assert (tmp_path / "requests.csv").read_text().count("time_ms") == 1
    assert len((tmp_path / "requests.csv").read_text().splitlines()) == 3


async def test_a_port_in_use_is_a_config_error() -> None:
    async with asyncio.timeout(60), simulate(plant(AIR), free_ports=True) as simulation:
        taken = plant({**AIR, "port": simulation.ports[5020]})
        with pytest.raises(ConfigError, match="in use"):
            async with simulate(taken):
                pass


async def test_a_paused_plant_stands_still_and_can_be_stepped_by_hand() -> None:
    clock = Clock(plant(AIR, step=0.001))
    clock.paused = True
    task = asyncio.create_task(clock.run())
    await asyncio.sleep(0.05)
    assert clock.plant.tick == 0
    clock.plant.advance()
    assert clock.plant.tick == 1
    clock.paused = False
    async with asyncio.timeout(60):
        while clock.plant.tick < 5:
            await asyncio.sleep(0.001)
    task.cancel()


@virtual_time
async def test_a_plant_that_is_paused_in_the_moment_of_a_tick_stands_still() -> None:
    """Its alarm has rung when the pause comes, and it has not yet gone on."""
    clock, loop = Clock(plant(AIR, step=1)), asyncio.get_running_loop()
    task = asyncio.create_task(clock.run())
    loop.call_at(loop.time() + 1 + 1e-10, setattr, clock, "paused", True)
    await asyncio.sleep(10)
    assert clock.plant.tick == 0
    task.cancel()


async def test_a_faster_clock_makes_more_ticks() -> None:
    slow, fast = Clock(plant(AIR, step=1)), Clock(plant(AIR, step=1, speed=200))
    tasks = [asyncio.create_task(clock.run()) for clock in (slow, fast)]
    async with asyncio.timeout(60):
        while fast.plant.tick < 20:
            await asyncio.sleep(0.005)
    assert slow.plant.tick < fast.plant.tick / 4
    for task in tasks:
        task.cancel()


async def test_what_happens_in_the_plant_is_in_the_truth(tmp_path: Path) -> None:
    fault = {"device": "mould", "fault": "freeze", "point": "clamp_force", "start": 0.2, "duration": 0.3}
    mould = {"device": "mould", "machine": "injection-moulding-machine"}
    running = plant(mould, step=0.1, speed=500, faults=[fault])
    async with asyncio.timeout(60), simulate(running, truth=tmp_path, free_ports=True):
        while running.tick < 600:
            await asyncio.sleep(0.01)
    lines = (tmp_path / "events.csv").read_text().splitlines()
    assert lines[0] == "time_ms,tick,device,event,before,after"
    rows = [line.split(",")[1:] for line in lines[1:]]
    assert [row[1:] for row in rows if row[2].startswith("fault")] == [
        ["mould", "fault freeze clamp_force", "0", "1"],
        ["mould", "fault freeze clamp_force", "1", "0"],
    ]
    assert ["mould", "made", "0", "1"] in [row[1:] for row in rows]


def test_two_runs_with_one_seed_tell_the_same_events() -> None:
    runs = []
    for _ in range(2):
        events: list[Event] = []
        running = plant({"device": "cnc", "machine": "cnc-machining-centre", "replicas": 3})
        running.events.on_event = events.append
        running.advance(2000)
        runs.append(events)
    assert runs[0] == runs[1]
    assert {event.event for event in runs[0]} >= {"made"}


async def test_two_thousand_ports_are_listened_on() -> None:
    many = plant({**METER, "replicas": 2000, "units_per_port": 1, "port": 20_000})
    async with asyncio.timeout(60), simulate(many, free_ports=True) as simulation:
        simulation.clock.paused = True
        assert len(set(simulation.ports.values())) == 2000
        for port in list(simulation.ports.values())[::400]:
            reply = await ask(port, READ)
            assert reply[7:9] == b"\x04\x08"


async def test_a_plant_that_is_too_slow_for_its_speed_says_so_once_and_counts_on(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simulator.plant.clock.MAX_LAG", 0.001)
    clock = Clock(plant(AIR, step=0.001, speed=10_000))
    task = asyncio.create_task(clock.run())
    async with asyncio.timeout(60):
        while clock.ticks_skipped < 100:
            await asyncio.sleep(0.001)
    task.cancel()
    output = [record.getMessage() for record in caplog.records if "were skipped" in record.getMessage()]
    assert len(output) == 1


async def test_a_new_speed_is_heeded_at_once_also_in_the_middle_of_a_long_tick() -> None:
    clock = Clock(plant(AIR, step=10, speed=0.001))
    task = asyncio.create_task(clock.run())
    await asyncio.sleep(0.01)
    clock.speed = 10_000
    async with asyncio.timeout(60):
        while clock.plant.tick < 3:
            await asyncio.sleep(0.001)
    task.cancel()
