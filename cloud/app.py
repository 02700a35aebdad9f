"""Runs an ingester from its settings: opens the store, keeps a link, and starts again where one is lost."""

from __future__ import annotations

import asyncio
import logging
import re
from contextlib import AsyncExitStack
from random import SystemRandom

from cloud.ingester import Ingester, Tally, filters
from cloud.settings import IngesterSettings
from qilu.contract.errors import UnreachableError
from qilu.mqtt.client import Link, Message
from qilu.runtime.backoff import Backoff
from qilu.stores.components import Store
from qilu.stores.opening import open_store

_log = logging.getLogger(__name__)


async def ingest(
    settings: IngesterSettings, *, store: Store | None = None, tally: Tally | None = None
) -> None:
    """Ingest until cancelled. `store`: an open one to fill instead of that of the settings.

    ConfigError when the store cannot be used; a broker or a store that is away is waited for.
    """
    random = SystemRandom()
    tally = Tally() if tally is None else tally
    ingester = settings.ingester or f"ingester-{random.getrandbits(32):08x}"
    async with AsyncExitStack() as stack:
        if store is None:
            store = await _opened(stack, settings, Backoff(random))
        _log.info("ingester %s fills store %s", ingester, store.identity)
        backoff = Backoff(random)
        while True:
            try:
                await _serve(settings, store, ingester, tally, random, backoff)
            except* UnreachableError as lost:
                _log.warning("not connected: %s", lost.exceptions[0])
            await asyncio.sleep(backoff.next())


async def _opened(stack: AsyncExitStack, settings: IngesterSettings, backoff: Backoff) -> Store:
    while True:
        try:
            return await stack.enter_async_context(open_store(settings.store))
        except UnreachableError as error:
            _log.warning("%s", error)
            await asyncio.sleep(backoff.next(error.retry_after))


async def _serve(
    settings: IngesterSettings,
    store: Store,
    ingester: str,
    tally: Tally,
    random: SystemRandom,
    backoff: Backoff,
) -> None:
    topics = settings.mqtt.topics
    shares = settings.share and settings.mqtt.protocol == "5"
    gone = Message(topics.ingester(ingester), b"", retain=True)
    async with Link(settings.mqtt, f"qilu-{ingester}", will=gone) as link:
        _log.info("connected to %s", settings.mqtt.address)
        backoff.reset()
        await Ingester(
            link,
            store,
            topics,
            ingester,
            filters=filters(topics, _group(store.identity) if shares else None),
            linger=settings.linger,
            batch_records=settings.batch_records,
            waiting_bytes=settings.waiting_bytes,
            tally=tally,
            random=random,
        ).run()


def _group(identity: str) -> str:
    """The share group of a store: its id, without what a topic filter may not contain."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", identity)
