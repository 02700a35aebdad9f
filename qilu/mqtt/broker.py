"""The broker inside `qilu demo`: MQTT 3.1.1 on this machine only, forgetful, for laptops."""

from __future__ import annotations

import asyncio
import errno
import logging
from typing import Self

from amqtt.adapters import StreamReaderAdapter, StreamWriterAdapter  # type: ignore[import-untyped]
from amqtt.broker import Broker  # type: ignore[import-untyped]
from amqtt.contexts import BrokerConfig, ListenerConfig, ListenerType  # type: ignore[import-untyped]

from qilu.contract.errors import ConfigError
from qilu.mqtt.settings import MqttSettings

HOST = "127.0.0.1"
_LISTENER = "default"
_PLUGINS = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}


class EmbeddedBroker:
    """Entering it listens on `port` (0: any that is free), leaving it closes every connection.

    It speaks MQTT 3.1.1 with QoS 1, wildcards, retained messages and wills, but without shared subscriptions;
    it lets in everybody of this machine, keeps nothing on disk, and lets two clients of one id live side by
    side. ConfigError when the port is in use.
    """

    def __init__(self, port: int = 0) -> None:
        self._wanted = port
        self._broker: Broker | None = None
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        if self._server is None:
            raise RuntimeError("a broker is used inside `async with`")
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    @property
    def settings(self) -> MqttSettings:
        return MqttSettings(host=HOST, port=self.port, protocol="3.1.1")

    async def __aenter__(self) -> Self:
        # Each lost connection is a warning to it, each packet without its hour a traceback: not to us.
        logging.getLogger("amqtt").setLevel(logging.CRITICAL)
        logging.getLogger("transitions").setLevel(logging.WARNING)
        # The port is opened here, so its number is known and an error is reported here.
        listener = ListenerConfig(type=ListenerType.EXTERNAL, bind=f"{HOST}:{self._wanted}")
        broker = Broker(BrokerConfig(listeners={_LISTENER: listener}, plugins=dict(_PLUGINS)))
        try:
            self._server = await asyncio.start_server(self._connected, HOST, self._wanted)
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
            problem = "is in use" if error.errno == errno.EADDRINUSE else "may not be opened by this user"
            raise ConfigError(
                f"port {self._wanted} of {HOST} {problem}",
                key="port",
                remedy="use another one, 0 for any that is free",
            ) from error
        await broker.start()
        self._broker = broker
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._connections:
            task.cancel()
        if self._connections:
            await asyncio.wait(self._connections, timeout=5)
        if self._broker is not None:
            await self._broker.shutdown()
        if self._server is not None:
            await self._server.wait_closed()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if self._broker is None or task is None:
            writer.close()
            return
        self._connections.add(task)
        try:
            await self._broker.external_connected(
                StreamReaderAdapter(reader), StreamWriterAdapter(writer), _LISTENER
            )
        except asyncio.CancelledError:
            pass  # we are leaving; the task ends here, and Python 3.11 would log its cancellation as an error
        finally:
            self._connections.discard(task)
            writer.close()
