"""One browser and two servers for all tests of the page; a test that stops a server has its own."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from qilu.web.page import missing_packages
from tests.page.browser import Served, chromium, serve
from tests.servers.programs import require_packages_of_the_page


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def browser() -> AsyncIterator[Browser]:
    require_packages_of_the_page(missing_packages())
    async with chromium() as started:
        yield started


@pytest.fixture(scope="session")
def plant() -> Iterator[Served]:
    """A plant on which nothing is wrong; one of its devices has a name of markup."""
    with serve("--hostile") as served:
        yield served


@pytest.fixture(scope="session")
def wrong_plant() -> Iterator[Served]:
    """The broker is away, one device is silent, one reports a fault."""
    with serve("--wrong") as served:
        yield served
