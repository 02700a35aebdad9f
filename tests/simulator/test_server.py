"""The Modbus server on real sockets: order, reassembly, unit ids, exceptions, bounds and a clean end."""

from __future__ import annotations

import asyncio
import re

import pytest

from qilu.contract.errors import ConfigError
from qilu.contract.profile import Table
from qilu.contract.text_escaping import plain
from qilu.modbus.device_identification import ReadIdentity
from qilu.modbus.framing import Frame
from qilu.modbus.pdu import Request, read_request, response_data, response_identity
from qilu.modbus.read_functions import read_response
from qilu.modbus.tcp import tcp_frame
from simulator.serving.response_hook import ClientConnection, NoFaults, Responder
from simulator.serving.server import ModbusServer, Port
from tests.modbus.cases import EXAMPLES, NAMES
from tests.simulator.memory import BROKEN, Memory, RawClient, raw_client

ASK = read_request(3, 0, 2)


def word(value: int, function: int = 3) -> bytes:
    return read_response(function, value.to_bytes(2, "big"))


async def test_forty_requests_in_one_segment_are_answered_in_order() -> None:
    async with ModbusServer([Port({1: Memory()})]) as server, raw_client(server.addresses[0]) as client:
        client.send(*(Frame(n, 1, read_request(3, n, 1)) for n in range(40)))
        assert [await client.frame() for _ in range(40)] == [Frame(n, 1, word(n)) for n in range(40)]


async def test_a_request_in_single_bytes_is_put_together() -> None:
    async with ModbusServer([Port({1: Memory()})]) as server, raw_client(server.addresses[0]) as client:
        for byte in tcp_frame(7, 1, read_request(3, 5, 1)) + tcp_frame(8, 1, read_request(4, 6, 1)):
            client.writer.write(bytes((byte,)))
            await client.writer.drain()
            await asyncio.sleep(0)
        assert [await client.frame(), await client.frame()] == [Frame(7, 1, word(5)), Frame(8, 1, word(6, 4))]


@pytest.mark.parametrize(("request_", "encoded", "_"), EXAMPLES, ids=NAMES)
async def test_every_function_is_served(request_: Request, encoded: str, _: str) -> None:
    async with ModbusServer([Port({1: Memory()})]) as server, raw_client(server.addresses[0]) as client:
        answer = await client.ask(1, bytes.fromhex(encoded))
        if isinstance(request_, ReadIdentity):
            assert response_identity(request_, answer).objects == {0: b"Qilu", 1: b"memory", 2: b"1"}
        else:
            response_data(request_.encode(), answer)


@pytest.mark.parametrize(
    ("pdu", "code"),
    [
        ("07", 1),
        ("63 0102", 1),
        ("2b 0d 00 00", 1),
        ("03 012c 0001", 2),
        ("01 0100 0040", 2),
        ("06 012c 0001", 2),
        ("03 ffff 0002", 2),
        ("03 0000 007e", 3),
        ("03 0000 0000", 3),
        ("03 0000", 3),
        ("06 0000 dead", 3),
        ("05 0000 1234", 3),
        (f"03 {BROKEN:04x} 0001", 4),
        ("16 012c 0000 0000", 2),
        (f"17 {BROKEN:04x} 0001 0000 0001 02 0001", 4),
        ("2b 0e 04 09", 2),
    ],
)
async def test_what_may_not_be_asked_is_answered_with_its_exception(pdu: str, code: int) -> None:
    request = bytes.fromhex(pdu)
    async with ModbusServer([Port({1: Memory()})]) as server, raw_client(server.addresses[0]) as client:
        assert await client.ask(1, request) == bytes((request[0] | 0x80, code))
        assert await client.ask(1, read_request(3, 9, 1)) == word(9)


async def test_each_unit_and_each_port_has_its_own_registers_and_identity() -> None:
    memories = {unit: Memory(base=100 * unit, identity={0: b"unit %d" % unit}) for unit in (1, 2, 247)}
    ports = [Port(memories), Port({1: Memory(base=5000, identity={0: b"alone"})})]
    async with ModbusServer(ports) as server:
        async with raw_client(server.addresses[0]) as client:
            for unit in memories:
                assert await client.ask(unit, read_request(3, 1, 1)) == word(100 * unit + 1)
                identity = response_identity(ReadIdentity(), await client.ask(unit, ReadIdentity().encode()))
                assert identity.objects == {0: b"unit %d" % unit}
        async with raw_client(server.addresses[1]) as client:
            identity = response_identity(ReadIdentity(), await client.ask(1, ReadIdentity().encode()))
            assert identity.objects == {0: b"alone"}


async def test_an_unknown_unit_is_a_target_that_failed_to_respond() -> None:
    async with ModbusServer([Port({1: Memory(), 2: Memory()})]) as server:
        async with raw_client(server.addresses[0]) as client:
            for unit in (0, 3, 255):
                assert await client.ask(unit, ASK) == b"\x83\x0b"


