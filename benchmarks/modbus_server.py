"""CPU time per Modbus request of 100 registers: our server, pymodbus' and the barest that asyncio allows.

Each server runs in a process of its own and is asked by the same client over ten connections, one request in
flight on each. Run: .venv/bin/python -m benchmarks.modbus_server [--requests 30000]
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import partial
from typing import Any

from qilu.contract.profile import Table
from qilu.modbus.pdu import read_request
from qilu.modbus.read_functions import read_response
from qilu.modbus.tcp import tcp_frame
from simulator.serving.server import ModbusServer, Port

CONNECTIONS, REGISTERS = 10, 100
REQUEST = tcp_frame(1, 1, read_request(3, 0, REGISTERS))
RESPONSE = tcp_frame(1, 1, read_response(3, bytes(2 * REGISTERS)))


class ZeroDevice:
    """A device that costs next to nothing, so that the server is what is measured."""

    identity: Mapping[int, bytes] = {}
    _registers = bytes(2 * 125)

    def read_registers(self, table: Table, address: int, count: int) -> bytes:  # noqa: ARG002
        return self._registers[: 2 * count]

    def read_bits(self, table: Table, address: int, count: int) -> bytes:  # noqa: ARG002
        return bytes((count + 7) // 8)

    def write_bits(self, address: int, values: list[bool]) -> None: ...

    def write_registers(self, address: int, data: bytes) -> None: ...
    def require_running(self) -> None: ...
    def require_registers(self, table: Table, address: int, count: int) -> None: ...


class BareServerProtocol(asyncio.BufferedProtocol):
    """Takes every chunk for one request and sends the same bytes back."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._write = transport.write
        self._buffer = memoryview(bytearray(2048))

    def get_buffer(self, _: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, _: int) -> None:
        self._write(RESPONSE)


class BareStreamProtocol(asyncio.Protocol):
    """The same with the more usual kind of protocol, for which asyncio allocates 256 kB per chunk."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._write = transport.write

    def data_received(self, _: bytes) -> None:
        self._write(RESPONSE)


Ready = Callable[[int], Awaitable[None]]


async def serve_ours(ready: Ready) -> None:
    async with ModbusServer([Port({1: ZeroDevice()})]) as server:
        await ready(server.addresses[0][1])


async def serve_bare(ready: Ready, kind: Callable[[], asyncio.BaseProtocol] = BareServerProtocol) -> None:
    server = await asyncio.get_running_loop().create_server(kind, "127.0.0.1", 0)
    await ready(server.sockets[0].getsockname()[1])
    server.close()


async def serve_pymodbus(ready: Ready) -> None:
    from pymodbus.server import ModbusTcpServer
    from pymodbus.simulator import DataType, SimData, SimDevice

    device = SimDevice(1, simdata=[SimData(0, count=REGISTERS, values=0, datatype=DataType.REGISTERS)])
    server = ModbusTcpServer(device, address=("127.0.0.1", 0))
    await server.serve_forever(background=True)
    assert isinstance(server.transport, asyncio.Server)
    await ready(server.transport.sockets[0].getsockname()[1])
    await server.shutdown()  # type: ignore[no-untyped-call]


SERVERS: dict[str, Callable[[Ready], Coroutine[Any, Any, None]]] = {
    "bare": serve_bare,
    "bare, Protocol": partial(serve_bare, kind=BareStreamProtocol),
    "ours": serve_ours,
    "pymodbus": serve_pymodbus,
}


async def serve_until_eof(port: int) -> None:
    """Serve until standard input ends, then print the CPU seconds that it took."""
    print(port, flush=True)
    before = time.process_time()
    await asyncio.to_thread(sys.stdin.read)
    print(time.process_time() - before, flush=True)


class RequestProtocol(asyncio.Protocol):
    """One connection that asks again as soon as it is answered."""

    def __init__(self, requests: int) -> None:
        self._left, self._received = requests, 0
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(REQUEST)

    def data_received(self, data: bytes) -> None:
        self._received += len(data)
        if self._received >= len(RESPONSE):
            self._received, self._left = 0, self._left - 1
            if self._left:
                self._transport.write(REQUEST)
            else:
                self._transport.close()
                self.done.set_result(None)


async def ask(port: int, requests: int) -> float:
    """The seconds that it took to have all requests answered."""
    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    each = requests // CONNECTIONS
    connections = [
        await loop.create_connection(lambda: RequestProtocol(each), "127.0.0.1", port)
        for _ in range(CONNECTIONS)
    ]
    await asyncio.gather(*(protocol.done for _, protocol in connections))
    return time.perf_counter() - began


def measure(name: str, requests: int) -> tuple[float, float]:
    """CPU microseconds of the server per request, and requests per second."""
    command = [sys.executable, "-m", "benchmarks.modbus_server", "--serve", name]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        seconds = asyncio.run(ask(int(server.stdout.readline()), requests))
        cpu, _ = server.communicate()
    return float(cpu) / requests * 1e6, requests / seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=30_000)
    parser.add_argument("--serve", choices=SERVERS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        asyncio.run(SERVERS[options.serve](serve_until_eof))
        return
    measured = {name: measure(name, options.requests) for name in SERVERS}
    floor = measured["bare"][0]
    print(f"{'server':14}{'µs CPU/request':>16}{'of bare':>10}{'requests/s':>12}")
    for name, (cpu, rate) in measured.items():
        print(f"{name:14}{cpu:16.1f}{cpu / floor:10.2f}{rate:12.0f}")
    print(f"pymodbus / ours: {measured['pymodbus'][0] / measured['ours'][0]:.1f}")


if __name__ == "__main__":
    main()
