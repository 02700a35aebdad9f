"""Two edges whose devices have the same name are audited as two machines."""

from pathlib import Path

from cloud.audit.audit import audit
from cloud.audit.causes import Verdict
from qilu.stores.factory import open_reader, open_store
from qilu.stores.settings import SqliteSettings
from tests.cloud.audit.scene import Scene


async def test_two_healthy_edges_that_share_a_device_name_are_both_sound(tmp_path: Path) -> None:
    scenes = [Scene(tmp_path / edge, edge=edge) for edge in ("edge-1", "edge-2")]
    for edge, scene in zip(("edge-1", "edge-2"), scenes, strict=True):
        (tmp_path / edge).mkdir()
        scene.start()
        scene.collect(600)
    settings = SqliteSettings(type="sqlite", file=tmp_path / "store.db")
    end_ms = scenes[0].now_ms + 1000
    async with open_store(settings) as store, open_reader(settings) as reader:
        assert await store.write([poll for scene in scenes for poll in scene.sent]) == {}
        findings = (await audit(reader, end_ms - 7_200_000, end_ms)).findings
    assert [(one.edge, one.device, one.verdict) for one in findings] == [
        ("edge-1", "press-1", Verdict.COMPLETE),
        ("edge-2", "press-1", Verdict.COMPLETE),
    ]
    assert [(one.surplus, one.duplicates, one.good == one.expected > 0) for one in findings] == [
        (0, 0, True)
    ] * 2
