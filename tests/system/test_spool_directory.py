"""What an operator may do to a spool while records wait: rename the edge, or remove the directory."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from tests.servers.mosquitto import Mosquitto
from tests.system.ledger import Ledger, Served, read_served, read_stored
from tests.system.programs import WITHIN, eventually, now_ms, qilu
from tests.system.road import Road

STORE = {"type": "sqlite", "file": "store.db"}
EDGES = "edge-1", "edge-2"


async def missing(road: Road, until_ms: int) -> Sequence[Served]:
    """What was served until then and is stored under neither name of the edge."""
    stored = [
        one for edge in EDGES for one in await read_stored(road.store, road.devices, road.began_ms, edge)
    ]
    served = [one for one in read_served(road.truth) if one.device in road.devices]
    return sorted(Ledger(served, stored).until(until_ms).lost)


async def test_a_backlog_of_an_edge_that_was_renamed_is_held_and_stored_once_it_is_adopted(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    async with Road(tmp_path, {"port": mosquitto.port}, STORE) as road:
        await road.flows()
        await asyncio.to_thread(road.ingesters[0].stop)
        await asyncio.sleep(3)  # a backlog
        await asyncio.to_thread(road.gateway.stop)
        file = road.folder / "gateway.yaml"
        file.write_text(file.read_text().replace("edge: edge-1", "edge: edge-2"))
        await asyncio.to_thread(road.ingesters[0].start)
        await asyncio.to_thread(road.gateway.start)
        renamed_ms = now_ms()
        await asyncio.sleep(5)  # the records of the new name are stored
        assert re.search(r"\d+ records of edge edge-1 are held", road.gateway.output())
        shown = json.loads(qilu("spool", "show", file, "--format", "json", folder=road.folder).stdout)
        assert (shown["held"] >= 10, shown["quarantined"]) == (True, 0)
        lost = await missing(road, renamed_ms)
        assert lost
        refused = qilu("spool", "adopt", file, "edge-1", folder=road.folder)
        assert (refused.returncode, "stop the gateway" in refused.stderr) == (1, True)

        await asyncio.to_thread(road.gateway.stop)
        adopted = qilu("spool", "adopt", file, "edge-1", folder=road.folder)
        assert adopted.returncode == 0, adopted.stderr
        await asyncio.to_thread(road.gateway.start)
        async with asyncio.timeout(WITHIN):
            while lost := await missing(road, renamed_ms):
                await asyncio.sleep(0.5)
        await road.stop()


async def test_a_gateway_whose_spool_directory_is_removed_goes_on(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    async with Road(tmp_path, {"port": mosquitto.port}, STORE) as road:
        await road.flows()
        shutil.rmtree(road.folder / "spool")
        await eventually(lambda: "a new directory is in use" in road.gateway.output(), "the directory")
        await road.flows()
        there = {file.name for file in (road.folder / "spool").iterdir()}
        assert {"clock", "accounts"} <= there  # else the next start would not know when this one ended
        await road.stop()
