"""The page over a real gateway, a simulated plant and a real broker, all processes of their own."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from gateway.spool.disk import DiskSpool
from gateway.spool.settings import SpoolSettings
from tests.page.browser import WAIT_MS, open_page
from tests.servers.mosquitto import Mosquitto
from tests.servers.process import HOST, free_port
from tests.system.programs import Qilu

REASON = "bad_value: flow is beyond what a store can hold"


async def set_aside(spool: Path) -> None:
    """Two records of an earlier run, which a store rejected."""
    settings = SpoolSettings(directory=spool, min_free_disk=0)
    async with DiskSpool(settings, "edge-1") as opened:
        for number in range(2):
            opened.append(b'{"device":"pump-1","group":"default","number":%d}' % number)
        opened.quarantine(opened.stream, {0: REASON, 1: REASON})


pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]

PLANT = """
plant: two-machines
control: {{listen: {host}:{control}}}
machines:
  - {{device: pump-1, machine: centrifugal-pump, port: {pump}, line: water, label: {{zh: 循环泵, en: Pump}}}}
  - {{device: air-1, machine: screw-air-compressor, port: {air}, line: air, label: {{zh: 空压机, en: Air}}}}
"""
GATEWAY = """
edge: edge-1
console: {{listen: {host}:{console}}}
spool: {{directory: spool, min_free_disk: 1MB}}
mqtt: {{host: {host}, port: {broker}}}
delivery: {{trusted_stores: [nobody]}}
sources:
  - type: modbus
    url: tcp://{host}:{pump}
    timeout: 500ms
    devices: [{{device: pump-1, label: {{zh: 循环泵, en: Pump}}, unit_id: 1, profile: centrifugal-pump}}]
  - type: modbus
    url: tcp://{host}:{air}
    devices: [{{device: air-1, label: {{zh: 空压机, en: Air}}, unit_id: 1, profile: screw-air-compressor}}]
