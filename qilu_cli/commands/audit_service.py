"""Audits the store of an ingester again and again, and writes the results into it, until it is stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from cloud.audit.periodic_audit import AuditPlan, PeriodicAudit
from cloud.settings import IngesterSettings
from qilu.config.settings_file import load
from qilu.contract.errors import ConfigError
from qilu.runtime.service_manager import ServiceManager
from qilu.stores.factory import open_reader, open_store
from qilu.stores.settings import SqliteSettings
from qilu_cli.file_kinds import Kind, expected
from qilu_cli.store_access import duration

_REMEDY = "name ingester settings, such as configs/ingester.yaml"


@dataclass(frozen=True, slots=True)
class AuditOptions:
    store: str
    every: str
    last: str
    edges: Sequence[str] = ()
    devices: Sequence[str] = ()


async def audit_service(options: AuditOptions) -> None:
    """Audit until cancelled; ConfigError."""
    plan = AuditPlan(duration("--every", options.every), duration("--last", options.last), options.edges)
    if options.devices:
        remedy = "choose with --edge"
        raise ConfigError("the result is one of a whole edge", key="--device", remedy=remedy)
    file = Path(options.store)
    if file.suffix not in (".yaml", ".yml"):
        raise ConfigError("no result can be written into it from here", file=file, remedy=_REMEDY)
    with expected(Kind.INGESTER, file, _REMEDY):
        settings = load(file, IngesterSettings).store
    if isinstance(settings, SqliteSettings):
        text = "a SQLite store has one writer, its ingester"
        raise ConfigError(text, file=file, key="store", remedy="run qilu audit without --every, by a timer")
    async with AsyncExitStack() as stack:
        reader = await stack.enter_async_context(open_reader(settings))
        store = await stack.enter_async_context(open_store(settings))
        manager = ServiceManager([])
        feeding = asyncio.create_task(manager.feed_watchdog(), name="feed the watchdog")
        manager.ready()
        try:
            await PeriodicAudit(reader, store, plan).run()
        finally:
            feeding.cancel()
