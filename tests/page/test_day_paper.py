"""The report of a day on paper: from the page and from `qilu report day --html`, whole and on few sheets."""

from datetime import UTC
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from gateway.console.day_page import completeness_text, day_page
from tests.page.browser import open_page, serve
from tests.page.console import Console
from tests.page.test_page import go

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]

A4_WIDTH = 703
"""Pixels between the margins of 12 mm, at 96 to the inch."""
CUT = """() => [...document.querySelectorAll('.paper, .paper *')].filter(element =>
    element.checkVisibility() && element.clientWidth > 0 && (element.scrollWidth > element.clientWidth + 1
    || element.getBoundingClientRect().right > innerWidth + 1)
    && getComputedStyle(element).display !== 'inline').map(element => element.textContent.slice(0, 60))"""


async def sheets(page: Page) -> int:
    """How many sheets the page takes, once nothing of it is cut."""
    await page.set_viewport_size({"width": A4_WIDTH, "height": 1000})
    await page.emulate_media(media="print")
    assert await page.evaluate(CUT) == []
    printed = await page.pdf(prefer_css_page_size=True)
    return printed.count(b"/Type /Page\n") + printed.count(b"/Type /Page ")


@pytest.mark.parametrize(("devices", "number"), [(22, 1), (60, 2)])
async def test_a_day_of_the_page_is_one_sheet_for_22_devices_and_two_for_60(
    browser: Browser, devices: int, number: int
) -> None:
    with serve("--devices", str(devices)) as served:
        async with open_page(browser, f"{served.url}#/day/2026-11-30") as watched:
            await go(watched.page, "day/2026-11-30")
            await expect(watched.page.locator(".day-table tbody tr")).to_have_count(devices)
            assert await sheets(watched.page) == number


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize(("devices", "number"), [(22, 1), (60, 2)])
async def test_a_day_of_the_command_is_one_sheet_for_22_devices_and_two_for_60(
    browser: Browser, tmp_path: Path, devices: int, number: int, language: str
) -> None:
    report = Console(lambda: 1_796_039_220_000, extra=devices - 22).day("2026-11-30")
    file = tmp_path / "day.html"
    names = ("示范企业", "历城一厂")
    file.write_text(day_page(report, names, UTC, "zh" if language == "zh" else "en"), encoding="utf-8")
    context = await browser.new_context()
    try:
        page = await context.new_page()
        foreign: list[str] = []
        page.on("request", lambda request: foreign.append(request.url))
        await page.goto(file.as_uri())
        await expect(page.locator(".day-table tbody tr")).to_have_count(devices)
        text = await page.locator(".paper").inner_text()
        for wanted in (
            ("超时 312、网关停运 60", "05:00:00–05:05:12", "软件版本 0.1.0", "运行 h")
            if language == "zh"
            else (
                "timed out 312, gateway down 60",
                "05:00:00–05:05:12",
                "Software version 0.1.0",
                "Running h",
            )
        ):
            assert wanted in text
        assert foreign == [file.as_uri()]
        assert await sheets(page) == number
    finally:
        await context.close()


async def test_names_with_markup_stay_text(browser: Browser, tmp_path: Path) -> None:
    report = Console(lambda: 1_796_039_220_000, hostile=True).day("2026-11-30")
    file = tmp_path / "day.html"
    file.write_text(day_page(report, ("<b>x</b>",), UTC, "en"), encoding="utf-8")
    page = await browser.new_page()
    await page.goto(file.as_uri())
    assert await page.evaluate("[document.images.length, document.querySelectorAll('header b').length]") == [
        0,
        0,
    ]
    await page.close()


async def test_completeness_is_never_rounded_up() -> None:
    counts = {"due": 100_000, "suppressed": 0, "good": 99_999, "uncertain": 0}
    assert completeness_text(counts) == "99.99 %"
    assert completeness_text({**counts, "good": 100_000}) == "100.00 %"
    assert completeness_text({**counts, "due": 0}) == "–"
