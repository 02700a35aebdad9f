"""What a page keeps in memory while it stays open: `python -m tests.page.heap --minutes 60`.

Each page stays on its view, and one page changes its view all the time. Heap and DOM nodes are counted
after a garbage collection; printed is the ratio of the end to the count after `--settled` minutes.
"""

import argparse
import asyncio
import itertools
import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

from playwright.async_api import Browser, Page

from tests.page.browser import chromium, open_page, serve

STANDING = ("overview", "devices", "device/compressor-1", "delivery", "events", "factory", "wall")
TOURED = (*STANDING, "device/pump-1/registers", "device/pump-1/plan", "day/2026-11-30")
TOUR = "tour"


@dataclass(frozen=True)
class Kept:
    """What one page holds: bytes of the heap in use, nodes of documents, listeners of events."""

    heap_bytes: int
    nodes: int
    listeners: int


LOOKS = 3
"""How often a page is counted: what a request has just brought is not there every time."""


async def count(page: Page) -> Kept:
    """The least memory of a page in a few looks, each after a garbage collection."""
    looks = []
    for _ in range(LOOKS):
        looks.append(await _look(page))
        await page.wait_for_timeout(300)
    return Kept(
        min(look.heap_bytes for look in looks),
        min(look.nodes for look in looks),
        min(look.listeners for look in looks),
    )


async def _look(page: Page) -> Kept:
    session = await page.context.new_cdp_session(page)
    try:
        await session.send("Performance.enable")
        for _ in range(2):
            await session.send("HeapProfiler.collectGarbage")
        metrics = (await session.send("Performance.getMetrics"))["metrics"]
    finally:
        await session.detach()
    by_name: Mapping[str, float] = {metric["name"]: metric["value"] for metric in metrics}
    return Kept(int(by_name["JSHeapUsedSize"]), int(by_name["Nodes"]), int(by_name["JSEventListeners"]))


async def tour(page: Page, seconds: float, stay_s: float) -> None:
    """Every view in turn for so long, and the first one at the end, so that counts can be compared."""
    end = asyncio.get_running_loop().time() + seconds
    for view in itertools.cycle(TOURED):
        await page.evaluate("view => { location.hash = `#/${view}`; }", view)
        await page.wait_for_timeout(stay_s * 1000)
        if view == TOURED[0] and asyncio.get_running_loop().time() >= end:
            return


async def watch_pages(
    browser: Browser,
    url: str,
    moments_s: Sequence[float],
    views: Sequence[str] = (*STANDING, TOUR),
    stay_s: float = 2.0,
) -> list[dict[str, Kept]]:
    """The memory of every page at these moments (s after all have been opened)."""
    async with AsyncExitStack() as stack:
        pages = {
            view: (
                await stack.enter_async_context(
                    open_page(browser, f"{url}#/{'overview' if view == TOUR else view}")
                )
            ).page
            for view in views
        }
        started, counts = asyncio.get_running_loop().time(), []
        for moment in moments_s:
            rest_s = max(0.0, started + moment - asyncio.get_running_loop().time())
            if TOUR in pages:
                await tour(pages[TOUR], rest_s, stay_s)
            else:
                await asyncio.sleep(rest_s)
            counts.append({view: await count(page) for view, page in pages.items()})
    return counts


async def main() -> None:
    """Print one line for each page."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--settled", type=float, default=5, help="minutes until the first count")
    arguments = parser.parse_args()
    with serve("--wrong") as served:
        async with chromium() as browser:
            between = [arguments.settled, arguments.minutes / 2, arguments.minutes]
            counts = await watch_pages(browser, served.url, [minutes * 60 for minutes in between])
    first, last = counts[0], counts[-1]
    for view in first:
        line = {
            "view": view,
            "heap_kb": [entry[view].heap_bytes // 1024 for entry in counts],
            "nodes": [entry[view].nodes for entry in counts],
            "listeners": [entry[view].listeners for entry in counts],
            "heap_ratio": round(last[view].heap_bytes / first[view].heap_bytes, 3),
            "nodes_ratio": round(last[view].nodes / first[view].nodes, 3),
        }
        sys.stdout.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    asyncio.run(main())
