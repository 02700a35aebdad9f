"""Whom a link trusts: a private authority when it is named, and nobody else; and how it shows who it is."""

import re
from pathlib import Path

import pytest

from qilu.config.tls import TlsSettings
from qilu.contract.errors import ConfigError, UnreachableError
from qilu.mqtt.client import BrokerConnection
from qilu.mqtt.settings import MqttSettings
from tests.mqtt.taking import take
from tests.servers.authority import Authority
from tests.servers.mosquitto import Mosquitto


def over_tls(server: Mosquitto, ca: Path, host: str = "127.0.0.1") -> MqttSettings:
    return MqttSettings(host=host, port=server.port, tls=TlsSettings(ca=ca))


async def refusal(settings: MqttSettings) -> str:
    """What is said of a broker that cannot be entered."""
    with pytest.raises(UnreachableError) as caught:
        async with BrokerConnection(settings, "edge-1"):
            pass
    return str(caught.value)


async def test_a_private_authority_is_trusted_when_it_is_named(tmp_path: Path, authority: Authority) -> None:
    with Mosquitto(tmp_path, tls=authority.issue()) as server:
        for protocol in ("5", "3.1.1"):
            settings = over_tls(server, authority.ca).model_copy(update={"protocol": protocol})
            async with BrokerConnection(settings, "edge-1") as link:
                await link.subscribe(["x"])
                large = b"x" * 200_000  # several TLS records
                await link.publish("x", large)
                await link.publish("x", b"small")
                assert [message.payload for message in await take(link, 2)] == [large, b"small"]


async def test_a_certificate_of_another_authority_is_refused(tmp_path: Path, authority: Authority) -> None:
    stranger = Authority(tmp_path / "stranger", "Stranger")
    with Mosquitto(tmp_path, tls=stranger.issue()) as server:
        output = await refusal(over_tls(server, authority.ca))
    assert f"127.0.0.1:{server.port}: its certificate is not trusted" in output
    assert "its issuer is O=Stranger" in output
    assert f"{authority.ca} (mqtt.tls.ca) contains O=Plant authority" in output
    assert "name the PEM file of that issuer" in output


async def test_a_certificate_that_is_its_own_authority_is_refused_with_its_issuer(
    tmp_path: Path, authority: Authority
) -> None:
    stranger = Authority(tmp_path / "stranger", "Evil\x1b[31m\u202e\n" + "x" * 60)
    with Mosquitto(tmp_path, tls=stranger.issue()) as server:
        output = await refusal(over_tls(server, authority.ca))
    assert "its issuer is O=Evil?[31m??xxx" in output
    assert output.isprintable()


async def test_no_authority_named_means_those_of_the_system(tmp_path: Path, authority: Authority) -> None:
    with Mosquitto(tmp_path, tls=authority.issue()) as server:
        settings = MqttSettings(port=server.port, tls=TlsSettings())
        output = await refusal(settings)
    assert "its certificate is not trusted" in output
    assert "authorities of the operating system are trusted; name the PEM file of that issuer" in output


async def test_an_expired_certificate_is_refused(tmp_path: Path, authority: Authority) -> None:
    with Mosquitto(tmp_path, tls=authority.issue(expired=True)) as server:
        output = await refusal(over_tls(server, authority.ca))
    assert re.search(r"has expired \(at .* GMT\); the clock of this machine shows 20\d\d-.*Z; renew", output)


async def test_a_machine_whose_clock_is_before_the_certificate_is_sent_to_its_clock(
    tmp_path: Path, authority: Authority
) -> None:
    with Mosquitto(tmp_path, tls=authority.issue(not_yet=True)) as server:
        output = await refusal(over_tls(server, authority.ca))
    assert re.search(
        r"not valid yet \(from .* GMT\), and the clock of this machine shows 20\d\d-.*set it", output
    )


async def test_a_certificate_for_another_host_is_refused(tmp_path: Path, authority: Authority) -> None:
    with Mosquitto(tmp_path, tls=authority.issue("broker.example")) as server:
        output = await refusal(over_tls(server, authority.ca))
    assert "its certificate is for broker.example, not for '127.0.0.1'; correct mqtt.host" in output


async def test_a_broker_that_asks_for_a_certificate_gets_ours(tmp_path: Path, authority: Authority) -> None:
    mine = authority.issue("edge-1", common_name="edge-1")
    with Mosquitto(tmp_path, tls=authority.issue(clients_must_show=True)) as server:
        tls = TlsSettings(ca=authority.ca, cert=mine.certificate, key=mine.key)
        async with BrokerConnection(MqttSettings(port=server.port, tls=tls), "edge-1") as link:
            await link.publish("x", b"")
        assert "certificate" in await refusal(over_tls(server, authority.ca))


async def test_a_broker_without_tls_is_not_talked_to_in_clear(tmp_path: Path, authority: Authority) -> None:
    with Mosquitto(tmp_path) as server:
        assert f"127.0.0.1:{server.port}" in await refusal(over_tls(server, authority.ca))


async def test_a_broker_with_tls_wants_it_of_everybody(tmp_path: Path, authority: Authority) -> None:
    with Mosquitto(tmp_path, tls=authority.issue()) as server:
        assert "does it want TLS" in await refusal(MqttSettings(port=server.port))


def test_a_file_that_tls_cannot_use_is_named(tmp_path: Path, authority: Authority) -> None:
    garbage = tmp_path / "garbage.pem"
    garbage.write_text("not a certificate")
    mine, other = authority.issue("a"), authority.issue("b")
    wrong = [
        (TlsSettings(ca=tmp_path / "missing.pem"), "missing.pem"),
        (TlsSettings(ca=garbage), "garbage.pem"),
        (TlsSettings(cert=garbage), "garbage.pem"),
        (TlsSettings(cert=mine.certificate, key=other.key), mine.certificate.name),
    ]
    for settings, file in wrong:
        with pytest.raises(ConfigError) as caught:
            settings.context("mqtt.tls")
        assert caught.value.file is not None
        assert caught.value.file.endswith(file)
        assert caught.value.remedy


def test_a_key_that_is_not_there_yet_is_waited_for(tmp_path: Path, authority: Authority) -> None:
    mine, key = authority.issue("a"), tmp_path / "later.key"
    settings = TlsSettings(cert=mine.certificate, key=key)
    with pytest.raises(UnreachableError, match=r"mqtt\.tls\.key: .*later\.key is not there"):
        settings.context("mqtt.tls")
    key.write_bytes(mine.key.read_bytes())
    settings.context("mqtt.tls")