@pytest.mark.parametrize("unit", [0, 255])
async def test_a_device_alone_on_its_port_is_the_server_itself(unit: int) -> None:
    async with ModbusServer([Port({1: Memory()})]) as server, raw_client(server.addresses[0]) as client:
        assert await client.ask(unit, read_request(3, 3, 1)) == word(3)
        assert await client.ask(2, ASK) == b"\x83\x0b"


async def test_a_slow_unit_and_then_a_fast_one_are_answered_in_order_and_not_mixed_up() -> None:
    gate, asked = asyncio.Event(), asyncio.Event()

    async def slow() -> None:
        asked.set()
        await gate.wait()

    port = Port({1: Memory(base=0), 2: Memory(base=1000)}, delays={1: slow})
    async with ModbusServer([port]) as server:
        async with raw_client(server.addresses[0]) as client, raw_client(server.addresses[0]) as other:
            wishes = [(1, 50), (2, 70), (1, 51), (2, 71)]
            client.send(*(Frame(n, unit, read_request(3, a, 1)) for n, (unit, a) in enumerate(wishes)))
            await asked.wait()
            assert await other.ask(2, read_request(3, 4, 1)) == word(1004)  # another client does not wait
            client.send(Frame(4, 2, read_request(3, 72, 1)))
            gate.set()
            answers = [await client.frame() for _ in range(5)]
    assert [answer.transaction for answer in answers] == [0, 1, 2, 3, 4]
    assert [answer.pdu for answer in answers] == [word(50), word(1070), word(51), word(1071), word(1072)]


async def test_a_client_that_leaves_while_its_answer_is_delayed_takes_the_waiting_with_it() -> None:
    asked, given_up = asyncio.Event(), asyncio.Event()

    async def never() -> None:
        asked.set()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            given_up.set()

    async with ModbusServer([Port({1: Memory(), 2: Memory()}, delays={1: never})]) as server:
        async with raw_client(server.addresses[0]) as client:
            client.send(Frame(1, 1, ASK))
            await asked.wait()
        await given_up.wait()
        async with raw_client(server.addresses[0]) as client:
            assert await client.ask(2, read_request(3, 1, 1)) == word(1)


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        bytes(300),
        b"\xff" * 70_000,
        tcp_frame(1, 1, ASK) + b"\x00\x01\x00\x00\xff\xff\x01",
    ],
    ids=["http", "zeros", "ones", "behind a request"],
)
async def test_garbage_closes_its_own_connection_and_no_other(garbage: bytes) -> None:
    async with ModbusServer([Port({1: Memory()})]) as server:
        async with raw_client(server.addresses[0]) as bystander, raw_client(server.addresses[0]) as vandal:
            assert await bystander.ask(1, read_request(3, 1, 1)) == word(1)
            vandal.writer.write(garbage)
            if garbage.startswith(tcp_frame(1, 1, ASK)):
                assert (await vandal.frame()).pdu == read_response(3, b"\x00\x00\x00\x01")
            assert await vandal.closed()
            assert await bystander.ask(1, read_request(3, 2, 1)) == word(2)


class Watching(NoFaults):
    """A plain wire that notes how much a connection has to send at most."""

    def __init__(self) -> None:
        self.most_unsent = 0
        self.lines: list[ClientConnection] = []

    def connected(self, line: ClientConnection) -> None:
        self.lines.append(line)

    def requested(self, line: ClientConnection, request: Frame, answer: Responder) -> None:
        super().requested(line, request, answer)
        self.most_unsent = max(self.most_unsent, line.transport.get_write_buffer_size())

    async def reading_is_paused(self) -> None:
        """Waits until the server reads no further from its only client."""
        async with asyncio.timeout(60):
            while not self.lines or self.lines[0].transport.is_reading():
                await asyncio.sleep(0)


async def test_a_client_that_asks_without_reading_does_not_fill_the_memory() -> None:
    wire, asked = Watching(), 40_000  # ten megabytes of answers
    async with ModbusServer([Port({1: Memory()}, wire=wire)]) as server:
        async with raw_client(server.addresses[0], receive_buffer=4096) as client:
            requests = [Frame(n, 1, read_request(3, 0, 125)) for n in range(asked)]
            client.send(*requests)
            await wire.reading_is_paused()
            assert [(await client.frame()).transaction for _ in range(asked)] == list(range(asked))
    assert 64 * 1024 < wire.most_unsent < 70 * 1024


async def test_requests_behind_a_delayed_one_are_bounded_and_none_is_lost() -> None:
    gate = asyncio.Event()

    async def slow() -> None:
        await gate.wait()

    wire, asked = Watching(), 30_000
    async with ModbusServer([Port({1: Memory(), 2: Memory()}, wire=wire, delays={1: slow})]) as server:
        async with raw_client(server.addresses[0]) as client:
            client.send(Frame(0, 1, ASK), *(Frame(n, 2, ASK) for n in range(1, asked)))
            await wire.reading_is_paused()
            gate.set()
            assert [(await client.frame()).transaction for _ in range(asked)] == list(range(asked))


