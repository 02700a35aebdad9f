"""aiomqtt's client with what it lacks: acknowledgements with their reason, an end that everyone notices at
once, a bounded queue, and less work per packet."""

# It reaches into aiomqtt (_client, _connected, _disconnected, _misc_task, its _on_... callbacks) and paho 2
# (_create_socket, _sock_recv, _sock_close), until when says decision 0019; tests/mqtt hold both to what is
# expected of them here.
# ruff: noqa: SLF001

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

import aiomqtt
import paho.mqtt.client as paho
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from qilu.mqtt.transport import Transport

_PACKETS_PER_READ = 50
"""Packets that are read before others of the event loop have their turn; paho takes more where messages are
in flight."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message; `retain` on arrival: it was kept by the broker, from before we subscribed."""

    topic: str
    payload: bytes
    retain: bool = False

    @property
    def size_bytes(self) -> int:
        """What it takes of a queue's room: its payload, and its topic with one byte for each character."""
        return len(self.topic) + len(self.payload)


class PahoAdapter(aiomqtt.Client):
    """One connection of one client, entered once. Everything but connecting happens in the event loop."""

    def __init__(
        self,
        transport: Transport,
        *,
        capacity: int,
        capacity_bytes: int,
        connect_timeout: float,
        **kwargs: Any,
    ) -> None:
        super().__init__(transport.host, transport.port, timeout=connect_timeout, **kwargs)
        self.incoming: deque[Message] = deque()
        self.discarded = 0
        self.max_packet: int | None = None
        """Bytes; what the broker accepts, None where it did not announce it."""
        self._capacity = capacity
        self._capacity_bytes = capacity_bytes
        self._incoming_bytes = 0
        self._acks: dict[int, asyncio.Future[int]] = {}
        self._subacks: dict[int, asyncio.Future[list[int]]] = {}
        self._arrival: asyncio.Future[None] | None = None
        self._writing = False
        self._client._create_socket = partial(  # type: ignore[method-assign]
            transport.connect, connect_timeout
        )
        self._client.disable_logger()  # it is called for every packet; what matters arrives as an error
        self._ahead = _BufferedRecv(self._client)

    @property
    def lost(self) -> bool:
        """True once the connection has ended, for whatever reason."""
        return self._disconnected.done()

    def disconnect_error(self) -> BaseException | None:
        """What ended the connection; None when we did, or when it has not ended."""
        return self._disconnected.exception() if self._disconnected.done() else None

    async def __aenter__(self) -> Self:
        end = self._disconnected
        await super().__aenter__()
        self._disconnected = end  # aiomqtt forgets an end that came together with the CONNACK
        self._disconnected.add_done_callback(self._ended)
        return self

    async def disconnect(self) -> None:
        """Send DISCONNECT if the connection still takes it within a second, and close; never fails."""
        try:
            entered = self._connected.done() and self._connected.exception() is None
            if entered and not self.lost and self._client.disconnect() == paho.MQTT_ERR_SUCCESS:
                await asyncio.wait((self._disconnected,), timeout=1)
        finally:
            self._client._sock_close()
            if not self._disconnected.done():
                self._disconnected.set_result(None)
            if self._misc_task is not None:
                self._misc_task.cancel()
                await asyncio.wait((self._misc_task,))

    def send(self, topic: str, payload: bytes, qos: int, retain: bool) -> asyncio.Future[int]:
        """Hand a message to the transport; the future is the reason code of its acknowledgement.

        MqttError when the connection has ended, which is also what the future fails with.
        """
        info = self._client.publish(topic, payload, qos, retain)
        if info.rc != paho.MQTT_ERR_SUCCESS:
            raise aiomqtt.MqttCodeError(info.rc, "could not publish")
        ack: asyncio.Future[int] = self._loop.create_future()
        if qos == 0:
            ack.set_result(0)
        else:
            self._acks[info.mid] = ack
        return ack

    def request_subscription(self, filters: Sequence[str], qos: int) -> asyncio.Future[list[int]]:
        """Subscribe; the future has the broker's reason code for each filter, below 0x80: granted."""
        wanted: Any  # paho's own annotation of this argument is narrower than what it takes
        if self._client.protocol == paho.MQTTv5:
            wanted = [(topic_filter, SubscribeOptions(qos=qos)) for topic_filter in filters]
        else:
            wanted = [(topic_filter, qos) for topic_filter in filters]
        result, mid = self._client.subscribe(wanted)
        if result != paho.MQTT_ERR_SUCCESS or mid is None:
            raise aiomqtt.MqttCodeError(result, "could not subscribe")
        suback: asyncio.Future[list[int]] = self._loop.create_future()
        self._subacks[mid] = suback
        return suback

    async def wait_message(self) -> None:
        """Return when something is in `incoming` or the connection has ended. For one waiter at a time."""
        if not self.incoming and not self.lost:
            self._arrival = self._loop.create_future()
            await self._arrival

    def take(self) -> Message:
        """The oldest message of `incoming`, which then makes room for others."""
        message = self.incoming.popleft()
        self._incoming_bytes -= message.size_bytes
        return message

    # ------------------------------------------------------------------------- called by paho, in the loop

    def _on_connect(
        self,
        client: paho.Client,
        userdata: Any,
        flags: paho.ConnectFlags,
        reason_code: ReasonCode,
        properties: Properties | None = None,
    ) -> None:
        self.max_packet = getattr(properties, "MaximumPacketSize", None)
        super()._on_connect(client, userdata, flags, reason_code, properties)

    def _on_disconnect(
        self,
        client: paho.Client,
        userdata: Any,
        flags: paho.DisconnectFlags,
        reason_code: ReasonCode,
        properties: Properties | None = None,
    ) -> None:
        if not self._connected.done():  # aiomqtt would go on waiting for a CONNACK that cannot come any more
            self._end(aiomqtt.MqttError("closed by the broker before it let us in"))
        super()._on_disconnect(client, userdata, flags, reason_code, properties)

    def _on_publish(
        self, _client: paho.Client, _data: Any, mid: int, reason_code: ReasonCode, _properties: Properties
    ) -> None:
        ack = self._acks.pop(mid, None)
        if ack is not None and not ack.done():
            ack.set_result(reason_code.value)

    def _on_subscribe(
        self,
        _client: paho.Client,
        _data: Any,
        mid: int,
        reason_codes: list[ReasonCode],
        _properties: Properties | None = None,
    ) -> None:
        suback = self._subacks.pop(mid, None)
        if suback is not None and not suback.done():
            suback.set_result([code.value for code in reason_codes])

    def _on_message(self, _client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        if len(self.incoming) >= self._capacity:
            self.discarded += 1
            return
        try:
            topic = message.topic
        except UnicodeDecodeError:  # no broker may pass this on; should one do it, it is nobody's message
            self.discarded += 1
            return
        arrived = Message(topic, bytes(message.payload), message.retain)
        if self._incoming_bytes + arrived.size_bytes > self._capacity_bytes:
            self.discarded += 1
            return
        self.incoming.append(arrived)
        self._incoming_bytes += arrived.size_bytes
        self._wake()

    def _on_socket_open(self, _client: paho.Client, _data: Any, sock: Any) -> None:
        def start() -> None:
            if sock.fileno() >= 0:
                self._loop.add_reader(sock.fileno(), self._read)
                self._misc_task = self._loop.create_task(self._misc_loop(), name="mqtt keepalive")

        self._loop.call_soon_threadsafe(start)

    def _on_socket_register_write(self, _client: paho.Client, _data: Any, _sock: Any) -> None:
        # aiomqtt asks the selector first, at two system calls per packet; a socket is nearly always writable.
        if self._connected.done():
            self._loop.call_soon(self._write)
        else:  # still in the thread that connects
            self._loop.call_soon_threadsafe(self._write)

    def _on_socket_unregister_write(self, _client: paho.Client, _data: Any, sock: Any) -> None:
        if self._writing:
            self._writing = False
            self._loop.remove_writer(sock.fileno())

    # ------------------------------------------------------------------------------------------ our own

    def _read(self) -> None:
        # aiomqtt takes one packet per turn of the loop; this takes what one system call has brought, in turns
        # that a flood of the smallest packets does not make long.
        try:
            for _ in range(_PACKETS_PER_READ):
                if self._client.loop_read() != paho.MQTT_ERR_SUCCESS or not self._ahead.more():
                    return
            self._loop.call_soon(self._read)
        except Exception as error:  # noqa: BLE001  # whatever paho trips over, this connection is at its end
            self._fail(error)

    def _write(self) -> None:
        try:
            self._client.loop_write()
            sock: Any = self._client.socket()
            if sock is not None and self._client.want_write() and not self._writing:
                self._writing = True
                self._loop.add_writer(sock.fileno(), self._write)
        except Exception as error:  # noqa: BLE001  # as above
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        self._client._sock_close()
        self._end(error)

    def _end(self, error: Exception) -> None:
        # Called by paho too, which then holds its lock for callbacks and closes the socket by itself.
        future: asyncio.Future[None] = self._disconnected if self._connected.done() else self._connected
        if not future.done():
            future.set_exception(error)
            future.exception()  # no complaint if nobody fetches it; whoever waits for it still gets it

    def _ended(self, disconnected: asyncio.Future[None]) -> None:
        error = disconnected.exception() or aiomqtt.MqttError("disconnected")
        waiting: list[asyncio.Future[Any]] = [*self._acks.values(), *self._subacks.values()]
        for future in waiting:
            if not future.done():
                future.set_exception(error)
                future.exception()
        self._acks.clear()
        self._subacks.clear()
        self._wake()

    def _wake(self) -> None:
        if self._arrival is not None:
            if not self._arrival.done():
                self._arrival.set_result(None)
            self._arrival = None


class _BufferedRecv:
    """Serves paho's small reads (one byte, one byte, the rest) from one system call."""

    def __init__(self, client: paho.Client) -> None:
        self._client = client
        self._recv = client._sock_recv
        self._held = b""
        self._at = 0
        client._sock_recv = self.read  # type: ignore[method-assign]

    def read(self, bufsize: int) -> bytes:
        """At least one byte and at most `bufsize`, b"" at the end; BlockingIOError when none is there."""
        if self._at >= len(self._held):
            self._held, self._at = self._recv(max(bufsize, 65_536)), 0
        start = self._at
        self._at = start + bufsize
        return self._held[start : self._at]

    def more(self) -> bool:
        """True when bytes are here that the selector will not call us for any more."""
        if self._at < len(self._held):
            return True
        sock: Any = self._client.socket()
        return hasattr(sock, "pending") and sock.pending() > 0
