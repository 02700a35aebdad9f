"""Meters whose addresses hold 32 bits: quantity 1 is answered with 4 bytes."""

from __future__ import annotations

import pytest

from qilu.config.settings_file import load_text
from qilu.contract.errors import ConfigError
from qilu.contract.profile import DeviceProfile
from qilu.modbus.pdu import exception_response
from qilu.modbus.read_functions import read_response
from tests.gateway.sources.everywhere import everywhere
from tests.gateway.sources.peer import Asked, Line, Peer, World

METER = """
profile: meter
points:
  - {name: voltage, table: input, address: 0x6C, type: uint16, scale: 0.1, unit: V}
  - {name: current, table: input, address: 0x6D, type: uint16, scale: 0.1, unit: A}
  - {name: energy, table: input, address: 0x26, type: uint32, unit: Wh, kind: counter, address_bits: 32}
  - {name: export, table: input, address: 0x27, type: uint32, word_order: little, address_bits: 32}
  - {name: missing, table: input, address: 0x28, type: uint32, address_bits: 32}
"""
VALUES = {0x6C: b"\x08\xe5", 0x6D: b"\x00\x0a", 0x26: b"\x00\x12\xd6\x87", 0x27: b"\xd6\x87\x00\x12"}


def behave(line: Line, asked: Asked) -> None:
    function, first, count = asked.read
    addresses = range(first, first + count)
    if all(address in VALUES for address in addresses):
        pdu = read_response(function, b"".join(VALUES[address] for address in addresses))
    else:
        pdu = exception_response(function, 2)
    line.say(line.frame(asked, pdu))


@everywhere
async def test_values_of_one_address_are_read_beside_registers(world: World) -> None:
    polls, _ = await world.polls(Peer(behave), 3, meter=load_text(METER, DeviceProfile))
    for poll in polls:
        seen = {
            name: (value, str(reading.reasons.get(index)))
            for reading in poll.readings
            for index, (name, value) in enumerate(zip(reading.columns.points, reading.values, strict=True))
        }
        assert seen == {
            "voltage": (227.7, "None"),
            "current": (1.0, "None"),
            "energy": (1234567, "None"),
            "export": (1234567, "None"),
            "missing": (None, "illegal_address"),
        }


@pytest.mark.parametrize(
    "keys", ["type: uint16, address_bits: 32", "type: uint32, address_bits: 32, access: read_write"]
)
def test_an_address_holds_one_number_of_its_bits(keys: str) -> None:
    with pytest.raises(ConfigError, match="an address of 32 bits holds one 32-bit number to read"):
        load_text(
            f"profile: a\npoints:\n  - {{name: a, table: holding, address: 0, {keys}}}\n", DeviceProfile
        )
