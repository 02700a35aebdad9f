"""The socket under a link: TCP, through an HTTP proxy if set, with TLS, as WebSocket if asked for."""

# It uses paho's own WebSocket, which aiomqtt would make: see paho_adapter.py.
# ruff: noqa: SLF001

from __future__ import annotations

import base64
import socket
import ssl
import time
from dataclasses import dataclass
from typing import Any

import paho.mqtt.client as paho

_MAX_REPLY_BYTES = 8192


class ProxyRefusedError(OSError):
    """The proxy does not let the connection through; the text has its first line."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy; with a user it is asked as that one."""

    host: str
    port: int
    username: str | None = None
    password: str | None = None

    def request(self, host: str, port: int) -> bytes:
        """What asks it for a connection to `host` (RFC 9110, CONNECT)."""
        target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
        if self.username is not None:
            secret = base64.b64encode(f"{self.username}:{self.password or ''}".encode()).decode()
            lines.append(f"Proxy-Authorization: Basic {secret}")
        return "\r\n".join([*lines, "", ""]).encode()


@dataclass(frozen=True, slots=True)
class Transport:
    """How a broker is reached. `websocket`: the path, None for MQTT alone."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None
    websocket: str | None = None
    proxy: Proxy | None = None

    def connect(self, timeout_s: float) -> Any:
        """A connection, made within `timeout_s` from the name's address to the last handshake; OSError.

        A socket, or what paho takes for one. paho's own connecting leaves its socket open when TLS fails.
        """
        deadline = time.monotonic() + timeout_s
        near = (self.host, self.port) if self.proxy is None else (self.proxy.host, self.proxy.port)
        sock = socket.create_connection(near, timeout_s)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.settimeout(_left(deadline))
            if self.proxy is not None:
                _ask(sock, self.proxy.request(self.host, self.port), deadline)
            if self.tls is not None:
                sock = self.tls.wrap_socket(sock, server_hostname=self.host, do_handshake_on_connect=False)
                sock.settimeout(_left(deadline))
                sock.do_handshake()
            sock.settimeout(_left(deadline))
            return sock if self.websocket is None else self._websocket(sock, self.websocket)
        except BaseException:
            sock.close()
            raise

    def _websocket(self, sock: socket.socket, path: str) -> _WebSocket:
        return _WebSocket(
            socket=sock,
            host=self.host,
            port=self.port,
            is_ssl=self.tls is not None,
            path=path,
            extra_headers=None,
        )


class _WebSocket(paho._WebsocketWrapper):
    """paho's WebSocket, which loses a packet of which the socket takes a part, and masks byte by byte."""

    def _create_frame(self, opcode: int, data: bytearray, do_masking: int = 1) -> bytearray:
        frame = super()._create_frame(opcode, bytearray(len(data)), do_masking)
        if not data:
            return frame
        start = len(frame) - len(data)
        if do_masking:  # zeros, masked, are the mask itself
            number = int.from_bytes(data) ^ int.from_bytes(frame[start:])
            data = bytearray(number.to_bytes(len(data)))
        frame[start:] = data
        return frame

    def _send_impl(self, data: bytes | bytearray) -> int:
        sent = super()._send_impl(data)
        if sent == 0 and self._sendbuffer:
            raise BlockingIOError  # the same packet again: the rest of its frame waits here
        return sent


def _left(deadline: float) -> float:
    return max(0.05, deadline - time.monotonic())


def _ask(sock: socket.socket, request: bytes, deadline: float) -> None:
    """Return when the proxy has made the connection; ProxyRefusedError with what it says instead."""
    sock.sendall(request)
    reply = bytearray()
    while not reply.endswith(b"\r\n\r\n"):  # one by one: what follows belongs to the broker
        sock.settimeout(_left(deadline))
        byte = sock.recv(1)
        if not byte or len(reply) > _MAX_REPLY_BYTES:
            raise ProxyRefusedError("the proxy ended the connection without a reply of HTTP")
        reply += byte
    status = reply.partition(b"\r\n")[0].decode("ascii", errors="replace")
    if status.partition(" ")[2][:3] != "200":
        raise ProxyRefusedError(f"the proxy refuses the connection: {status[:200]}")
