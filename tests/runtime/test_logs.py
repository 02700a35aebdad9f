"""Log lines are for people or for machines, and never hold up what logs."""

from __future__ import annotations

import io
import json
import logging
import re
import threading

import pytest

from qilu.runtime.logs import Form, logging_to

log = logging.getLogger("gateway.sources.modbus.source")


def test_a_line_for_people_has_time_level_place_message_and_fields() -> None:
    stream = io.StringIO()
    with logging_to(stream):
        log.warning("no answer for %d s", 3, extra={"device": "press-1"})
    date, time, rest = stream.getvalue().split(" ", 2)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", date)
    assert re.fullmatch(r"\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d", time)
    assert rest == "WARNING gateway.sources.modbus.source: no answer for 3 s device=press-1\n"


def test_a_line_for_machines_is_one_object_even_with_a_traceback() -> None:
    stream = io.StringIO()
    with logging_to(stream, form="json"):
        try:
            raise ValueError("odd\nvalue")
        except ValueError:
            log.exception("济南", extra={"device": "press-1"})
    entry = json.loads(stream.getvalue())
    assert stream.getvalue().count("\n") == 1
    assert (entry["level"], entry["message"], entry["device"]) == ("error", "济南", "press-1")
    assert "ValueError: odd\nvalue" in entry["exception"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", entry["time"])


def test_the_level_holds_and_libraries_are_quiet_unless_debugging() -> None:
    for level, expected in (("info", ["info"]), ("error", []), ("debug", ["debug", "info", "library"])):
        stream = io.StringIO()
        with logging_to(stream, level=level):
            log.debug("debug")
            log.info("info")
            logging.getLogger("urllib3.connectionpool").info("library")
        assert [line.rsplit(" ", 1)[-1] for line in stream.getvalue().splitlines()] == expected


def test_everything_is_as_before_on_leaving() -> None:
    root, library = logging.getLogger(), logging.getLogger("amqtt")
    before = root.level, root.handlers[:], library.level
    with logging_to(io.StringIO(), level="error"):
        pass
    assert (root.level, root.handlers, library.level) == before


class Stuck(io.StringIO):
    """A terminal whose reader takes nothing until `released`."""

    def __init__(self) -> None:
        super().__init__()
        self.released = threading.Event()

    def write(self, text: str) -> int:
        self.released.wait(30)
        return super().write(text)


def test_a_stuck_reader_holds_up_nobody_and_the_lines_it_missed_are_counted() -> None:
    stream = Stuck()
    with logging_to(stream):
        for number in range(10_500):
            log.info("%d", number)
        stream.released.set()
    written = stream.getvalue().splitlines()
    reported = next(line for line in written if "log lines were dropped" in line)
    dropped = int(reported.split(": ")[1].split()[0])
    assert len(written) - 1 + dropped == 10_500
    assert dropped > 0


HOSTILE = "x\n2026-01-01 INFO all is well\x1b[2J\x9b31m\u202egnp.exe\u2028\r"


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_text_from_outside_can_neither_forge_a_line_nor_order_the_terminal(form: Form) -> None:
    stream = io.StringIO()
    with logging_to(stream, form=form):
        log.warning("rejected because: %s", HOSTILE, extra={"device": HOSTILE})
    assert stream.getvalue().count("\n") == 1
    assert stream.getvalue().rstrip("\n").isprintable()
    if form == "json":
        assert json.loads(stream.getvalue())["message"] == f"rejected because: {HOSTILE}"


def test_an_exception_text_from_outside_orders_the_terminal_nothing() -> None:
    stream = io.StringIO()
    with logging_to(stream):
        try:
            raise ValueError(HOSTILE)
        except ValueError:
            log.exception("internal error")
    assert all(line.isprintable() for line in stream.getvalue().split("\n"))
