"""What a file may say of a broker, and how it is told when it says it wrong."""

from pathlib import Path

import pytest

from qilu.contract.errors import ConfigError
from qilu.mqtt.settings import MqttSettings
from qilu.runtime.settings import load_text


def test_nothing_said_means_the_usual_broker_on_this_machine() -> None:
    settings = load_text("{}", MqttSettings)
    assert settings.address == "127.0.0.1:1883"
    assert settings.protocol == "5"
    assert settings.topics.answer("edge-1") == "qilu/answer/edge-1"


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
        ("prefix: a/+", "prefix"),
        ("password: secret", "password"),
        ("password_env: X", "username"),
        ("username: u\npassword_env: X\npassword_file: f", "password_env"),
        ("tls: {key: k.pem}", "tls.key"),
        ("tls: {verify: false}", "tls.verify"),
    ],
)
def test_what_makes_no_sense_is_told_with_its_place(text: str, key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_text(text, MqttSettings, file="gateway.yaml")
    assert caught.value.key == key
    assert caught.value.line is not None


def test_a_password_is_read_from_its_file_beside_the_settings(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3 cret\n")
    settings = load_text("username: u\npassword_file: secret", MqttSettings, folder=tmp_path)
    assert settings.password() == "s3 cret"


def test_a_password_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load_text("username: u\npassword_file: secret", MqttSettings, folder=tmp_path)
    with pytest.raises(ConfigError, match="secret"):
        settings.password()
    monkeypatch.delenv("QILU_TEST_PASSWORD", raising=False)
    settings = load_text("username: u\npassword_env: QILU_TEST_PASSWORD", MqttSettings)
    with pytest.raises(ConfigError, match="QILU_TEST_PASSWORD"):
        settings.password()
    monkeypatch.setenv("QILU_TEST_PASSWORD", "x")
    assert settings.password() == "x"
