"""How a client reaches one endpoint: its address, its waits, and what replies are accepted."""

from __future__ import annotations

from dataclasses import dataclass, field

from qilu.config.tls import TlsSettings
from qilu.modbus_client.endpoint import Endpoint, parse_endpoint
from qilu.modbus_client.transaction import LinkOptions


@dataclass(frozen=True, slots=True)
class ClientOptions:
    """One endpoint; times are seconds."""

    url: str
    link: LinkOptions = field(default_factory=LinkOptions)
    timeout: float = 1.0
    """From a request to its reply."""
    connect_timeout: float = 3.0
    connect_delay: float = 0.0
    """From the connection to the first request."""
    tls: TlsSettings = field(default_factory=TlsSettings)
    """The certificates of an endpoint `tls://`."""

    @property
    def endpoint(self) -> Endpoint:
        return parse_endpoint(self.url)
