"""An audit that runs as a service writes its result into the store, and the next one replaces it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest

from cloud.audit.audit import audit
from cloud.audit.periodic_audit import AuditPlan, PeriodicAudit
from qilu.contract.accounting import AUDIT, EDGE_INFO, PROFILES
from qilu.contract.edge_info import GROUP, POINTS
from qilu.contract.errors import ConfigError
from qilu.contract.reading import BlockSchema, DeviceKey, Origin, Poll, Reading
from qilu.stores.factory import open_reader, open_store
from qilu.stores.interfaces import Reader
from qilu.stores.settings import SqliteSettings
from qilu_cli.commands.audit_service import AuditOptions, audit_service
from tests.cloud.audit.scene import Scene

PLAN = AuditPlan(3600, 7200)


def scene_of(folder: Path, edge: str) -> Scene:
    folder.mkdir()
    scene = Scene(folder, edge=edge)
    scene.start()
    scene.collect(600)
    return scene


def texts(edge: str, version: str, time_ms: int) -> Poll:
    columns = BlockSchema(Origin(edge, edge, EDGE_INFO), GROUP, POINTS)
    return Poll(time_ms, (Reading(columns, time_ms, (version, "0123abcd", "well", "正常")),))


async def result_of(reader: Reader, edge: str) -> Mapping[str, object]:
    latest = await reader.latest(DeviceKey(edge, edge), profile=AUDIT)
    return {point: sample.value for point, sample in latest.items()}


async def test_the_result_of_each_edge_is_in_the_store_and_the_next_audit_clears_it(tmp_path: Path) -> None:
    scenes = {edge: scene_of(tmp_path / edge, edge) for edge in ("edge-1", "edge-2", "edge-3")}
    now_ms = scenes["edge-1"].now_ms + 1000
    late = [poll for poll in scenes["edge-2"].sent if poll.origin.profile not in PROFILES][100:103]
    sent = [poll for scene in scenes.values() for poll in scene.sent if poll not in late]
    sent += [
        texts(edge, "1.1" if edge == "edge-3" else "1.2", now_ms - 5000 + number)
        for number, edge in enumerate(scenes)
    ]
    settings = SqliteSettings(type="sqlite", file=tmp_path / "store.db")
    async with open_store(settings) as store, open_reader(settings) as reader:
        assert await store.write(sent) == {}
        service = PeriodicAudit(reader, store, PLAN, wall=lambda: now_ms / 1000)
        await service.once()
        missing = sum(poll.size for poll in late)
        results = {edge: await result_of(reader, edge) for edge in scenes}
        assert {edge: result["unexplained_values"] for edge, result in results.items()} == {
            "edge-1": 0, "edge-2": missing, "edge-3": 0,
        }  # fmt: skip
        assert results["edge-2"]["incomplete_devices"] == 1
        assert results["edge-2"]["good_values"] == results["edge-1"]["good_values"] - missing  # type: ignore[operator]
        assert {edge: result["version_differs"] for edge, result in results.items()} == {
            "edge-1": 0, "edge-2": 0, "edge-3": 1,
        }  # fmt: skip
        assert {result["settings_differ"] for result in results.values()} == {0}
        assert await store.write(late) == {}
        now_ms += 1000
        await service.once()
        assert (await result_of(reader, "edge-2"))["unexplained_values"] == 0
        devices = {finding.device for finding in (await audit(reader, now_ms - 7_200_000, now_ms)).findings}
        assert devices == {"press-1"}, "what the cloud wrote is no device"


async def test_it_audits_again_after_each_interval(tmp_path: Path) -> None:
    scene = scene_of(tmp_path / "edge-1", "edge-1")
    settings = SqliteSettings(type="sqlite", file=tmp_path / "store.db")
    now_ms = scene.now_ms + 1000
    async with open_store(settings) as store, open_reader(settings) as reader:
        assert await store.write(scene.sent) == {}
        service = PeriodicAudit(reader, store, AuditPlan(0.01, 7200), wall=lambda: now_ms / 1000)
        running = asyncio.create_task(service.run())
        async with asyncio.timeout(60):
            for _ in range(2):
                before = now_ms
                while not await reader.samples(
                    DeviceKey("edge-1", "edge-1"), "expected_values", before, before + 1, profile=AUDIT
                ):
                    await asyncio.sleep(0.01)
                now_ms += 1000
        running.cancel()


async def test_a_store_with_one_writer_and_a_bare_file_are_refused_with_the_remedy(tmp_path: Path) -> None:
    settings = tmp_path / "ingester.yaml"
    settings.write_text(f"store: {{type: sqlite, file: {tmp_path / 'store.db'}}}\n")
    with pytest.raises(ConfigError, match="one writer"):
        await audit_service(AuditOptions(str(settings), "1h", "24h"))
    with pytest.raises(ConfigError, match="no result can be written"):
        await audit_service(AuditOptions(str(tmp_path / "store.db"), "1h", "24h"))
