"""A real browser on a page: Debian's Chromium from `make servers`, driven by Playwright."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from tests.servers.programs import require

PROJECT = Path(__file__).parents[2]
WAIT_MS = 30_000
"""A bound for a browser on a loaded machine; no test asserts it."""


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """One browser; without a sandbox of its own where the tests run as root, as they do in containers."""
    async with async_playwright() as playwright:
        flags = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = await playwright.chromium.launch(
            executable_path=require("chromium"), args=[*flags, "--disable-dev-shm-usage"]
        )
        try:
            yield browser
        finally:
            await browser.close()


@dataclass(frozen=True)
class Served:
    """A process that serves the page."""

    url: str
    process: subprocess.Popen[str]


@contextmanager
def serve(*arguments: str) -> Iterator[Served]:
    """The fixture's server (tests/page/served.py) as a process of its own, so that it can be stopped."""
    command: Sequence[str] = [sys.executable, "-m", "tests.page.served", *arguments]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            assert url.startswith("http"), "the fixture's server did not start"
            yield Served(url, process)
        finally:
            process.kill()


@dataclass
class Watched:
    """A page, and what a page must not do."""

    page: Page
    foreign: list[str] = field(default_factory=list)
    """Requests that went elsewhere."""
    complaints: list[str] = field(default_factory=list)
    """Errors of the console and of scripts, violations of the policy among them."""


async def watch(context: BrowserContext, url: str) -> Watched:
    """A new page that writes down its errors and its requests to other hosts."""
    watched = Watched(await context.new_page())
    page = watched.page
    page.set_default_timeout(WAIT_MS)
    page.on(
        "console",
        lambda message: (
            watched.complaints.append(message.text) if message.type in {"error", "warning"} else None
        ),
    )
    page.on("pageerror", lambda error: watched.complaints.append(str(error)))

    def request(address: str) -> None:
        own = (url, url.replace("http", "ws", 1), "data:", f"blob:{url}")
        if not address.startswith(own):
            watched.foreign.append(address)

    page.on("request", lambda sent: request(sent.url))
    page.on("websocket", lambda socket: request(socket.url))
    return watched


@asynccontextmanager
async def open_page(
    browser: Browser,
    url: str,
    *,
    language: str = "zh-CN",
    scheme: str = "light",
    width: int = 1366,
    height: int = 768,
) -> AsyncIterator[Watched]:
    """A page of its own profile in this language and colour scheme, opened at `url`."""
    context = await browser.new_context(
        locale=language,
        color_scheme="dark" if scheme == "dark" else "light",
        timezone_id="Asia/Shanghai",
        viewport={"width": width, "height": height},
        has_touch=width < 700,
        is_mobile=width < 700,
    )
    try:
        watched = await watch(context, url.split("#", maxsplit=1)[0])
        await watched.page.goto(url)
        yield watched
    finally:
        await context.close()
