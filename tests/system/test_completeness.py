"""Real processes are killed, stopped and switched off: the audit explains every value that is missing."""

import asyncio
import json
import sqlite3
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.servers import Mosquitto
from tests.system.ledger import Stored, read_stored
from tests.system.programs import WITHIN, now_ms, qilu
from tests.system.road import Road

GATEWAY = {
    "accounting_interval": "2s",
    "spool": {"directory": "spool", "sync_interval": "100ms", "acked_retention": "1h", "min_free_disk": 0},
}
STORE = {"type": "sqlite", "file": "store.db", "name": "works"}


class AccountedRoad(Road):
    """With short accounts, and a spool that keeps what is durable."""

    spool: Mapping[str, Any] = {}
    """What else its settings say."""

    def _write_gateway(self, store: str) -> Path:
        file = super()._write_gateway(store)
        settings = yaml.safe_load(file.read_text()) | GATEWAY
        return self._write(file.name, settings | {"spool": settings["spool"] | self.spool})


class NarrowRoad(AccountedRoad):
    """With a spool for a few seconds."""

    spool: Mapping[str, Any] = {"max_bytes": "80kB", "acked_retention": 0}


def audit(road: Road) -> tuple[int, dict[str, dict[str, Any]]]:
    """The exit code, and what it says of each device."""
    ran = qilu("audit", "--store", road.ingester_file, "--last", "1h", "--format", "json")
    assert "Traceback" not in ran.stderr
    return ran.returncode, {one["device"]: one for one in json.loads(ran.stdout)}


async def all_explained(road: Road) -> dict[str, dict[str, Any]]:
    """The audit, once nothing is on its way any more that it would ask for."""
    found: dict[str, dict[str, Any]] = {}
    for _ in range(round(WITHIN)):
        code, found = await asyncio.to_thread(audit, road)
        if code == 0:
            return found
        await asyncio.sleep(1)
    raise AssertionError(
        f"not explained: {[one for one in found.values() if one['unexplained']]}\n{road.logs()}"
    )


def forget(file: Path, device: str, begin_ms: int, rows: int) -> int:
    """Take readings of a device out of a store behind everybody's back; returns how many values."""
    connection = sqlite3.connect(file)
    with connection:
        found = connection.execute(
            'SELECT readings.rowid, json_array_length("values") FROM readings'
            " JOIN columns ON columns.id = columns_id JOIN origins ON origins.id = origin_id"
            " WHERE device = ? AND profile NOT IN ('collection', 'gateway') AND time_ms > ? LIMIT ?",
            (device, begin_ms, rows),
        ).fetchall()
        connection.executemany("DELETE FROM readings WHERE rowid = ?", [(rowid,) for rowid, _ in found])
    connection.close()
    return sum(values for _, values in found)


async def test_a_killed_gateway_and_dead_devices_are_what_the_audit_names(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    async with AccountedRoad(tmp_path, {"port": mosquitto.port}, STORE) as road:
        await road.flows()
        road.gateway.kill()
        await asyncio.sleep(2)
        await asyncio.to_thread(road.gateway.start)
        await road.flows()
        road.simulator.kill()
        await asyncio.sleep(2)
        await asyncio.to_thread(road.simulator.start)
        await road.flows(12)
        sound_ms = now_ms()
        await road.flows(12)
        await asyncio.to_thread(road.gateway.stop)
        await asyncio.sleep(1.5)
        await asyncio.to_thread(road.gateway.start)
        await road.flows(12)

        found = await all_explained(road)
        assert set(found) == set(road.devices)
        for one in found.values():
            down = [missing for missing in one["missing"] if missing["why"] == "gateway down"]
            assert len(down) == 2, one  # killed and stopped
            assert one["bad"], one
            assert any(note.startswith("device offline") for note in one["notes"]), one
            assert one["duplicates"] == 0, one
            there = one["good"] + one["uncertain"] + sum(one["bad"].values())
            missing = sum(cause["values"] for cause in one["missing"])
            assert one["expected"] == there + one["suppressed"] + missing, one

        taken = forget(road.folder / "store.db", "press-1", sound_ms - 3000, 3)
        code, found = await asyncio.to_thread(audit, road)
        assert code == 1
        assert {device for device, one in found.items() if one["unexplained"]} == {"press-1"}
        assert found["press-1"]["unexplained"] == taken
        await road.stop()


async def test_what_a_full_spool_gave_up_is_named(mosquitto: Mosquitto, tmp_path: Path) -> None:
    async with NarrowRoad(tmp_path, {"port": mosquitto.port}, STORE) as road:
        await road.flows()
        mosquitto.kill()
        await asyncio.sleep(7)
        await asyncio.to_thread(mosquitto.start)
        await road.flows(16)
        found = await all_explained(road)
        for one in found.values():
            causes = {missing["why"] for missing in one["missing"]}
            assert "dropped by spool (max_bytes)" in causes, one
        reported = json.loads(qilu("spool", "show", road.folder / "gateway.yaml", "--format", "json").stdout)
        assert reported["dropped_records"] > 0
        await road.stop()


async def test_a_lost_store_is_filled_again_from_the_spool(mosquitto: Mosquitto, tmp_path: Path) -> None:
    async with AccountedRoad(tmp_path, {"port": mosquitto.port}, STORE) as road:
        await road.flows(6)
        refused = qilu("spool", "replay", road.folder / "gateway.yaml")
        assert refused.returncode == 1
        assert "holds this spool; stop the gateway" in refused.stderr

        before = await stored_at_rest(road)
        await asyncio.to_thread(road.gateway.stop)
        await asyncio.to_thread(road.ingesters[0].stop)
        for file in road.folder.glob("store.db*"):
            file.unlink()
        replayed = qilu("spool", "replay", road.folder / "gateway.yaml")
        assert replayed.returncode == 0, replayed.stderr
        assert "are sent again when the gateway starts" in replayed.stdout

        await asyncio.to_thread(road.ingesters[0].start)
        await asyncio.to_thread(road.gateway.start)
        await road.flows()
        after = await stored_at_rest(road)
        deadline = time.monotonic() + WITHIN
        while not before <= after and time.monotonic() < deadline:
            await asyncio.sleep(0.2)
            after = await stored_at_rest(road)
        assert before <= after
        assert len({(one.device, one.counter) for one in after}) == len(after)
        await all_explained(road)
        reported = json.loads(qilu("spool", "show", road.folder / "gateway.yaml", "--format", "json").stdout)
        assert reported["acked_bytes"] + reported["bytes"] > 0
        await road.stop()


async def stored_at_rest(road: Road) -> set[Stored]:
    """All counters that the store has."""
    return set(await read_stored(road.store, road.devices, road.began_ms))
