"""The pure modules of the page, in the browser that runs them, against what the project's Python says."""

import json
import math
import struct
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from qilu.contract.display.durations import duration_text
from qilu.web.merge_patch import merge_patch
from tests.page.browser import Served, open_page

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def page(browser: Browser, plant: Served) -> AsyncIterator[Page]:
    async with open_page(browser, plant.url) as watched:
        yield watched.page


async def call(page: Page, module: str, function: str, *arguments: object) -> Any:
    """What a function of a module returns."""
    code = "async ([url, name, given]) => { const found = await import(url); return found[name](...given); }"
    return await page.evaluate(code, [f"{page.url.split('#')[0]}app/{module}.mjs", function, list(arguments)])


@pytest.mark.parametrize("language", ["zh", "en"])
async def test_durations_read_as_those_of_dashboards_do(page: Page, language: Any) -> None:
    for seconds in (0, 0.25, 0.999, 1, 59, 119, 120, 3599, 7200, 187_200, 259_199, 259_200, 5e6):
        assert await call(page, "format", "duration", seconds, language) == duration_text(seconds, language)


CHAINS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"a": 1, "b": {"c": 2, "d": 3}}, {"a": 1, "b": {"c": 5}}),
    ({"a": [1, 2], "b": {"c": {}}}, {"a": [2], "b": {"c": {"e": "x"}}}),
    ({"a": {"b": 1}}, {"a": 7, "new": {"deep": {"er": None}}}),
]


@pytest.mark.parametrize(("former", "current"), CHAINS)
async def test_a_patch_of_the_server_leads_to_the_servers_state(
    page: Page, former: dict[str, Any], current: dict[str, Any]
) -> None:
    patch = merge_patch(former, current)
    merged = await call(page, "merge", "applyChanges", former, patch)
    without_null = json.loads(json.dumps(current).replace(', "er": null', "").replace('"er": null', ""))
    assert merged == without_null


async def test_cells_change_a_table_and_events_are_added_once(page: Page) -> None:
    table = {"columns": ["device", "age_ms"], "rows": [["a", 1], ["b", 2]]}
    changed = await call(page, "merge", "applyChanges", table, {"cells": [[1, 1, 9]]})
    assert changed["rows"] == [["a", 1], ["b", 9]]
    events = {"events": [{"id": "1", "time_ms": 5}]}
    more = {"append": [{"id": "1", "time_ms": 5}, {"id": "2", "time_ms": 8}]}
    assert [event["id"] for event in (await call(page, "merge", "applyChanges", events, more))["events"]] == [
        "2",
        "1",
    ]


ORDERS = {"ABCD": ">HH", "CDAB": "swapped", "BADC": "<HH", "DCBA": "both"}


@pytest.mark.parametrize("order", ORDERS)
async def test_registers_are_decoded_as_struct_decodes_them(page: Page, order: str) -> None:
    words = [0x4148, 0xF5C3]
    arranged = words[::-1] if order in {"CDAB", "DCBA"} else words
    raw = struct.pack("<HH" if order in {"BADC", "DCBA"} else ">HH", *arranged)
    for kind, code in (("float32", ">f"), ("uint32", ">I"), ("int32", ">i")):
        found = await call(page, "parts/decode", "decode", words, kind, order)
        assert math.isclose(found, struct.unpack(code, raw)[0], rel_tol=1e-6)


@pytest.mark.parametrize(
    ("byte_order", "word_order", "name"),
    [
        ("big", "big", "ABCD"),
        ("big", "little", "CDAB"),
        ("little", "big", "BADC"),
        ("little", "little", "DCBA"),
    ],
)
async def test_the_orders_of_a_profile_have_their_usual_names(
    page: Page, byte_order: str, word_order: str, name: str
) -> None:
    assert await call(page, "parts/decode", "orderName", byte_order, word_order) == name


async def test_a_gap_cuts_the_line_and_a_suppressed_stretch_does_not(page: Page) -> None:
    series = {"t": [1000, 2000, 5000, 6000], "last": [1, 2, 3, 4], "min": [1, 2, 3, 4], "max": [1, 2, 3, 4]}
    gap = {"from_ms": 2100, "to_ms": 4900, "reason": "timeout"}
    cut = await call(page, "parts/series", "chartColumns", {**series, "gaps": [gap]})
    assert cut[1] == [1, 2, None, 3, 4]
    whole = await call(
        page, "parts/series", "chartColumns", {**series, "gaps": [{**gap, "reason": "suppressed"}]}
    )
    assert whole[1] == [1, 2, 3, 4]


async def test_a_stretch_in_which_every_poll_failed_is_a_gap_with_its_reason(page: Page) -> None:
    series: dict[str, Any] = {"t": [1000, 9000], "gaps": []}
    failed = {"from_ms": 2000, "to_ms": 8000, "quality": "bad", "reason": "timeout"}
    drawn = await call(page, "parts/series", "withGaps", {**series, "bad": [failed]})
    assert drawn["gaps"] == [{"from_ms": 2000, "to_ms": 8000, "reason": "timeout"}]
    sampled = await call(page, "parts/series", "withGaps", {**series, "bad": [{**failed, "to_ms": 9000}]})
    assert sampled["gaps"] == []


async def test_lone_samples_are_found_and_an_empty_range_has_an_axis(page: Page) -> None:
    assert await call(page, "parts/series", "loneIndices", [None, 1, None, 2, 3, None, 4]) == [1, 6]
    assert await call(page, "parts/series", "valueRange", None, None) == [0, 1]
    low, high = await call(page, "parts/series", "valueRange", 5, 5)
    assert low < 5 < high


async def test_completeness_is_never_rounded_up_to_all(page: Page) -> None:
    device = {"due": 1_000_000, "good": 999_999, "uncertain": 0}
    assert await call(page, "views/day", "completeness", device) == "99.99 %"
    assert await call(page, "views/day", "completeness", {**device, "good": 1_000_000}) == "100.00 %"


async def test_the_worst_device_is_first_and_a_line_has_its_buffers_in_order(page: Page) -> None:
    devices = {
        "a": {"level": "normal"},
        "b": {"level": "warning"},
        "c": {"level": "fault"},
        "d": {"level": "normal"},
    }
    assert await call(page, "views/overview", "worstFirst", devices) == ["c", "b", "a", "d"]
    line = {
        "machines": [{"device": "m1"}, {"device": "m2"}, {"device": "r"}],
        "buffers": [{"from": ["m1", "m2"], "to": "r"}],
    }
    kinds = [next(iter(item)) for item in await call(page, "views/factory", "flow", line)]
    assert kinds == ["machine", "machine", "buffer", "machine"]
