"""An ingester in a process of its own that takes records and never finishes with them."""

import asyncio
from collections.abc import Mapping, Sequence

from cloud.app import ingest
from cloud.settings import IngesterSettings
from qilu.contract.ack_codes import Refusal
from qilu.contract.reading import Poll
from qilu.mqtt.settings import MqttSettings
from qilu.stores.settings import SqliteSettings
from tests.cloud.memory import MemoryStore


class _Stuck(MemoryStore):
    async def write(self, polls: Sequence[Poll]) -> Mapping[int, Refusal]:
        await asyncio.Event().wait()
        return {}


def doomed_ingester(port: int, store: str) -> None:
    """Run it, for the store of this id."""
    unused = SqliteSettings.model_validate({"type": "sqlite", "file": "unused"})
    settings = IngesterSettings(ingester="doomed", mqtt=MqttSettings(port=port), store=unused)
    asyncio.run(ingest(settings, store=_Stuck(store)))
