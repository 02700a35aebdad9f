"""Runs an ingester from its settings until it is stopped."""

from __future__ import annotations

import asyncio
from pathlib import Path

from cloud.app import ingest as run
from cloud.settings import IngesterSettings
from qilu.config.settings_file import load
from qilu.runtime.service_manager import Check, ServiceManager
from qilu.web.tokens import FILE_NAME
from qilu_cli.file_kinds import Kind, expected


async def ingest(file: Path) -> None:
    """Fill the store; ConfigError when the settings are wrong or the store cannot be used."""
    with expected(Kind.INGESTER, file):
        settings = load(file, IngesterSettings)
    checks: list[Check] = []
    manager = ServiceManager(checks)
    feeding = asyncio.create_task(manager.feed_watchdog(), name="feed the watchdog")
    try:
        await run(settings, started=manager.ready, watch=checks.append, tokens=file.parent / FILE_NAME)
    finally:
        feeding.cancel()
