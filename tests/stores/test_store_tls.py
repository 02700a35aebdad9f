"""A store whose certificate is not trusted is reported with its issuer and the file that is trusted."""

import asyncio
import ssl
from pathlib import Path

import pytest

from qilu.contract.errors import UnreachableError
from qilu.stores.influx.http import Http
from qilu.stores.settings import InfluxSettings
from tests.servers.authority import Authority


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (
            (),
            "not trusted .*its issuer is O=Stranger,.*ca.pem .store.ca. contains O=Plant",
        ),
        (None, "its certificate is for broker.example, not for '127.0.0.1'; correct store.url"),
    ],
)
async def test_an_untrusted_store_is_named_with_its_issuer_and_the_setting(
    names: tuple[str, ...] | None, expected: str, tmp_path: Path
) -> None:
    ours = Authority(tmp_path / "ours")
    tls = ours.issue("broker.example") if names is None else Authority(tmp_path / "x", "Stranger").issue()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tls.certificate, tls.key)
    server = await asyncio.start_server(lambda _r, w: w.close(), "127.0.0.1", 0, ssl=context)
    url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    settings = InfluxSettings.model_validate(
        {"type": "influx", "server": "influxdb1", "url": url, "database": "d", "ca": ours.ca}
    )
    async with server, Http(settings) as http:
        with pytest.raises(UnreachableError, match=expected) as caught:
            await http.ask("GET", "/ping")
    assert str(caught.value).startswith(url)
