"""The files of the page: small, without foreign addresses, replaced by a plain page without libraries."""

import gzip
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, expect

from qilu.web.files import read_page
from qilu.web.page import FOLDER, missing_packages
from tests.page.browser import open_page, serve
from tests.servers.programs import require_packages_of_the_page

SOURCES = sorted(
    path
    for path in FOLDER.rglob("*")
    if path.suffix in {".html", ".mjs", ".css"} and "packages" not in path.parts
)
MOST_BYTES = 120_000
"""Of everything that a reader of all views loads, compressed."""


def test_the_whole_page_is_small(record_property: Any) -> None:
    require_packages_of_the_page(missing_packages())
    loaded = [
        path
        for path in FOLDER.rglob("*")
        if path.suffix in {".html", ".mjs", ".css", ".svg"} and path.name != "plain.html"
    ]
    sizes = {path.name: len(gzip.compress(path.read_bytes())) for path in loaded}
    record_property("bytes of the page, compressed", sum(sizes.values()))
    assert sum(sizes.values()) <= MOST_BYTES


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_a_source_of_the_page_names_no_address_and_evaluates_no_text(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"https?://|\beval\(|new Function|innerHTML|\bstyle=\"", text)


def test_without_libraries_a_plain_page_names_the_command(tmp_path: Path) -> None:
    folder = tmp_path / "page"
    shutil.copytree(FOLDER, folder, ignore=shutil.ignore_patterns("packages", "__pycache__"))
    page = read_page(folder)
    found = page.find("")
    assert found is not None
    assert b"make page" in found.content
    assert page.allowed_script is None


@pytest.mark.slow
@pytest.mark.asyncio(loop_scope="session")
async def test_the_plain_page_shows_the_sentence(browser: Browser) -> None:
    with serve("--wrong", "--plain") as served:
        async with open_page(browser, served.url) as watched:
            await expect(watched.page.locator("#zh")).to_contain_text("消息服务器断开", timeout=30_000)
            await expect(watched.page.locator("#road")).to_contain_text("21 / 22", timeout=30_000)
            assert watched.complaints == []
