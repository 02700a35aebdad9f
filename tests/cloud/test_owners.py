"""A device belongs to the edge that the settings of the ingester name; others are deferred as `not_owner`."""

import logging
from pathlib import Path

import pytest

from cloud.owners import Owners
from cloud.settings import IngesterSettings
from qilu.config.settings_file import load_text
from qilu.contract.ack_codes import AckCode
from qilu.contract.errors import ConfigError
from qilu.contract.ranges import IntervalSet
from qilu.mqtt.settings import MqttSettings
from tests.cloud.conftest import Start
from tests.cloud.memory import Edge, MemoryStore, record
from tests.servers.mosquitto import Mosquitto

OWNERS = {"press-1?": "edge-2", "press-*": "edge-1"}


def test_the_first_pattern_that_matches_names_the_owner() -> None:
    owners = Owners(OWNERS)
    assert owners.refusal("edge-1", "press-1") is None
    assert owners.refusal("edge-2", "press-12") is None
    assert owners.refusal("edge-3", "pump-1") is None, "no pattern matches"
    for edge, device, owner in (("edge-2", "press-1", "edge-1"), ("edge-1", "press-12", "edge-2")):
        refusal = owners.refusal(edge, device)
        assert refusal is not None
        assert refusal.code is AckCode.NOT_OWNER
        assert all(repr(name) in refusal.text for name in (edge, device, owner))


def test_an_edge_reports_its_own_state_whatever_the_owners_are() -> None:
    owners = Owners({"*": "edge-1"})
    assert owners.refusal("edge-2", "edge-2") is None
    assert owners.refusal("edge-2", "press-1") is not None


async def test_records_of_another_edge_are_deferred_counted_and_logged_with_both_names(
    mosquitto: Mosquitto, ingesting: Start, caplog: pytest.LogCaptureFixture
) -> None:
    mqtt, store = MqttSettings(port=mosquitto.port), MemoryStore()
    caplog.set_level(logging.WARNING)
    async with (
        ingesting(mqtt, store, owners=OWNERS) as running,
        Edge(mqtt, "edge-1", 1) as owner,
        Edge(mqtt, "edge-2", 2) as other,
    ):
        await owner.send(IntervalSet([(0, 0)]), [record("edge-1", "press-1", 1000)])
        await owner.until(durable=1)
        mixed = [record("edge-2", device, 2000) for device in ("press-1", "pump-1", "press-12")]
        await other.send(IntervalSet([(0, 2)]), mixed)
        await other.until(durable=2, deferred=1)
        assert other.deferred == {AckCode.NOT_OWNER: IntervalSet([(0, 0)])}
        assert not other.rejected
        assert store.times("press-1") == [1000]
        assert (running.tally.not_owner, running.tally.deferred, running.tally.rejected) == (1, 1, 0)
    [line] = [one.message for one in caplog.records if "not_owner" in one.message]
    assert "'edge-1'" in line
    assert "'edge-2'" in line


@pytest.mark.parametrize("owners", ['{"": edge-1}', '{"press-*": "edge/1"}', '{"press-*": [edge-1, edge-2]}'])
def test_owners_that_cannot_be_are_refused_with_their_place(owners: str) -> None:
    with pytest.raises(ConfigError, match=r"owners"):
        load_text(f"owners: {owners}\nstore: {{type: sqlite, file: x}}", IngesterSettings)


def test_the_shipped_settings_show_owners() -> None:
    shipped = (Path(__file__).parents[2] / "configs" / "ingester.yaml").read_text(encoding="utf-8")
    [line] = [one.removeprefix("# ") for one in shipped.splitlines() if one.startswith("# owners:")]
    settings = load_text(f"{line}\nstore: {{type: sqlite, file: x}}", IngesterSettings)
    assert settings.owners == {"press-*": "edge-1"}
