"""One line every ten minutes says that a gateway lives, and what it lacks."""

import asyncio
import logging

import pytest

from gateway.health import POINTS
from gateway.heartbeat_log import beat, sentence
from tests.support.virtual_time import run

QUIET = dict.fromkeys(POINTS, 0.0) | {"broker_connected": 1.0, "devices": 22.0}


def after(**points: float) -> str:
    return sentence(QUIET, QUIET | points, 600.0)


def test_a_healthy_gateway_is_called_healthy_with_what_went_through() -> None:
    assert after(polls=15840.0, points=2_819_400.0, durable_records=15840.0, spool_records=3.0) == (
        "healthy; in the last 10 min 15840 polls of 22 devices, 2819400 values, 15840 records durable;"
        " 3 records in the spool"
    )


@pytest.mark.parametrize(
    ("point", "value", "text"),
    [
        ("offline_devices", 2.0, "2 devices do not answer"),
        ("broker_connected", 0.0, "the broker is not connected"),
        ("bad_points", 7.0, "7 values are not good"),
        ("dropped_records", 9.0, "9 records were dropped"),
        ("held_records", 4.0, "4 records of another edge are held"),
        ("oldest_record_age_s", 700.0, "the oldest record waits since 700 s"),
    ],
)
def test_what_is_not_as_it_should_be_comes_first(point: str, value: float, text: str) -> None:
    assert after(**{point: value}).startswith(f"needs attention: {text}; ")


def test_there_is_one_line_every_ten_minutes(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    async def an_hour() -> None:
        beating = asyncio.create_task(beat(lambda: QUIET))
        await asyncio.sleep(3601)
        beating.cancel()

    run(an_hour())
    assert len(caplog.messages) == 6
    assert all(message.startswith("healthy; ") for message in caplog.messages)
