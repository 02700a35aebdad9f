"""The page in a real browser: it moves, says what is wrong, never lies when frozen, and asks nobody else."""

import signal
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from qilu.web.tokens import TokenRole, new_token, write_tokens
from tests.page.browser import Served, Watched, open_page, serve, watch

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]

VIEWS = (
    "overview",
    "devices",
    "device/pump-1",
    "device/pump-1/plan",
    "device/pump-1/registers",
    "delivery",
    "events",
    "factory",
    "day/2026-11-30",
    "wall",
)
ROLES: tuple[TokenRole, ...] = ("viewer", "wall")
PATIENT_MS = 30_000
expect.set_options(timeout=PATIENT_MS)


async def go(page: Page, view: str) -> None:
    """Open a view and wait for what it shows."""
    await page.evaluate("view => { location.hash = `#/${view}`; }", view)
    await expect(page.locator("#content")).to_be_visible()
    await expect(page.locator("#content [aria-busy=true]")).to_have_count(0)
    await expect(page.locator("#sentence[data-code]")).to_be_visible()


def clean(watched: Watched) -> None:
    """Nothing was asked of another host, and nothing was complained about."""
    assert watched.foreign == []
    assert watched.complaints == []


async def test_every_view_is_shown_without_a_complaint_and_without_a_foreign_request(
    browser: Browser, wrong_plant: Served
) -> None:
    async with open_page(browser, wrong_plant.url) as watched:
        for view in VIEWS:
            await go(watched.page, view)
        await go(watched.page, "device/compressor-1")
        await expect(watched.page.locator(".chart canvas")).to_be_visible()
        clean(watched)


async def test_values_move(browser: Browser, plant: Served) -> None:
    async with open_page(browser, plant.url) as watched:
        value = watched.page.locator("[data-device=compressor-1] .tile-value")
        first = await value.inner_text()
        await expect(value).not_to_have_text(first)


async def test_the_first_line_is_the_worst_and_the_others_are_one_click_away(
    browser: Browser, wrong_plant: Served
) -> None:
    async with open_page(browser, wrong_plant.url) as watched:
        page = watched.page
        await expect(page.locator("#sentence")).to_have_attribute("data-code", "broker_disconnected")
        await expect(page.locator("#sentence h1")).to_contain_text("请检查 10.0.0.9:8883 的网络")
        await page.locator("#sentence .more").click()
        await expect(page.locator("#more li")).to_have_count(2)
        await page.locator("[data-do=lang]").click()
        await expect(page.locator("#sentence h1")).to_contain_text("check the network to 10.0.0.9:8883")


async def test_the_sentence_of_the_broker_comes_and_goes(browser: Browser) -> None:
    with serve() as served:
        async with open_page(browser, served.url) as watched:
            sentence = watched.page.locator("#sentence")
            for connected, code in ((False, "broker_disconnected"), (True, "normal")):
                await post(watched.page, "test/broker", {"connected": connected})
                await expect(sentence).to_have_attribute("data-code", code)


async def post(page: Page, path: str, body: dict[str, Any]) -> None:
    """A change by the API, from within the page."""
    code = """async ([path, body]) => (await fetch(new URL(`api/v1/${path}`, document.baseURI), {
        method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(body)})).status"""
    assert await page.evaluate(code, [path, body]) == 200


async def test_a_fault_is_injected_in_two_clicks_and_seen_and_repaired(browser: Browser) -> None:
    with serve() as served:
        async with open_page(browser, f"{served.url}#/factory") as watched:
            page = watched.page
            machine = page.locator(".machine[data-device=press-1]")
            await machine.locator("button").click()
            await expect(page.locator("[data-fault=seal_leakage]")).to_contain_text("设备马上报故障")
            await page.locator("[data-fault=seal_leakage]").click()
            await expect(machine).to_have_attribute("data-state", "fault")
            await expect(page.locator("#sentence")).to_have_attribute("data-level", "fault")
            await page.locator("[data-do=repair]").click()
            await expect(machine).to_have_attribute("data-state", "running")
            clean(watched)


