"""Runs a gateway from its settings until it is stopped."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from gateway.app import build
from gateway.load import load
from qilu.runtime.service_manager import ServiceManager
from qilu_cli.file_kinds import Kind, expected

_log = logging.getLogger(__name__)


async def gateway(file: Path) -> None:
    """Collect and deliver; ConfigError when the settings or a profile are wrong."""
    with expected(Kind.GATEWAY, file):
        settings, profiles = load(file)
    edge = build(settings, profiles)
    _log.info("edge %s collects from %d endpoints", settings.edge, len(settings.sources))
    stop, manager = asyncio.Event(), ServiceManager(edge.checks)
    feeding = asyncio.create_task(manager.feed_watchdog(), name="feed the watchdog")
    running = asyncio.create_task(edge.run(stop, opened=manager.ready), name=f"edge {settings.edge}")
    try:
        await asyncio.shield(running)
    except asyncio.CancelledError:
        if not running.done():
            stop.set()  # turns under way end first: what was answered is not lost
            await running
        raise
    finally:
        feeding.cancel()
