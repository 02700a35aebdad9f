"""`qilu probe` reads a device behind TLS with the certificates that its options name."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.commissioning.probe.reader import ping
from qilu.contract.errors import ConfigError, UnreachableError
from qilu_cli.commands.probe.session import Access, prober
from tests.gateway.sources.everything import equipment
from tests.gateway.sources.foreign import pymodbus_server
from tests.gateway.sources.test_transports import behind_tls
from tests.servers.authority import Authority


async def test_a_device_behind_tls_replies_to_a_probe_with_certificates_of_both_sides(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    device, own = authority.issue(clients_must_show=True), authority.issue("probe")
    _, image, _ = equipment()
    async with pymodbus_server(image) as plain, behind_tls(plain, device) as port:
        access = Access(f"tls://127.0.0.1:{port}", "5s", authority.ca, own.certificate, own.key)
        async with prober(access) as client:
            assert await ping(client, 1, 1)
        with pytest.raises(UnreachableError, match="trust"):
            async with prober(Access(access.target, "5s")):
                pass


@pytest.mark.parametrize(
    ("access", "text"),
    [
        (Access("meter:502", "1s", Path("ca.pem")), "not encrypted"),
        (Access("tls://meter", "1s", key=Path("key.pem")), "a key without its certificate"),
    ],
)
async def test_certificates_that_cannot_serve_are_refused_with_the_remedy(access: Access, text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        async with prober(access):
            pass
