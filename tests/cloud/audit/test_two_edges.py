"""Two edges whose devices have the same name are audited as two machines."""

from pathlib import Path

from cloud.audit.auditing import audit
from qilu.stores.opening import open_reader, open_store
from qilu.stores.settings import SqliteSettings
from tests.cloud.audit.scene import Scene


async def test_two_healthy_edges_that_share_a_device_name_are_both_sound(tmp_path: Path) -> None:
    scenes = [Scene(edge="edge-1"), Scene(edge="edge-2")]
    for scene in scenes:
        scene.start()
        scene.collect(600)
    settings = SqliteSettings(type="sqlite", file=tmp_path / "store.db")
    end_ms = scenes[0].now_ms + 1000
    async with open_store(settings) as store, open_reader(settings) as reader:
        assert await store.write([poll for scene in scenes for poll in scene.sent]) == {}
        findings = await audit(reader, end_ms - 7_200_000, end_ms)
    assert [(one.edge, one.device, one.sound) for one in findings] == [
        ("edge-1", "press-1", True),
        ("edge-2", "press-1", True),
    ]
    assert [(one.surplus, one.twice, one.good == one.expected > 0) for one in findings] == [(0, 0, True)] * 2
