"""The end of its terminal ends no program that is meant to run on, and `demo` honours `control:`."""

import json
import os
import re
import signal
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from tests.servers import Mosquitto, VictoriaMetrics
from tests.servers.process import free_port
from tests.system.programs import Qilu, eventually, qilu
from tests.system.road import Road

PLANT = "plant: small\ncontrol: {control}\nmachines: [{{device: m-1, machine: chiller, port: {port}}}]\n"


def hears_hangups(program: Qilu) -> bool:
    """Whether its handler is there: it has begun to run."""
    caught = re.search(r"SigCgt:\s*(\w+)", Path(f"/proc/{program.pid}/status").read_text())
    return caught is not None and bool(int(caught[1], 16) & 1 << signal.SIGHUP - 1)


def programs(road: Road, audited: str) -> Sequence[Qilu]:
    """Those that the road has not."""
    folder, at = road.folder, f"127.0.0.1:{free_port()}"
    settings = {
        "ingester": "audited",
        "store": {"type": "influx", "server": "victoriametrics", "url": audited},
    }
    (folder / "audited.yaml").write_text(json.dumps(settings))
    (folder / "demo.yaml").write_text(PLANT.format(control=free_port(), port=free_port()))
    machine = road.endpoints["chiller-1"].removeprefix("tcp://")
    rows = ("--profile", "chiller", "--unit", "2", "--every", "100ms")
    return [
        Qilu(folder, "console", "--store", folder / "store.db", "--listen", at, ready="http://"),
        Qilu(folder, "audit", "--store", folder / "audited.yaml", "--every", "1h", ready=""),
        Qilu(folder, "record", machine, folder / "rows.csv", *rows, ready=""),
        Qilu(folder, "demo", "--headless", "--config", folder / "demo.yaml", "--data-dir", folder / "demo",
             "--no-console", ready=" durable after "),
    ]  # fmt: skip


async def test_a_hangup_ends_none_of_them_and_a_demo_honours_control(
    mosquitto: Mosquitto, victoria_metrics: VictoriaMetrics, tmp_path: Path
) -> None:
    road = Road(tmp_path, {"port": mosquitto.port}, {"type": "sqlite", "file": "store.db"})
    async with road:
        await road.flows()
        with ExitStack() as running:
            others = [running.enter_context(program) for program in programs(road, victoria_metrics.url)]
            rows = road.folder / "rows.csv"
            await eventually(lambda: rows.exists() and rows.read_text().count("\n") > 2, "rows")
            demo = others[-1]
            found = re.search(r"qilu plant inject (\S+) DEVICE FAULT", demo.output())
            assert found is not None
            everything = [road.simulator, *road.ingesters, road.gateway, *others]
            for program in everything:
                await eventually(partial(hears_hangups, program), f"{program.arguments} to run")
                os.kill(program.pid, signal.SIGHUP)
            injected = qilu("plant", "inject", found[1], "m-1", "condenser_fouling")
            assert injected.returncode == 0, injected.stderr
            recorded = rows.stat().st_size
            await eventually(lambda: rows.stat().st_size > recorded, "more rows")
            for program in reversed(everything):
                assert program.runs, f"{program.arguments}: {program.output()}"
            for program in others:
                program.stop()
        await road.stop()
