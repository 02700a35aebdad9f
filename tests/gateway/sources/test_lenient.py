"""Replies with one byte too many, or exceptions with another function: named, and accepted with a quirk."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sources.modbus.settings import ModbusSettings
from qilu.modbus.framing import frames
from qilu.modbus.pdu import read_request, without_padding
from qilu.modbus.read_functions import read_response
from qilu.modbus.tcp import TcpFramer, tcp_frame
from tests.gateway.sources.everywhere import with_transactions
from tests.gateway.sources.peer import Asked, Line, Peer, World, profile, reasons

LENIENT: dict[str, Any] = {"quirks": {"lenient_replies": True}}
Spoil = Callable[[bytes], bytes]


def announced_longer(frame: bytes) -> bytes:
    return frame[:5] + bytes((frame[5] + 1,)) + frame[6:]


def padded(frame: bytes) -> bytes:
    return announced_longer(frame) + b"\x5f"


SPOILED = pytest.mark.parametrize("spoil", [announced_longer, padded])


def peer(spoil: Spoil, missing: int = 3) -> Peer:
    def behave(line: Line, asked: Asked) -> None:
        _, first, count = asked.read
        pdu = (
            line.pdu(asked)
            if not first <= missing < first + count
            else bytes((0x80 | asked.read.function, 2))
        )
        line.say(spoil(line.frame(asked, pdu)))

    return Peer(behave)


@SPOILED
@with_transactions
async def test_replies_with_one_byte_too_many_are_read_with_the_quirk(world: World, spoil: Spoil) -> None:
    polls, source = await world.polls(peer(spoil), 6, meter=profile(range(8)), **LENIENT)
    assert set(reasons(polls)) == {"illegal_address"}, "of one point alone"
    assert [
        sum(len(reading.values) - len(reading.reasons) for reading in poll.readings) for poll in polls
    ] == [7] * 6
    assert source.stats.timeouts == 0


@SPOILED
@with_transactions
async def test_without_the_quirk_they_are_no_timeout_and_the_log_names_it(
    world: World, spoil: Spoil, caplog: pytest.LogCaptureFixture
) -> None:
    polls, _ = await world.polls(peer(spoil, missing=99), 8, meter=profile(range(8)))
    assert set(reasons(polls)) == {"protocol_error"}
    hints = [text for text in caplog.messages if "set `quirks: {lenient_replies: true}`" in text]
    assert len(hints) == 1
    assert re.search(r" 03 (10|06|04|02) 03 e|\(03 (10|06|04|02) 03 e", hints[0]), "what came"


@with_transactions
async def test_what_is_no_modbus_is_no_timeout_either(world: World) -> None:
    polls, _ = await world.polls(Peer(lambda line, asked: line.say(b"\x00\x01")), 4, meter=profile(range(2)))
    assert set(reasons(polls)) == {"protocol_error"}


@with_transactions
async def test_an_exception_with_another_function_is_one_with_the_quirk(world: World) -> None:
    wrong = Peer(lambda line, asked: line.say(line.frame(asked, b"\x81\x02")))
    polls, _ = await world.polls(wrong, 2, meter=profile(range(1)), **LENIENT)
    assert reasons(polls) == ["illegal_address"] * 2
    strict, _ = await world.polls(wrong, 2, meter=profile(range(1)))
    assert reasons(strict) == ["protocol_error"] * 2


def test_a_serial_line_has_no_such_quirk() -> None:
    with pytest.raises(ValueError, match="lenient_replies"):
        ModbusSettings.model_validate(
            {
                "type": "modbus",
                "url": "rtu+tcp://plc:502",
                "devices": [{"device": "a", "profile": "a"}],
                **LENIENT,
            }
        )


@given(st.lists(st.tuples(st.binary(min_size=2, max_size=40), st.booleans(), st.booleans()), max_size=6))
def test_a_lenient_stream_is_cut_as_it_was_made(replies: list[tuple[bytes, bool, bool]]) -> None:
    """Whole frames with and without an announced or real byte too many, one after another."""
    framer, pdus = TcpFramer(lenient=True), []
    for number, (data, longer, with_byte) in enumerate(replies):
        pdu = read_response(3, data[: len(data) // 2 * 2])
        frame = tcp_frame(number + 256, 1, pdu)
        if longer:
            frame = padded(frame) if with_byte else announced_longer(frame)
        pdus.append(pdu)
        (got,) = frames(framer, frame)
        assert without_padding(read_request(3, 0, (len(pdu) - 2) // 2), got.pdu) == pdu
        assert framer.buffered == 0
