"""A page that stays open keeps its size: some seconds of what `tests.page.heap` watches for an hour."""

import pytest
from playwright.async_api import Browser

from tests.page.browser import Served
from tests.page.heap import TOUR, watch_pages

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]


async def test_neither_nodes_nor_listeners_nor_heap_grow_with_what_is_shown(
    browser: Browser, wrong_plant: Served
) -> None:
    views = ("devices", "device/compressor-1", TOUR)
    first, last = await watch_pages(browser, wrong_plant.url, [4.0, 12.0], views, stay_s=0.4)
    for view in views:
        assert last[view].nodes <= 1.1 * first[view].nodes, view
        assert last[view].listeners <= 1.1 * first[view].listeners, view
        # code that the browser compiles counts as well: an hour is within 1.1, some seconds are not always
        assert last[view].heap_bytes <= 1.5 * first[view].heap_bytes, view
