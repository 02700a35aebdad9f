"""Modbus ASCII, UDP and TLS: one client and one source for all of them, with servers that are not ours."""

from __future__ import annotations

import asyncio
import ssl
import textwrap
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from pymodbus.framer import FramerType
from pymodbus.server import ModbusSerialServer, ModbusTlsServer, ModbusUdpServer

import qilu.modbus_client
from gateway.sources.modbus.settings import ModbusSettings
from qilu.config.tls import TlsSettings
from qilu.contract.errors import UnreachableError
from qilu.modbus.functions import Function
from qilu.modbus.read_functions import Read
from qilu.modbus.tcp import tcp_frame
from qilu.modbus.write_functions import WriteRegister, WriteRegisters
from qilu.modbus_client.client import connected
from qilu.modbus_client.endpoint import Endpoint, SerialLine, parse_endpoint
from tests.gateway.sources.everything import equipment
from tests.gateway.sources.foreign import device_of, pymodbus_server, read, values
from tests.gateway.sources.pty_lines import two_ports
from tests.servers.authority import Authority, Tls

NOTHING: dict[str, dict[int, int]] = {"coil": {}, "discrete": {}, "input": {}, "holding": {}}
HOLDING = Function.READ_HOLDING_REGISTERS


@asynccontextmanager
async def udp_server(image: Any, framer: FramerType = FramerType.SOCKET) -> AsyncIterator[int]:
    """The port of pymodbus' server for datagrams."""
    server = ModbusUdpServer(device_of(image), address=("127.0.0.1", 0), framer=framer)
    await server.serve_forever(background=True)
    assert server.transport is not None
    try:
        yield server.transport.get_extra_info("sockname")[1]
    finally:
        await server.shutdown()  # type: ignore[no-untyped-call]


@asynccontextmanager
async def behind_tls(port: int, tls: Tls) -> AsyncIterator[int]:
    """The port of an endpoint of TLS that passes everything on to `port`."""
    loop = asyncio.get_running_loop()

    class Inner(asyncio.Protocol):
        def __init__(self, outer: asyncio.Transport) -> None:
            self.outer = outer

        def data_received(self, data: bytes) -> None:
            self.outer.write(data)

    class Outer(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.inner = loop.create_task(
                loop.create_connection(lambda: Inner(transport), "127.0.0.1", port)  # type: ignore[arg-type]
            )

        def data_received(self, data: bytes) -> None:
            self.inner.add_done_callback(lambda made: made.result()[0].write(data))

        def connection_lost(self, exc: Exception | None) -> None:
            self.inner.add_done_callback(lambda made: made.result()[0].close())

    server = await loop.create_server(Outer, "127.0.0.1", 0, ssl=server_context(tls))
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_pymodbus_is_read_in_ascii_frames_over_tcp() -> None:
    profile, image, expected = equipment()
    async with pymodbus_server(image, FramerType.ASCII) as port:
        poll, source = await read(f"ascii+tcp://127.0.0.1:{port}", profile)
    assert values(poll) == expected
    assert source.stats.bad_points == 0


async def test_pymodbus_is_read_in_ascii_frames_on_a_serial_line() -> None:
    profile, image, expected = equipment()
    with two_ports() as (ours, theirs):
        server = ModbusSerialServer(
            device_of(image), framer=FramerType.ASCII, port=theirs, baudrate=115200, bytesize=8, parity="N"
        )
        await server.serve_forever(background=True)
        try:
            poll, _ = await read(f"ascii://{ours}?baudrate=115200&bytesize=8&parity=N", profile)
        finally:
            await server.shutdown()  # type: ignore[no-untyped-call]
    assert values(poll) == expected


@pytest.mark.parametrize(("framer", "scheme"), [(FramerType.SOCKET, "udp"), (FramerType.RTU, "rtu+udp")])
async def test_pymodbus_is_read_in_datagrams(framer: FramerType, scheme: str) -> None:
    profile, image, expected = equipment()
    async with udp_server(image, framer) as port:
        poll, source = await read(f"{scheme}://127.0.0.1:{port}", profile)
    assert values(poll) == expected
    assert source.stats.bad_points == 0


@pytest.mark.parametrize("scheme", ["ascii+tcp", "udp"])
async def test_writes_are_confirmed_and_read_back(scheme: str) -> None:
    served = udp_server(NOTHING) if scheme == "udp" else pymodbus_server(NOTHING, FramerType.ASCII)
    async with served as port, connected(f"{scheme}://127.0.0.1:{port}") as client:
        await client.write_and_verify(1, WriteRegister(5, b"\x12\x34"))
        await client.write_and_verify(1, WriteRegisters(6, bytes(range(1, 21))))
        assert await client.read(1, Read(HOLDING, 5, 2)) == b"\x12\x34\x01\x02"


@pytest.mark.parametrize("scheme", ["tcp", "tls", "udp", "rtu+tcp", "rtu+udp", "ascii+tcp", "rtu", "ascii"])
async def test_the_example_of_the_package_runs_over_every_transport(scheme: str, tmp_path: Path) -> None:
    """The docstring of `qilu.modbus_client`, with other addresses."""
    lines = (qilu.modbus_client.__doc__ or "").splitlines()
    names: dict[str, Any] = {}
    exec(textwrap.dedent("\n".join(line for line in lines if line.startswith("    "))), names)  # noqa: S102
    tls = Authority(tmp_path).issue()
    options = {"tls": TlsSettings(ca=tls.ca)} if scheme == "tls" else {}
    async with served(scheme, tls) as url:
        assert await names["example"](url, **options) == b"\x12\x34"


@asynccontextmanager
async def served(scheme: str, tls: Tls) -> AsyncIterator[str]:
    """The url of a server of pymodbus that is reached in this way."""
    framing, _, transport = scheme.partition("+")
    framer = {"rtu": FramerType.RTU, "ascii": FramerType.ASCII}.get(framing, FramerType.SOCKET)
    async with AsyncExitStack() as stack:
        if scheme == framing and framer is not FramerType.SOCKET:
            ours, theirs = stack.enter_context(two_ports())
            server = ModbusSerialServer(
                device_of(NOTHING), framer=framer, port=theirs, baudrate=115200, bytesize=8, parity="N"
            )
            await server.serve_forever(background=True)
            stack.push_async_callback(server.shutdown)
            yield f"{scheme}://{ours}?baudrate=115200&bytesize=8&parity=N"
            return
        if "udp" in (framing, transport):
            port = await stack.enter_async_context(udp_server(NOTHING, framer))
        else:
            port = await stack.enter_async_context(pymodbus_server(NOTHING, framer))
        if scheme == "tls":
            port = await stack.enter_async_context(behind_tls(port, tls))
        yield f"{scheme}://127.0.0.1:{port}"


Reply = Callable[[int, bytes], list[bytes]]


@asynccontextmanager
async def scripted_datagrams(reply: Reply) -> AsyncIterator[int]:
    """The port of a peer that answers the n-th request with these datagrams."""

    class Scripted(asyncio.DatagramProtocol):
        count = 0

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = transport

        def datagram_received(self, data: bytes, addr: Any) -> None:
            self.count += 1
            for datagram in reply(self.count, data):
                self.transport.sendto(datagram, addr)  # type: ignore[attr-defined]

    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        Scripted, local_addr=("127.0.0.1", 0)
    )
    try:
        yield transport.get_extra_info("sockname")[1]
    finally:
        transport.close()