"""


@dataclass(frozen=True)
class Works:
    """Everything that runs, and the addresses of its pages."""

    broker: Mosquitto
    gateway: Qilu
    console: str
    plant: str


@pytest.fixture(scope="module")
def works(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Works]:
    folder = tmp_path_factory.mktemp("works")
    names = ("control", "pump", "air", "console")
    ports = {name: free_port() for name in names}
    with contextlib.ExitStack() as stack:
        (folder / "broker").mkdir()
        broker = stack.enter_context(Mosquitto(folder / "broker"))
        values = {**ports, "host": HOST, "broker": broker.port}
        plant, gateway = folder / "plant.yaml", folder / "gateway.yaml"
        plant.write_text(PLANT.format(**values), encoding="utf-8")
        gateway.write_text(GATEWAY.format(**values), encoding="utf-8")
        stack.enter_context(Qilu(folder, "simulate", plant, ready="control port"))
        with ThreadPoolExecutor(1) as thread:  # the loop of the tests is another one
            thread.submit(asyncio.run, set_aside(folder / "spool")).result()
        running = stack.enter_context(Qilu(folder, "gateway", gateway, ready=f"{HOST}:{ports['console']}"))
        console, control = (f"http://{HOST}:{ports[name]}/" for name in ("console", "control"))
        yield Works(broker, running, console, control)


async def test_values_of_a_real_machine_move(browser: Browser, works: Works) -> None:
    async with open_page(browser, works.console) as watched:
        value = watched.page.locator("[data-device=air-1] .tile-value")
        await expect(value).not_to_have_text("–", timeout=WAIT_MS)
        for view in ("devices", "device/air-1/registers", "device/air-1/plan", "delivery", "events", "wall"):
            await watched.page.evaluate("view => { location.hash = `#/${view}`; }", view)
            await expect(watched.page.locator("#sentence[data-code]")).to_be_visible(timeout=WAIT_MS)
            await expect(watched.page.locator("#content [aria-busy=true]")).to_have_count(0, timeout=WAIT_MS)
        await watched.page.evaluate("() => { location.hash = '#/device/air-1'; }")
        await expect(watched.page.locator(".chart canvas")).to_be_visible(timeout=WAIT_MS)
        serve_counter = watched.page.locator("tr[data-point=serve_counter] .value")
        former = await serve_counter.inner_text()
        await expect(serve_counter).not_to_have_text(former, timeout=WAIT_MS)
        assert (watched.complaints, watched.foreign) == ([], [])


async def test_a_fault_injected_in_the_browser_is_seen_by_the_gateway(browser: Browser, works: Works) -> None:
    async with open_page(browser, works.plant) as plant, open_page(browser, works.console) as console:
        await expect(console.page.locator("[data-device=pump-1]")).to_have_attribute(
            "data-level", "normal", timeout=WAIT_MS
        )
        await plant.page.locator("[data-device=pump-1] button").click()
        await plant.page.locator("[data-fault=dead_unit]").click()
        await expect(plant.page.locator("#sentence")).to_have_attribute(
            "data-code", "fault_injected", timeout=WAIT_MS
        )
        tile = console.page.locator("[data-device=pump-1]")
        await expect(tile).to_have_attribute("data-level", "fault", timeout=WAIT_MS)
        await expect(console.page.locator("#sentence")).to_contain_text("循环泵", timeout=WAIT_MS)
        await plant.page.locator("[data-do=repair]").first.click()
        await expect(tile).to_have_attribute("data-level", "normal", timeout=2 * WAIT_MS)
        assert (plant.complaints, plant.foreign) == ([], [])


async def test_an_operator_sees_what_was_rejected_and_sends_it_again(browser: Browser, works: Works) -> None:
    async with open_page(browser, f"{works.console}#/delivery") as watched:
        page = watched.page
        panel = page.locator(".panel", has=page.get_by_role("heading", name="隔离区"))
        await panel.get_by_role("button", name="查看").click(timeout=WAIT_MS)
        record = panel.locator(".records > li").first
        await expect(record).to_contain_text("值超出存储范围", timeout=WAIT_MS)
        await expect(record).to_contain_text("pump-1", timeout=WAIT_MS)
        await panel.get_by_role("button", name="全部重新上送").click()
        await expect(panel.get_by_role("status")).to_contain_text("2 条", timeout=WAIT_MS)
        await expect(panel).to_contain_text("没有被拒收的记录", timeout=WAIT_MS)
        await page.evaluate("() => { location.hash = '#/events'; }")
        event = page.get_by_text("把隔离区的 2 条记录重新上送")
        await expect(event).to_be_visible(timeout=WAIT_MS)
        await page.get_by_role("button", name="EN").first.click()
        await expect(page.get_by_text("let 2 quarantined records be sent again")).to_be_visible(
            timeout=WAIT_MS
        )
        assert (watched.complaints, watched.foreign) == ([], [])


async def test_a_broker_that_is_killed_is_the_sentence_until_it_is_back(
    browser: Browser, works: Works
) -> None:
    async with open_page(browser, works.console) as watched:
        sentence = watched.page.locator("#sentence")
        await expect(watched.page.locator("#sentence[data-code]")).to_be_visible(timeout=WAIT_MS)
        works.broker.kill()
        await expect(sentence).to_have_attribute("data-code", "broker_disconnected", timeout=WAIT_MS)
        works.broker.start()
        await expect(sentence).not_to_have_attribute("data-code", "broker_disconnected", timeout=3 * WAIT_MS)


async def test_a_gateway_that_stands_still_turns_its_page_grey(browser: Browser, works: Works) -> None:
    async with open_page(browser, works.console) as watched:
        await expect(watched.page.locator("#sentence[data-code]")).to_be_visible(timeout=WAIT_MS)
        os.kill(works.gateway.pid, signal.SIGSTOP)
        try:
            await expect(watched.page.locator("#frozen")).to_contain_text("连接中断", timeout=WAIT_MS)
        finally:
            os.kill(works.gateway.pid, signal.SIGCONT)
        await expect(watched.page.locator("#frozen")).to_have_count(0, timeout=WAIT_MS)
