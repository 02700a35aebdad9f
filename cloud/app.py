"""Runs an ingester from its settings: opens the store, keeps a link, and starts again where one is lost."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from random import Random, SystemRandom
from urllib.parse import quote

from cloud.ingester import BatchLimits, Ingester, Tally
from cloud.observation import Observation
from cloud.report import SelfReport
from cloud.settings import IngesterSettings
from qilu.config.settings_file import read_secret
from qilu.contract.errors import ConfigError, UnreachableError
from qilu.contract.topics import Lane, Topics
from qilu.mqtt.client import Message
from qilu.mqtt.hosts import HostChoice
from qilu.mqtt.keepalive import Keepalive
from qilu.mqtt.settings import MqttSettings
from qilu.runtime.backoff import Backoff
from qilu.runtime.extras import require_console
from qilu.runtime.log_throttle import OutageLog
from qilu.runtime.reconnection import Reconnection
from qilu.runtime.service_manager import Check
from qilu.runtime.tasks import flatten
from qilu.stores.factory import open_store
from qilu.stores.interfaces import Store
from qilu.web.settings import WebSettings

_log = logging.getLogger(__name__)


def _nothing() -> None:
    pass


def _ignore(_: Check) -> None:
    pass


async def ingest(
    settings: IngesterSettings,
    *,
    store: Store | None = None,
    tally: Tally | None = None,
    ready: Callable[[], None] = _nothing,
    started: Callable[[], None] = _nothing,
    watch: Callable[[Check], None] = _ignore,
    tokens: Path | None = None,
    random: Random | None = None,
) -> None:
    """Ingest until cancelled. `store`: an open one to fill instead of that of the settings.

    ConfigError when the store cannot be used, or the settings are wrong from the start; a broker or a store
    that is away is waited for. `ready` is called each time that records begin to flow, `started` once the
    settings have shown to be usable: at the first link, or when broker or store are waited for. `watch` gets
    what has to hold while it runs. `tokens`: the file of tokens of the metrics where they name none.
    """
    random = random or SystemRandom()
    name = settings.ingester or f"ingester-{random.getrandbits(32):08x}"
    observation = Observation(Tally() if tally is None else tally)
    async with AsyncExitStack() as stack:
        if settings.metrics is not None:
            await _open_metrics(stack, settings.metrics, observation, name, tokens)
        if store is None:
            store = await _open_store(stack, settings, Backoff(random), started)
        _log.info("ingester %s fills store %s", name, store.identity)
        bounds = BatchLimits(
            settings.linger,
            settings.max_records_per_write,
            settings.max_bytes_per_write,
            settings.max_backlog_bytes_per_write,
            settings.max_queue_bytes,
        )
        ingester = Ingester(
            store,
            settings.mqtt.topics,
            name,
            tally=observation.tally,
            random=random,
            limits=bounds,
            owners=settings.owners,
            master_key=lambda: read_secret(settings.ack_key_file, None, key="ack_key_file"),
        )
        observation.opened(ingester, name, store.identity)
        watch(ingester.problem)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(ingester.fill(), name="fill the store")
            tasks.create_task(ingester.confirm(), name="confirm what is stored")
            report = SelfReport(
                *(store, name, settings.expected_edges, observation.look, ingester.lag_s),
                period_s=settings.status_interval,
            )
            tasks.create_task(report.run(), name="report itself")
            context = _LinkContext(
                settings, ingester, name, store.identity, random, ready, started, observation
            )
            if not settings.mqtt.links_to_all:
                await _serve(context, settings.mqtt)
                return
            for broker in settings.mqtt.brokers:
                tasks.create_task(_serve(context, broker, broker.address), name=f"serve {broker.address}")


async def _open_metrics(
    stack: AsyncExitStack, settings: WebSettings, observation: Observation, name: str, tokens: Path | None
) -> None:
    require_console("metrics")
    from cloud.metrics_server import serve_metrics  # brings the HTTP library, which is wanted only here

    server = await stack.enter_async_context(
        serve_metrics(settings, observation.look, name=name, tokens=tokens)
    )
    _log.info("metrics and health are at %s", server.url)


async def _open_store(
    stack: AsyncExitStack, settings: IngesterSettings, backoff: Backoff, started: Callable[[], None]
) -> Store:
    loop, outage = asyncio.get_running_loop(), OutageLog(_log)
    while True:
        try:
            return await stack.enter_async_context(open_store(settings.store))
        except UnreachableError as error:
            started()
            outage.warn(f"{error}; it is tried again", loop.time())
            await asyncio.sleep(backoff.next(error.retry_after))


@dataclass(frozen=True, slots=True)
class _LinkContext:
    """What all links of an ingester share."""

    settings: IngesterSettings
    ingester: Ingester
    name: str
    store: str
    random: Random
    ready: Callable[[], None]
    started: Callable[[], None]
    observation: Observation


async def _serve(context: _LinkContext, mqtt: MqttSettings, broker: str = "") -> None:
    """Over one link after the other, until cancelled. `broker`: the only one that these links go to."""
    name, topics = context.name, mqtt.topics
    will = Message(topics.ingester(name), b"", retain=True)
    loop = asyncio.get_running_loop()
    shares = context.settings.shared_subscription and mqtt.protocol == "5"
    wanted = subscriptions(topics, context.store if shares else None)
    hosts, reconnection = HostChoice(mqtt, context.random), Reconnection(_log, Backoff(context.random))
    linked_at: float | None = None

    def flowing() -> None:
        reconnection.connected(f"connected to {hosts.current.address}", loop.time())
        links[hosts.current.address] = time.time_ns() // 1_000_000
        context.started()
        context.ready()

    links = context.observation.links
    links.update(dict.fromkeys((host for host in [broker] if host), 0))
    tried, keepalive = False, Keepalive(mqtt.keepalive)
    while True:
        pause = 0.0
        try:
            linked_at = None
            async with hosts.link(f"qilu-{name}", will=will, keepalive=keepalive) as link:
                linked_at = loop.time()
                await context.ingester.serve(link, wanted, flowing, broker)
        except* UnreachableError as lost:
            if linked_at is not None:
                hosts.ended(loop.time() - linked_at)
            pause = reconnection.failed(flatten(lost), loop.time())
        except* ConfigError as wrong:  # later on it is a secret or a certificate that is being changed
            if not tried:
                raise
            pause = reconnection.failed(flatten(wrong), loop.time())
        links.update(dict.fromkeys(links if not broker else [broker], 0))
        tried = True
        context.started()
        await asyncio.sleep(pause)


def subscriptions(topics: Topics, store: str | None) -> list[str]:
    """What to subscribe to: with a store's id together with all other ingesters of it, without it alone."""
    wanted = [topics.records_filter(lane) for lane in Lane]
    if store is None:
        return wanted
    group = quote(store, safe="")  # a level of a topic may not contain everything, yet no two may be the same
    return [f"$share/{group}/{topic_filter}" for topic_filter in wanted]