def register(request: bytes, value: int) -> bytes:
    return tcp_frame(int.from_bytes(request[:2], "big"), request[6], b"\x03\x02" + value.to_bytes(2, "big"))


async def test_of_datagrams_only_whole_replies_to_the_open_request_count() -> None:
    """Half a frame is not completed by the next; a late or doubled reply is no reply to another request."""
    requests: list[bytes] = []

    def reply(count: int, request: bytes) -> list[bytes]:
        requests.append(request)
        if count == 1:
            return []
        late, own = register(requests[0], 1), register(request, count)
        return [late, own[:8], own[8:], own + b"\0", own, register(request, 99)]

    async with scripted_datagrams(reply) as port, connected(f"udp://127.0.0.1:{port}", timeout=0.3) as client:
        with pytest.raises(UnreachableError, match="did not reply"):
            await client.read(1, Read(HOLDING, 0, 1))
        answers = [await client.read(1, Read(HOLDING, 0, 1)) for _ in range(5)]
    assert answers == [count.to_bytes(2, "big") for count in range(2, 7)]


async def test_a_port_where_no_datagram_is_heard_is_unreachable_and_read_when_it_is_served() -> None:
    profile, image, expected = equipment()
    async with udp_server(image) as port:
        pass
    with pytest.raises(UnreachableError, match="refused|nothing listens"):
        async with connected(f"udp://127.0.0.1:{port}", timeout=2) as client:
            await client.read(1, Read(HOLDING, 0, 1))
    async with udp_server(image) as port:
        poll, _ = await read(f"udp://127.0.0.1:{port}", profile)
    assert values(poll) == expected


def server_context(tls: Tls) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=tls.ca)
    context.load_cert_chain(tls.certificate, tls.key)
    context.verify_mode = ssl.CERT_REQUIRED if tls.clients_must_show else ssl.CERT_NONE
    return context


def tls_settings(authority: Authority, own: Tls | None) -> dict[str, str]:
    files = {} if own is None else {"cert": str(own.certificate), "key": str(own.key)}
    return {"ca": str(authority.ca), **files}