async def test_a_stopped_server_turns_every_view_grey_until_it_is_back(browser: Browser) -> None:
    with serve() as served:
        async with open_page(browser, served.url) as watched:
            page = watched.page
            await go(page, "overview")
            served.process.send_signal(signal.SIGSTOP)
            try:
                bar = page.locator("#frozen")
                await expect(bar).to_contain_text("连接中断")
                for view in VIEWS:
                    await page.evaluate("view => { location.hash = `#/${view}`; }", view)
                    await expect(bar).to_be_visible()
                    assert await page.evaluate("document.documentElement.hasAttribute('data-frozen')")
                await go_nowhere(page)
                assert "grayscale" in await page.locator("main").evaluate(
                    "main => getComputedStyle(main).filter"
                )
            finally:
                served.process.send_signal(signal.SIGCONT)
            await expect(bar).to_have_count(0)
            await expect(page.locator("#sentence[data-code=normal]")).to_be_visible()


async def go_nowhere(page: Page) -> None:
    """Back to a view whose topic the page still has."""
    await page.evaluate("() => { location.hash = '#/overview'; }")


async def test_a_page_that_opens_a_stopped_server_never_shows_a_value_as_new(browser: Browser) -> None:
    with serve() as served:
        async with open_page(browser, served.url) as watched:
            await go(watched.page, "overview")
            served.process.kill()
            await expect(watched.page.locator("#frozen")).to_contain_text("以下为")


async def test_eight_tabs_of_one_browser_stay_live(browser: Browser, plant: Served) -> None:
    context = await browser.new_context(locale="zh-CN")
    try:
        tabs = [await watch(context, plant.url) for _ in range(8)]
        for tab in tabs:
            await tab.page.goto(plant.url)
        texts = "() => document.querySelector('[data-device=compressor-1] .tile-value')?.textContent ?? ''"
        for tab in tabs:
            await expect(tab.page.locator("[data-device=compressor-1] .tile-value")).to_be_visible()
        first = [await tab.page.evaluate(texts) for tab in tabs]
        for tab, former in zip(tabs, first, strict=True):
            await tab.page.wait_for_function(
                f"former => ({texts})() !== former", arg=former, timeout=PATIENT_MS
            )
            clean(tab)
    finally:
        await context.close()


async def test_a_device_named_with_markup_stays_text(browser: Browser, plant: Served) -> None:
    async with open_page(browser, plant.url) as watched:
        page = watched.page
        for view in ("overview", "devices", "device/hostile", "factory", "events", "day/2026-11-30", "wall"):
            await go(page, view)
            assert await page.evaluate("document.querySelectorAll('#app img').length") == 0
        assert await page.evaluate("window.attacked") is None
        await go(page, "device/hostile")
        await expect(page.locator(".device-head h2")).to_contain_text("<img src=x onerror=")
        clean(watched)


async def test_a_thousand_devices_have_few_rows_in_the_document_and_are_filtered_and_sorted(
    browser: Browser, record_property: Any
) -> None:
    with serve("--devices", "1000") as served:
        async with open_page(browser, f"{served.url}#/devices") as watched:
            page = watched.page
            await expect(page.locator(".count")).to_have_text("1000 / 1000 台")
            await page.evaluate(
                """() => {
                    window.longest = 0;
                    const note = task => { window.longest = Math.max(window.longest, task.duration); };
                    const observer = new PerformanceObserver(list => list.getEntries().forEach(note));
                    observer.observe({type: 'longtask'});
                }"""
            )
            for top in (4000, 12_000, 24_000, 36_000, 0):
                await page.locator(".rows").evaluate("(rows, top) => { rows.scrollTop = top; }", top)
                await page.wait_for_timeout(200)
                assert await page.locator(".row-device").count() < 60
            await post(page, "factory/faults", {"device": "pump-0900", "fault": "cut"})
            await expect(page.locator(".row-device").first).to_have_attribute("data-device", "pump-0900")
            await page.locator("#filter").fill("pump-0123")
            await expect(page.locator(".row-device")).to_have_count(1)
            longest = await page.evaluate("window.longest")
            record_property("longest task in ms", longest)
            clean(watched)


