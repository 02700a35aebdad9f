"""Runs a gateway from its settings until it is stopped."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from importlib.metadata import version
from pathlib import Path

from gateway.app import Gateway, build
from gateway.load import load
from gateway.settings import GatewaySettings
from qilu.contract.profile import DeviceProfile
from qilu.runtime.service_manager import ServiceManager
from qilu_cli.file_kinds import Kind, expected

_log = logging.getLogger(__name__)


async def gateway(file: Path) -> None:
    """Collect and deliver; ConfigError when the settings or a profile are wrong."""
    with expected(Kind.GATEWAY, file):
        settings, profiles = load(file)
    async with AsyncExitStack() as stack:
        edge = await _opened(stack, settings, profiles, file)
        await _run(edge)


async def _opened(
    stack: AsyncExitStack, settings: GatewaySettings, profiles: Mapping[str, DeviceProfile], file: Path
) -> Gateway:
    """The gateway, behind its console where the settings want one; nothing of that is imported otherwise."""
    if settings.console is None:
        return build(settings, profiles, file=file)
    from gateway.console.app import Console

    console = Console(settings, profiles, version=version("qilu"), file=file, waits_for_address=True)
    await stack.enter_async_context(console)
    _log.info("console: %s", console.server.url)
    return console.gateway


async def _run(edge: Gateway) -> None:
    settings = edge.settings
    _log.info("edge %s collects from %d endpoints", settings.edge, len(settings.sources))
    stop, manager = asyncio.Event(), ServiceManager(edge.checks)
    feeding = asyncio.create_task(manager.feed_watchdog(), name="feed the watchdog")
    running = asyncio.create_task(edge.run(stop, opened=manager.ready), name=f"edge {settings.edge}")
    try:
        with _hangups_to(edge):
            await asyncio.shield(running)
    except asyncio.CancelledError:
        if not running.done():
            stop.set()  # turns under way end first: what was answered is not lost
            await running
        raise
    finally:
        feeding.cancel()


@contextmanager
def _hangups_to(edge: Gateway) -> Iterator[None]:
    """SIGHUP asks for a reload, unless it is ignored since the start, as `nohup` does."""
    reloader = edge.reloader
    if sys.platform == "win32" or reloader is None or signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        yield
        return
    loop, asked = asyncio.get_running_loop(), set[asyncio.Task[object]]()

    def reload() -> None:
        task = asyncio.create_task(reloader.reload("SIGHUP"), name="reload by SIGHUP")
        asked.add(task)
        task.add_done_callback(asked.discard)

    loop.add_signal_handler(signal.SIGHUP, reload)
    try:
        yield
    finally:
        loop.add_signal_handler(signal.SIGHUP, _log.info, "SIGHUP changes nothing: the gateway stops")
        for task in asked:
            task.cancel()
