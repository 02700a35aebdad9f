"""Pictures of every view into var/screenshots: `python -m tests.page.screenshots --only device`."""

import argparse
import asyncio
import itertools
import sys
from pathlib import Path

from playwright.async_api import Browser

from tests.page.browser import PROJECT, chromium, open_page, serve
from tests.page.pictures import PICTURES, update

VIEWS = {
    "overview": "#/overview",
    "devices": "#/devices",
    "device": "#/device/compressor-1",
    "plan": "#/device/pump-1/plan",
    "registers": "#/device/pump-1/registers",
    "delivery": "#/delivery",
    "events": "#/events",
    "factory": "#/factory",
    "day": "#/day/2026-11-30",
    "wall": "#/wall",
}
SIZES = ("1366x768", "1920x1080", "360x780")
SETTLE_MS = 1500


async def picture(
    browser: Browser, url: str, folder: Path, view: str, size: str, language: str, scheme: str, name: str
) -> None:
    """One view, as much of it as the window shows; on a phone the whole length."""
    width, height = map(int, size.split("x"))
    async with open_page(
        browser,
        f"{url}{VIEWS[view]}",
        language="zh-CN" if language == "zh" else "en-GB",
        scheme=scheme,
        width=width,
        height=height,
    ) as watched:
        await watched.page.wait_for_selector("#content")
        await watched.page.wait_for_timeout(SETTLE_MS)
        file = folder / f"{view}-{size}-{language}-{scheme}-{name}.png"
        await watched.page.screenshot(path=file, full_page=width < 700)
        overflow = await watched.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        complaints = [f"{overflow} px too wide"] if overflow > 0 else []
        complaints += watched.complaints + watched.foreign
        sys.stdout.write(f"{file.name} {' '.join(complaints)}\n")


async def main() -> None:
    """Take the pictures; what a page complained about is printed beside its name."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", nargs="*", default=list(VIEWS), choices=VIEWS)
    parser.add_argument("--sizes", nargs="*", default=list(SIZES))
    parser.add_argument("--languages", nargs="*", default=["zh", "en"])
    parser.add_argument("--schemes", nargs="*", default=["light", "dark"])
    parser.add_argument("--states", nargs="*", default=["normal", "wrong"])
    parser.add_argument(
        "--update", nargs="*", choices=PICTURES, help="take all reference pictures of the tests, or these"
    )
    parser.add_argument("--into", type=Path, default=PROJECT / "var" / "screenshots")
    arguments = parser.parse_args()
    arguments.into.mkdir(parents=True, exist_ok=True)
    async with chromium() as browser:
        if arguments.update is not None:
            await update(browser, arguments.into, arguments.update or PICTURES)
            return
        for state in arguments.states:
            with serve(*(["--wrong"] if state == "wrong" else [])) as served:
                for view, size, language, scheme in itertools.product(
                    arguments.only, arguments.sizes, arguments.languages, arguments.schemes
                ):
                    await picture(browser, served.url, arguments.into, view, size, language, scheme, state)


if __name__ == "__main__":
    asyncio.run(main())
