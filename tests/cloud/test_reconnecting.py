"""An ingester whose link is lost soon, again and again, makes few connections and few lines in the log."""

import asyncio

import pytest

from cloud.app import ingest
from cloud.settings import IngesterSettings
from qilu.stores.settings import SqliteSettings
from tests.cloud.memory import MemoryStore
from tests.mqtt.scripted import CONNECT, PUBACK, PUBLISH, SUBACK_TWO, SUBSCRIBE, ScriptedBroker

ANSWERS = {SUBSCRIBE: SUBACK_TWO, PUBLISH: PUBACK}


@pytest.mark.parametrize("answers", [ANSWERS, {}])
async def test_links_that_are_lost_soon_are_not_made_again_at_once(
    answers: dict[int, bytes], caplog: pytest.LogCaptureFixture
) -> None:
    """As where another client has its id, or the access list forbids to answer: with and without a use."""
    async with ScriptedBroker(answers, close_after_s=0.1) as broker:
        await ingest_for(broker, 4.0)
        assert 2 <= broker.received[CONNECT] <= 3
    assert caplog.text.count("connection lost") <= 2


async def ingest_for(broker: ScriptedBroker, seconds: float) -> None:
    """An ingester on this broker, ready or not."""
    store = SqliteSettings.model_validate({"type": "sqlite", "file": "unused"})
    settings = IngesterSettings.model_validate({"mqtt": broker.settings, "store": store})
    running = asyncio.create_task(ingest(settings, store=MemoryStore()))
    await asyncio.sleep(seconds)
    running.cancel()
    await asyncio.wait((running,))
