"""What every test may use: real servers as fixtures, and a last line naming those that a run had to miss."""

import signal

import pytest
from hypothesis import settings

from tests.servers.programs import missing_servers
from tests.support.examples import FAST_PROFILE, FEW
from tests.support.markers import mark

pytest_plugins = ["tests.servers.fixtures"]

settings.register_profile("shared machine", deadline=None)  # how long an example takes is not a result
settings.register_profile(FAST_PROFILE, deadline=None, max_examples=FEW)
settings.load_profile("shared machine")


def pytest_configure() -> None:
    """A run that is told to end (by `timeout`, by CI) ends as with Ctrl-C, and its servers with it.

    Under `nohup` the programs that tests start would ignore SIGHUP, as they should, and not reload by it.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test by where it is and what it uses; `make test-fast` leaves the marked ones out."""
    for item in items:
        mark(item)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say it aloud when a green run left real servers out."""
    missing = missing_servers()
    if missing:
        terminalreporter.write_line(
            f"servers missing in this run: {', '.join(missing)} - the tests that need them did not run",
            yellow=True,
        )
