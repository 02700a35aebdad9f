"""What a user may write about Modbus equipment, and how what he may not write is refused."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from gateway.sources.modbus.settings import ModbusSettings
from qilu.modbus_client.endpoint import Endpoint, SerialLine, parse_endpoint


def settings(**more: Any) -> ModbusSettings:
    raw = {
        "type": "modbus",
        "url": "tcp://127.0.0.1:5020",
        "devices": [{"device": "press-1", "profile": "press"}],
        **more,
    }
    return ModbusSettings.model_validate(raw)


def refusal(**more: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        settings(**more)
    [error] = caught.value.errors()
    place = ".".join(map(str, error["loc"]))
    return f"{place}: {error['msg']}; {error.get('ctx', {}).get('remedy')}"


def test_durations_are_written_with_their_unit() -> None:
    read = settings(timeout="250ms", connect_timeout="5s", message_spacing="30ms", connect_delay="1s")
    assert (read.timeout, read.connect_timeout, read.message_spacing, read.connect_delay) == (
        0.25,
        5,
        0.03,
        1,
    )


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("tcp://10.0.0.7:5020", Endpoint("tcp", "10.0.0.7", 5020)),
        ("tcp://plc.factory", Endpoint("tcp", "plc.factory", 502)),
        ("tcp://[fe80::1]:1502", Endpoint("tcp", "fe80::1", 1502)),
        ("rtu+tcp://10.0.0.8:4001", Endpoint("rtu", "10.0.0.8", 4001)),
        ("rtu:///dev/ttyUSB0", Endpoint("rtu", "/dev/ttyUSB0", 0, SerialLine(9600, "N", 1), "serial")),
        (
            "rtu:///dev/ttyS1?baudrate=19200&parity=e&stopbits=2",
            Endpoint("rtu", "/dev/ttyS1", 0, SerialLine(19200, "E", 2), "serial"),
        ),
    ],
)
def test_an_endpoint_is_a_url(url: str, endpoint: Endpoint) -> None:
    assert settings(url=url).endpoint == endpoint


@pytest.mark.parametrize(
    "url",
    ["10.0.0.7:502", "http://plc", "tcp://", "tcp://plc:0", "tcp://plc:99999", "tcp://plc/7", "tcp://[x"],
)
def test_anything_else_is_refused_with_an_example(url: str) -> None:
    text = refusal(url=url)
    assert text.startswith("url: ")
    assert url in text
    assert "tcp://192.168.0.10:502" in text


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("rtu://", "names no port"),
        (
            "rtu://ttyUSB0",
            "the path of a port follows rtu:// and starts with / itself; write rtu:///dev/ttyUSB0",
        ),
        ("rtu://plc:4001", "or rtu+tcp:// for a host"),
        ("rtu:///dev/ttyUSB0?baudrate=49", "baudrate 49; use a number from 50 to 4000000"),
        ("rtu:///dev/ttyUSB0?baudrate=9k6", "baudrate 9k6; use a number from 50 to 4000000"),
        ("rtu:///dev/ttyUSB0?parity=X", "parity X; use N, E, O"),
        ("rtu:///dev/ttyUSB0?stopbits=", "stopbits of nothing; use 1, 2"),
        (
            "rtu:///dev/ttyUSB0?speed=9600",
            "speed is no setting of a serial line; use baudrate, parity, stopbits",
        ),
        ("rtu:///dev/ttyUSB0?parity=E&parity=O", "parity stands there twice; remove one of them"),
    ],
)
def test_a_serial_line_that_cannot_be_is_refused_with_what_can(url: str, message: str) -> None:
    assert message in refusal(url=url)


def test_a_serial_line_is_refused_where_the_system_has_none() -> None:
    with pytest.raises(PydanticCustomError, match="Linux, macOS"):
        parse_endpoint("rtu:///dev/ttyUSB0", posix=False)


def test_the_silence_between_frames_is_that_of_the_specification() -> None:
    assert SerialLine(9600, "E", 1).frame_gap == pytest.approx(3.5 * 11 / 9600)
    assert SerialLine(115200).frame_gap == 0.00175
    assert str(SerialLine(9600, "E", 1)) == "9600 8E1"


def test_quirks_are_for_one_request_at_a_time() -> None:
    assert refusal(quirks={"ignore_transaction_id": True}, max_in_flight=4).startswith(
        "max_in_flight: with quirks, one request"
    )


def test_no_unit_may_speak_for_another_device_of_the_endpoint() -> None:
    devices = [
        {"device": "a", "unit_id": 1, "profile": "press"},
        {"device": "b", "unit_id": 2, "profile": "press"},
    ]
    text = refusal(devices=devices, quirks={"accepted_unit_ids": [0, 1]})
    assert text.startswith("quirks.accepted_unit_ids.1: unit 1 is a, whose replies would be taken")
    assert settings(devices=devices, quirks={"accepted_unit_ids": [0, 255]}).quirks.accepted_unit_ids == (
        0,
        255,
    )


def test_one_unit_is_two_devices_with_two_profiles_only() -> None:
    devices = [
        {"device": "a", "unit_id": 3, "profile": "press"},
        {"device": "b", "unit_id": 3, "profile": "press"},
    ]
    problem = "devices.1.unit_id: unit 3 with profile press is already a; give each device its own unit id"
    assert refusal(devices=devices).startswith(problem)
    assert len(settings(devices=[devices[0], {**devices[1], "profile": "meter"}]).devices) == 2


def test_two_devices_with_one_name_are_refused() -> None:
    devices = [{"device": "a", "unit_id": unit, "profile": "press"} for unit in (1, 2)]
    assert refusal(devices=devices).startswith("devices.1.device: there is already a device a")


@pytest.mark.parametrize("unit", [0, 255])
def test_every_unit_id_of_a_byte_is_allowed(unit: int) -> None:
    """Fault 12: a device that requires unit 0 or 255."""
    devices = [{"device": "a", "unit_id": unit, "profile": "press"}]
    assert settings(devices=devices).devices[0].unit_id == unit


@pytest.mark.parametrize("unit", [-1, 256])
def test_no_other_unit_id_is(unit: int) -> None:
    assert refusal(devices=[{"device": "a", "unit_id": unit, "profile": "press"}]).startswith(
        "devices.0.unit"
    )


def test_a_device_name_must_fit_into_a_topic() -> None:
    text = refusal(devices=[{"device": "press/1", "profile": "press"}])
    assert text.startswith("devices.0.device: 'press/1' cannot be part of a topic")
    assert text.endswith("such as press-1")


def test_an_unknown_key_is_refused() -> None:
    assert refusal(time_out="1s").startswith("time_out: ")


def test_frames_without_transaction_id_are_asked_for_one_at_a_time() -> None:
    assert refusal(url="rtu+tcp://10.0.0.8:4001", max_in_flight=2).startswith(
        "max_in_flight: RTU frames carry no"
    )


def test_an_endpoint_without_devices_is_refused() -> None:
    assert refusal(devices=[]) == "devices: there is no device to poll; name at least one"