async def test_a_wire_may_answer_out_of_turn_or_not_at_all() -> None:
    class Swapping(NoFaults):
        """Holds the first answer back until the second is sent, and loses the third."""

        def __init__(self) -> None:
            self.held: list[bytes] = []
            self.seen = 0

        def requested(self, line: ClientConnection, request: Frame, answer: Responder) -> None:
            self.seen += 1
            if self.seen == 1:
                self.held.append(line.encode(request.transaction, request.unit, answer(request) or b""))
            elif self.seen != 3:
                super().requested(line, request, answer)
                while self.held:
                    line.transport.write(self.held.pop())

    async with ModbusServer([Port({1: Memory()}, wire=Swapping())]) as server:
        async with raw_client(server.addresses[0]) as client:
            client.send(*(Frame(n, 1, read_request(3, n, 1)) for n in range(4)))
            assert [await client.frame() for _ in range(3)] == [Frame(n, 1, word(n)) for n in (1, 0, 3)]


async def test_a_wire_may_refuse_a_client() -> None:
    class Closed(NoFaults):
        def connected(self, line: ClientConnection) -> None:
            line.transport.abort()

    async with ModbusServer([Port({1: Memory()}, wire=Closed())]) as server:
        async with raw_client(server.addresses[0]) as client:
            assert await client.closed()


async def test_leaving_closes_listeners_connections_and_delayed_answers() -> None:
    asked = asyncio.Event()

    async def never() -> None:
        asked.set()
        await asyncio.get_running_loop().create_future()

    before = asyncio.all_tasks()
    async with ModbusServer([Port({1: Memory()}, delays={1: never}), Port({1: Memory()})]) as server:
        addresses = server.addresses
        idle_client = await asyncio.open_connection(*addresses[1])
        client = await asyncio.open_connection(*addresses[0])
        client[1].write(tcp_frame(1, 1, ASK))
        await asked.wait()
    assert asyncio.all_tasks() == before
    for reader, writer in (client, idle_client):
        assert await RawClient(reader, writer).closed()
        writer.close()
    for address in addresses:
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(*address)


async def test_an_error_in_the_block_comes_out_as_it_is() -> None:
    with pytest.raises(ZeroDivisionError):
        async with ModbusServer([Port({1: Memory()})]):
            raise ZeroDivisionError


async def test_a_port_in_use_is_named_with_a_remedy_and_no_port_stays_open() -> None:
    async with ModbusServer([Port({1: Memory()}), Port({1: Memory()})]) as server:
        taken, spare = (address[1] for address in server.addresses)
        with pytest.raises(
            ConfigError, match=rf"127\.0\.0\.1:{taken}: the port is in use; .*choose another port"
        ):
            async with ModbusServer([Port({1: Memory()}), Port({1: Memory()}, port=taken)]):
                pass
    async with ModbusServer([Port({1: Memory()}, port=spare)]) as again:  # free again at once
        assert again.addresses == [("127.0.0.1", spare)]


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid", 64 * "long", "a\0b"])
async def test_a_host_that_is_not_ours_is_the_users_to_mend(host: str) -> None:
    with pytest.raises(ConfigError, match=f"cannot listen on {re.escape(plain(host))}:0: .*127.0.0.1"):
        async with ModbusServer([Port({1: Memory()}, host=host)]):
            pass


async def test_hundreds_of_ports_are_served_at_once() -> None:
    async with ModbusServer([Port({1: Memory(base=n)}) for n in range(300)]) as server:
        for n, address in enumerate(server.addresses[::50]):
            async with raw_client(address) as client:
                assert await client.ask(1, read_request(4, 0, 1)) == word(50 * n, 4)


async def test_a_write_with_a_read_that_cannot_be_is_not_carried_out() -> None:
    memory = Memory()
    async with ModbusServer([Port({1: memory})]) as server, raw_client(server.addresses[0]) as client:
        assert await client.ask(1, bytes.fromhex("17 ff00 0002 0010 0001 02 1234")) == bytes.fromhex("97 02")
    assert memory.registers[Table.HOLDING][32:34] == bytes((0, 16))


async def test_a_write_is_there_for_the_next_read() -> None:
    memory = Memory()
    async with ModbusServer([Port({1: memory})]) as server, raw_client(server.addresses[0]) as client:
        assert await client.ask(1, bytes.fromhex("17 0010 0002 0010 0001 02 1234")) == bytes.fromhex(
            "17 04 1234 0011"
        )
        await client.ask(1, bytes.fromhex("16 0010 ff00 0056"))
        assert await client.ask(1, read_request(3, 16, 1)) == word(0x1256)
        await client.ask(1, bytes.fromhex("0f 0000 0003 01 02"))
    assert memory.bits[Table.COIL][:4] == [False, True, False, True]
