"""`qilu console --store`: the read-only views of a store in a browser, until Ctrl-C."""

from __future__ import annotations

import asyncio
import secrets
from importlib.metadata import version
from pathlib import Path

from qilu.contract.errors import ConfigError
from qilu.runtime.extras import require_console
from qilu.web.settings import WebSettings
from qilu_cli.commands.console.page import page_folder
from qilu_cli.commands.console.store_book import StoreBook
from qilu_cli.store_access import reader
from qilu_cli.terminal import console


async def show_store(store: str, listen: str, profiles: Path | None) -> None:
    """Serve until cancelled; ConfigError: no such store, or the address cannot be had."""
    require_console("--store")
    from qilu.web.server import WebServer
    from qilu_cli.commands.console.store_views import StoreViews

    settings = WebSettings(listen=listen)
    if settings.needs_token:
        raise ConfigError(
            f"{listen} is not loopback, and these views have no token",
            key="--listen",
            remedy="listen on 127.0.0.1, and reach it by ssh -L",
        )
    async with reader(store) as opened:
        book, boot = StoreBook(opened, profiles), secrets.token_hex(8)
        await book.refresh()
        views = StoreViews(book, Path(store).name, version("qilu"), boot)
        async with WebServer(
            settings,
            routes=views.routes(),
            topics=views.find,
            page=page_folder(),
            hello={"boot": boot, "version": version("qilu"), "role": "store"},
            name=Path(store).name,
            key="--listen",
        ) as server:
            console().print(f"{len(book.devices)} devices of {store}: {server.url}")
            refreshing = asyncio.create_task(book.run(), name="read the store again")
            try:
                await asyncio.Event().wait()
            finally:
                refreshing.cancel()
