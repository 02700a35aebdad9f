"""An ingester that runs in the background of a test."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field

import pytest

from cloud.app import ingest
from cloud.ingester import Tally
from cloud.settings import IngesterSettings
from qilu.mqtt.settings import MqttSettings
from qilu.stores.interfaces import Store
from qilu.stores.settings import SqliteSettings


@dataclass
class Running:
    """An ingester under way; `flowing` is set whenever it has a link."""

    tally: Tally = field(default_factory=Tally)
    flowing: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None
    may_fail: bool = False


Start = Callable[..., AbstractAsyncContextManager[Running]]


@pytest.fixture
def ingesting() -> Start:
    """`async with ingesting(mqtt, store, ingester="a", linger=0)`: ready inside, cancelled at the end."""

    @asynccontextmanager
    async def start(mqtt: MqttSettings, store: Store, **more: object) -> AsyncGenerator[Running, None]:
        unused = SqliteSettings.model_validate({"type": "sqlite", "file": "unused"})
        settings = IngesterSettings.model_validate({"mqtt": mqtt, "store": unused, "linger": 0.01, **more})
        running = Running()
        running.task = asyncio.create_task(
            ingest(settings, store=store, tally=running.tally, ready=running.flowing.set)
        )
        waiting = asyncio.create_task(running.flowing.wait())
        try:
            await asyncio.wait((running.task, waiting), timeout=10, return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
            if running.task.done():
                running.task.result()
            yield running
        finally:
            running.task.cancel()
            await asyncio.wait((running.task,))
        if not running.task.cancelled() and not running.may_fail:
            running.task.result()

    return start
