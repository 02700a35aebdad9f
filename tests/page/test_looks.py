"""What a reader can see and reach: accessibility rules, sizes of text and targets, width of the page."""

import itertools
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from tests.page.browser import PROJECT, WAIT_MS, Served, open_page
from tests.page.test_page import go

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]

RULES = PROJECT / ".axe" / "axe.min.js"
VIEWS = (
    "overview",
    "devices",
    "device/compressor-1",
    "device/pump-1/plan",
    "device/pump-1/registers",
    "delivery",
    "events",
    "factory",
    "day/2026-11-30",
    "wall",
)


async def serious(page: Page, rules: str) -> list[str]:
    """Serious findings of axe-core, each with its first element."""
    await page.evaluate(f"() => {{ if (!window.axe) {{ {rules} }} }}")
    found: Any = await page.evaluate("() => axe.run({resultTypes: ['violations']})")
    return [
        f"{entry['id']}: {entry['nodes'][0]['html'][:160]} {entry['nodes'][0]['failureSummary'][:200]}"
        for entry in found["violations"]
        if entry["impact"] in {"serious", "critical"}
    ]


@pytest.mark.parametrize("language", ["zh-CN", "en-GB"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_has_no_serious_finding(
    browser: Browser, wrong_plant: Served, language: str, scheme: str
) -> None:
    rules = Path(RULES).read_text(encoding="utf-8")
    findings: dict[str, list[str]] = {}
    async with open_page(browser, wrong_plant.url, language=language, scheme=scheme) as watched:
        for view in VIEWS:
            await go(watched.page, view)
            if found := await serious(watched.page, rules):
                findings[view] = found
        await go(watched.page, "factory")
        await watched.page.locator(".machine button").first.click()
        await expect(watched.page.locator(".offers button").first).to_be_visible()
        if found := await serious(watched.page, rules):
            findings["dialog"] = found
    assert findings == {}


SMALL_TEXT = """least => [...document.querySelectorAll('#app *')].filter(element => {
  const shown = element.checkVisibility() && !element.closest('.unseen, .skip');
  const own = [...element.childNodes].some(node => node.nodeType === 3 && node.textContent.trim());
  return shown && own && parseFloat(getComputedStyle(element).fontSize) < least - 0.01;
}).map(element => `${element.className} ${element.textContent.slice(0, 40)}`)"""

SMALL_TARGETS = """() => {
const TAPPED = '#app a, #app button, #app input, #app select, #app summary';
return [...document.querySelectorAll(TAPPED)].filter(element => {
  if (!element.checkVisibility() || element.closest('.skip')) return false;
  if (getComputedStyle(element).display === 'inline') return false;
  const target = element.type === 'checkbox' ? element.closest('label') ?? element : element;
  const box = target.getBoundingClientRect();
  return box.height < 43.5 || box.width < 30;
}).map(element => `${element.className} ${element.textContent.slice(0, 30)}`);
}"""


DIGITS = """() => {
const walker = document.createTreeWalker(document.getElementById('app'), NodeFilter.SHOW_TEXT);
const found = [];
while (walker.nextNode()) {
  const element = walker.currentNode.parentElement;
  if (element.checkVisibility() && !element.closest('svg, title')) found.push([walker.currentNode, element]);
}
return found.map(([node, element]) => [
  node.textContent, getComputedStyle(element).fontVariantNumeric, element.className]);
}"""


async def test_digits_that_change_have_one_width(browser: Browser, plant: Served) -> None:
    jumping: dict[str, list[str]] = {}
    async with open_page(browser, plant.url) as watched:
        for view in ("overview", "devices", "device/compressor-1", "delivery", "factory", "wall"):
            await go(watched.page, view)
            seen = [await watched.page.evaluate(DIGITS)]
            for _ in range(2):
                await watched.page.wait_for_timeout(1100)
                seen.append(await watched.page.evaluate(DIGITS))
            changed = {
                f"{name}: {text}"
                for former, now in itertools.pairwise(seen)
                if len(former) == len(now)
                for (before, _, _), (text, variant, name) in zip(former, now, strict=True)
                if before != text and any(map(str.isdigit, text)) and "tabular-nums" not in variant
            }
            if changed:
                jumping[view] = sorted(changed)[:5]
    assert jumping == {}


@pytest.mark.parametrize("language", ["zh-CN", "en-GB"])
async def test_a_phone_needs_no_sideways_scrolling_and_has_targets_for_a_finger(
    browser: Browser, wrong_plant: Served, language: str
) -> None:
    found: dict[str, object] = {}
    async with open_page(browser, wrong_plant.url, language=language, width=360, height=780) as watched:
        for view in VIEWS[:-1]:
            await go(watched.page, view)
            width = await watched.page.evaluate("document.documentElement.scrollWidth")
            small = await watched.page.evaluate(SMALL_TARGETS)
            if width > 360 or small:
                found[view] = (width, small)
    assert found == {}


async def test_no_text_is_smaller_than_14_px_and_none_of_the_wall_than_28(
    browser: Browser, wrong_plant: Served
) -> None:
    found: dict[str, list[str]] = {}
    for width in (1366, 360):
        async with open_page(browser, wrong_plant.url, width=width, height=768) as watched:
            for view in VIEWS:
                await go(watched.page, view)
                if small := await watched.page.evaluate(SMALL_TEXT, 28 if view == "wall" else 14):
                    found[f"{view} {width}"] = small
    assert found == {}


async def test_the_overview_of_the_demo_plant_fits_a_small_screen(
    browser: Browser, wrong_plant: Served
) -> None:
    for language in ("zh-CN", "en-GB"):
        async with open_page(browser, wrong_plant.url, language=language) as watched:
            await go(watched.page, "overview")
            await expect(watched.page.locator(".tile")).to_have_count(22)
            assert await watched.page.evaluate("document.documentElement.scrollHeight <= innerHeight")


async def test_the_wall_turns_its_pages_and_stops_on_the_worst(
    browser: Browser, plant: Served, wrong_plant: Served
) -> None:
    context = await browser.new_context(locale="zh-CN")
    page = await context.new_page()
    await page.clock.install()
    await page.goto(f"{plant.url}#/wall")
    await expect(page.locator(".wall-foot")).to_contain_text("第 1 /", timeout=WAIT_MS)
    await page.clock.run_for(20_500)
    await expect(page.locator(".wall-foot")).to_contain_text("第 2 /", timeout=WAIT_MS)
    await page.goto(f"{wrong_plant.url}#/wall")
    for _ in range(3):
        await expect(page.locator(".tile").first).to_have_attribute("data-level", "fault", timeout=WAIT_MS)
        await page.clock.run_for(20_500)
    await context.close()
