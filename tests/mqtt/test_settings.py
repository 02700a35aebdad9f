"""What a file may say of a broker, and how it is told when it says it wrong."""

import re
from pathlib import Path

import pytest

from qilu.config.settings_file import load_text
from qilu.contract.errors import ConfigError, UnreachableError
from qilu.mqtt.settings import MqttSettings


def test_nothing_output_means_the_usual_broker_on_this_machine() -> None:
    settings = load_text("{}", MqttSettings)
    assert settings.address == "127.0.0.1:1883"
    assert settings.protocol == "5"
    assert settings.topics.ack("edge-1") == "qilu/ack/edge-1"


@pytest.mark.parametrize(("text", "protocol"), [("5", "5"), ("'5'", "5"), ("3.1.1", "3.1.1")])
def test_the_protocol_may_be_written_as_a_number(text: str, protocol: str) -> None:
    assert load_text(f"protocol: {text}", MqttSettings).protocol == protocol


def test_the_port_follows_the_transport_unless_it_is_given() -> None:
    assert load_text("tls: {}", MqttSettings).port == 8883
    assert load_text("tls: {}\nport: 1884", MqttSettings).port == 1884


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("protocol: 4", "protocol"),
        ("port: 70000", "port"),
        ("host: ''", "host"),
        ("keepalive: 0s", "keepalive"),
        ("topic_prefix: a/+", "topic_prefix"),
        ("topic_prefix: plant/v1.2", "topic_prefix"),
        ("password: secret", "password"),
        ("password_env: X", "username"),
        ("username: u\npassword_env: X\npassword_file: f", "password_env"),
        ("tls: {key: k.pem}", "tls.key"),
        ("tls: {verify: false}", "tls.verify"),
    ],
)
def test_what_makes_no_sense_is_reported_with_its_place(text: str, key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_text(text, MqttSettings, file="gateway.yaml")
    assert caught.value.key == key
    assert caught.value.line is not None


@pytest.mark.parametrize(
    ("host", "remedy"),
    [
        ("mqtt://broker.example", "write host: broker.example"),
        ("tcp://broker.example:1884", "host: broker.example, and on lines of their own port: 1884"),
        ("mqtts://user@broker.example:8883/x", "host: broker.example, .*port: 8883, .*tls: {}"),
        ("MQTT://[::1]:1883", "host: ::1, .*port: 1883"),
        ("broker.example:1883", "host: broker.example, .*port: 1883"),
        ("broker.example/plant", "host: broker.example"),
        ("ws://broker.example/mqtt", "own port for MQTT"),
    ],
)
def test_a_host_with_a_scheme_a_port_or_a_path_is_refused_with_the_lines_to_write(
    host: str, remedy: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load_text(f"host: '{host}'", MqttSettings, file="gateway.yaml")
    assert caught.value.key == "host"
    assert host in caught.value.problem
    assert re.search(remedy, caught.value.remedy or "")


@pytest.mark.parametrize("host", ["broker", "broker.example", "192.0.2.7", "::1", "fe80::1%eth0"])
def test_names_and_addresses_are_hosts(host: str) -> None:
    assert load_text(f"host: '{host}'", MqttSettings).host == host


def test_a_password_is_read_from_its_file_beside_the_settings(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3 cret\n")
    settings = load_text("username: u\npassword_file: secret", MqttSettings, folder=tmp_path)
    assert settings.password() == "s3 cret"


def test_a_password_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load_text("username: u\npassword_file: secret", MqttSettings, folder=tmp_path)
    with pytest.raises(UnreachableError, match="secret"):
        settings.password()
    monkeypatch.delenv("QILU_TEST_PASSWORD", raising=False)
    settings = load_text("username: u\npassword_env: QILU_TEST_PASSWORD", MqttSettings)
    with pytest.raises(ConfigError, match="QILU_TEST_PASSWORD"):
        settings.password()
    monkeypatch.setenv("QILU_TEST_PASSWORD", "x")
    assert settings.password() == "x"