async def test_a_device_behind_tls_is_read_with_certificates_of_both_sides(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    device, gateway = authority.issue(clients_must_show=True), authority.issue("gateway")
    profile, image, expected = equipment()
    async with pymodbus_server(image) as plain, behind_tls(plain, device) as port:
        poll, source = await read(f"tls://127.0.0.1:{port}", profile, tls=tls_settings(authority, gateway))
    assert values(poll) == expected
    assert source.stats.bad_points == 0


async def test_pymodbus_is_read_over_tls(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    profile, image, expected = equipment()
    context = server_context(authority.issue(clients_must_show=True))
    server = ModbusTlsServer(device_of(image), address=("127.0.0.1", 0), sslctx=context)
    await server.serve_forever(background=True)
    assert isinstance(server.transport, asyncio.Server)
    port = server.transport.sockets[0].getsockname()[1]
    try:
        poll, _ = await read(
            f"tls://127.0.0.1:{port}", profile, tls=tls_settings(authority, authority.issue("gateway"))
        )
    finally:
        await server.shutdown()  # type: ignore[no-untyped-call]
    assert values(poll) == expected


async def reported(url: str, tls: dict[str, str], caplog: pytest.LogCaptureFixture, text: str) -> None:
    profile, _, _ = equipment()
    task = asyncio.create_task(read(url, profile, polls=10**6, tls=tls))
    async with asyncio.timeout(60):
        while text not in caplog.text:
            await asyncio.sleep(0.02)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize(
    ("certificates", "text"),
    [
        (lambda a, b: (a.issue(), tls_settings(b, None)), "tls.ca"),
        (lambda a, b: (a.issue("device.example"), tls_settings(a, None)), "device.example"),
        (lambda a, b: (a.issue(), {"ca": str(b.directory / "missing.pem")}), "missing.pem"),
        (
            lambda a, b: (a.issue(), {"ca": str(a.ca), "cert": str(b.directory / "missing.pem")}),
            "missing.pem",
        ),
    ],
    ids=["another authority", "another name", "no file", "no certificate of its own yet"],
)
async def test_a_device_that_is_not_trusted_is_not_read_and_the_log_names_the_remedy(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    certificates: Callable[[Authority, Authority], tuple[Tls, dict[str, str]]],
    text: str,
) -> None:
    served, trusted = certificates(Authority(tmp_path / "a"), Authority(tmp_path / "b", "Other authority"))
    async with pymodbus_server(NOTHING) as plain, behind_tls(plain, served) as port:
        await reported(f"tls://127.0.0.1:{port}", trusted, caplog, text)


async def test_a_device_without_tls_is_reported_as_such(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with pymodbus_server(NOTHING) as port:
        await reported(f"tls://127.0.0.1:{port}", tls_settings(Authority(tmp_path), None), caplog, "tls://")


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("tls://meter", Endpoint("tcp", "meter", 802, transport="tls")),
        ("udp://meter", Endpoint("tcp", "meter", 502, transport="udp")),
        ("ascii+tcp://meter:4001", Endpoint("ascii", "meter", 4001)),
        (
            "ascii:///dev/ttyUSB0?baudrate=19200",
            Endpoint("ascii", "/dev/ttyUSB0", 0, SerialLine(19200, "E", 1, 7), "serial"),
        ),
    ],
)
def test_every_transport_has_an_address_of_its_own(url: str, endpoint: Endpoint) -> None:
    assert parse_endpoint(url, posix=True) == endpoint


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"url": "tcp://meter", "tls": {}}, "is not encrypted"),
        ({"url": "ascii+tcp://meter", "max_in_flight": 2}, "ASCII frames carry no transaction id"),
        ({"url": "udp://meter", "quirks": {"lenient_replies": True}}, "none is too long"),
        ({"url": "rtu:///dev/ttyUSB0?bytesize=7"}, "RTU frames need 8 data bits"),
    ],
)
def test_settings_that_do_not_fit_a_transport_are_refused(more: dict[str, Any], text: str) -> None:
    device = {"device": "meter-1", "profile": "meter"}
    with pytest.raises(ValidationError, match=text):
        ModbusSettings.model_validate({"type": "modbus", "devices": [device], **more})


def test_ascii_without_its_library_is_refused_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("qilu.runtime.extras.find_spec", lambda _: None)
    device = {"device": "meter-1", "profile": "meter"}
    with pytest.raises(ValidationError, match="pymodbus is not installed") as refused:
        ModbusSettings.model_validate({"type": "modbus", "url": "ascii+tcp://meter", "devices": [device]})
    assert refused.value.errors()[0]["ctx"]["remedy"] == "pip install 'qilu[ascii]'"