async def test_a_chart_shows_gaps_with_their_reason_and_is_zoomed_and_saved(
    browser: Browser, plant: Served
) -> None:
    async with open_page(browser, f"{plant.url}#/device/compressor-1") as watched:
        page = watched.page
        over = page.locator(".chart .u-over")
        await expect(over).to_be_visible()
        box = await over.bounding_box()
        assert box is not None
        await page.mouse.move(box["x"] + box["width"] * 0.35, box["y"] + 40)
        await expect(page.locator(".chart .hover")).to_contain_text("缺数：超时")
        await page.mouse.move(box["x"] + box["width"] * 0.2, box["y"] + 40)
        await expect(page.locator(".chart .hover")).to_contain_text(
            "bar)"
        )  # 0.743 MPa (7.43 bar): both units
        await page.mouse.down()
        await page.mouse.move(box["x"] + box["width"] * 0.28, box["y"] + 40, steps=4)
        await page.mouse.up()
        await expect(page.get_by_role("button", name="后退")).to_be_visible()
        await over.dblclick()
        await expect(page.get_by_role("button", name="后退")).to_have_count(0)
        async with page.expect_download() as saved:
            await page.locator("[data-do=png]").click()
        assert (await saved.value).suggested_filename.endswith(".png")
        clean(watched)


async def test_old_values_are_struck_and_a_silent_device_says_since_when(
    browser: Browser, wrong_plant: Served
) -> None:
    async with open_page(browser, f"{wrong_plant.url}#/devices") as watched:
        row = watched.page.locator(".row-device[data-device=pump-1]")
        await expect(row.locator(".c-time_ms.late")).to_contain_text("分钟 前")
        await go(watched.page, "device/pump-1")
        await expect(watched.page.locator("tr[data-point=speed] .value.stale")).to_be_visible()


async def test_clocks_that_differ_are_reported(browser: Browser) -> None:
    with serve("--clock-s", "42") as served:
        async with open_page(browser, served.url) as watched:
            await expect(watched.page.locator("#clocks")).to_contain_text("相差 4")


async def test_a_token_is_asked_for_and_a_viewer_may_not_inject(browser: Browser, tmp_path: Path) -> None:
    file = tmp_path / "tokens.json"
    (viewer, first), (wall, second) = (new_token(role, "2026-12-01T00:00:00Z") for role in ROLES)
    write_tokens(file, [first, second])
    with serve("--tokens", str(file)) as served:
        async with open_page(browser, f"{served.url}#/factory") as watched:
            page = watched.page
            for text in ("wrong", viewer):
                await page.locator("#token").fill(text)
                await page.get_by_role("button", name="登录").click()
                if text == "wrong":
                    await expect(page.locator("[role=alert]")).to_be_visible()
            await page.locator(".machine button").first.click()
            await expect(page.locator(".dialog .refusal")).to_contain_text("需要操作员令牌")
            await expect(page.locator("[data-fault=cut]")).to_be_disabled()
            assert watched.foreign == []
        async with open_page(browser, f"{served.url}#/devices") as watched:
            await watched.page.locator("#token").fill(wall)
            await watched.page.get_by_role("button", name="登录").click()
            await expect(watched.page.locator(".wall .tile, .wall .road").first).to_be_visible()


async def test_the_page_works_below_a_prefix(browser: Browser) -> None:
    with serve("--base", "/plants/edge-1/") as served:
        async with open_page(browser, served.url) as watched:
            assert served.url.endswith("/plants/edge-1/")
            await go(watched.page, "device/pump-1")
            await expect(watched.page.locator(".chart canvas")).to_be_visible()
            clean(watched)


async def test_a_view_or_device_that_is_not_there_is_reported(browser: Browser, plant: Served) -> None:
    async with open_page(browser, f"{plant.url}#/nothing") as watched:
        await expect(watched.page.locator("#content")).to_contain_text("没有这个视图")
        await watched.page.evaluate("() => { location.hash = '#/device/nobody'; }")
        await expect(watched.page.locator("#content")).to_contain_text("没有名为 nobody 的设备")


async def test_the_keyboard_reaches_every_view(browser: Browser, plant: Served) -> None:
    async with open_page(browser, plant.url) as watched:
        page = watched.page
        await expect(page.locator(".nav a").nth(5)).to_be_visible()
        for _ in range(4):
            await page.keyboard.press("Tab")
        await expect(page.locator(".nav a").nth(1)).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(page.locator(".table")).to_be_visible()
