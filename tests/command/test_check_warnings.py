"""`qilu check` warns of likely mistakes, and names characters that only look like those of YAML."""

from pathlib import Path

import pytest

from qilu.config.profiles import shipped_configs
from qilu.contract.errors import ConfigError
from qilu_cli.commands.check import check
from qilu_cli.commands.gateway_config import write_gateway_config

PROFILE = """
profile: meter
points:
  - {{name: voltage, table: {table}, address: {address}, type: uint16}}
"""
GATEWAY = """
edge: edge-1
profiles: .
spool: {{directory: spool, max_bytes: {max_bytes}}}
mqtt: {{host: 127.0.0.1}}
delivery: {{trusted_stores: [plant-store]}}
sources:
  - {{type: modbus, url: "tcp://127.0.0.1", timeout: {timeout}, devices: [{{device: m, profile: meter}}]}}
"""


def checked(file: Path, capsys: pytest.CaptureFixture[str]) -> str:
    check([file])
    return capsys.readouterr().out


@pytest.mark.parametrize(("table", "address", "warned"), [("holding", 40101, True), ("holding", 101, False)])
def test_addresses_in_modicon_s_notation_without_a_word_of_it(
    table: str, address: int, warned: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "meter.yaml"
    file.write_text(PROFILE.format(table=table, address=address))
    assert ("write `addressing: modicon`" in checked(file, capsys)) is warned


def test_one_address_in_modicon_s_notation_beside_ordinary_ones(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "meter.yaml"
    point = "  - {{name: {}, table: {}, address: {}, type: uint16}}\n"
    plain = PROFILE.format(table="holding", address=7)
    for more, warned in [(("holding", 40101), "address: 40101 looks like"), (("input", 30008), "write 7,"),
                         (("input", 40101), ""), (("holding", 30101), "")]:  # fmt: skip
        file.write_text(plain + point.format("odd", *more))
        text = " ".join(checked(file, capsys).split())
        assert (warned in text) if warned else ("Modicon" not in text)
    file.write_text(plain.replace(" 7,", " 41000,") + point.format("odd", "input", 25_000))
    assert "Modicon" not in checked(file, capsys)


def test_no_shipped_profile_is_warned_of_its_addresses(capsys: pytest.CaptureFixture[str]) -> None:
    for file in (shipped_configs() / "profiles").glob("*.yaml"):
        assert "modicon" not in checked(file, capsys), file


@pytest.mark.parametrize(
    ("host", "stores", "warned"),
    [
        ("127.0.0.1", "plant-store", False),
        ("localhost", "plant-store", False),
        ("::1", "plant-store", False),
        ("broker.example", "plant-store", True),
        ("192.168.0.9", "{name: plant-store}", True),
        ("192.168.0.9", "{name: plant-store, key_file: k}", False),
        ("192.168.0.9", "{name: plant-store, key_file: k}, other", True),
    ],
)
def test_acknowledgements_that_need_no_signature_at_a_broker_elsewhere(
    host: str, stores: str, warned: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "meter.yaml").write_text(PROFILE.format(table="input", address=1))
    text = GATEWAY.format(max_bytes="2MB", timeout="3s")
    file = tmp_path / "gateway.yaml"
    file.write_text(text.replace("127.0.0.1}", f'"{host}"}}', 1).replace("[plant-store]", f"[{stores}]"))
    assert ("are not signed" in " ".join(checked(file, capsys).split())) is warned


@pytest.mark.parametrize(
    ("mqtt", "store", "warned"),
    [
        ("host: h", "{type: sqlite, file: a.db}", ()),
        ("host: h, username: u, password_file: open", "{type: sqlite, file: a.db}", ("to h:1883", "open")),
        ("host: h, username: u, password_file: closed", "{type: sqlite, file: a.db}", ("to h:1883",)),
        ("host: 127.0.0.1, username: u, password_file: closed", "{type: sqlite, file: a.db}", ()),
        ("host: h, username: u, password_file: closed, tls: {}", "{type: sqlite, file: a.db}", ()),
        ("host: h, username: u, password_file: no-file, tls: {}", "{type: sqlite, file: a.db}", ()),
        (
            "host: h, tls: {}, proxy: {host: p, username: u, password_file: closed}",
            "{type: sqlite, file: a.db}",
            ("to p:3128",),
        ),
        (
            "host: h, tls: {}, proxy: {host: 127.0.0.1, username: u, password_file: open}",
            "{type: sqlite, file: a.db}",
            ("open",),
        ),
        ("host: h, tls: {cert: closed, key: open}", "{type: sqlite, file: a.db}", ("open",)),
        ("host: h", "{type: influx, server: victoriametrics, url: 'http://h', token_env: T}", ("to h un",)),
        ("host: h", "{type: influx, server: victoriametrics, url: 'https://h', token_file: open}", ("open",)),
        (
            "host: h",
            "{type: influx, server: victoriametrics, url: 'http://localhost', token_file: closed}",
            (),
        ),
        ("host: h", "{type: influx, server: victoriametrics, url: 'http://h'}", ()),
    ],
)
def test_secrets_that_others_can_read(
    mqtt: str, store: str, warned: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, mode in (("open", 0o644), ("closed", 0o640)):
        (tmp_path / name).write_text("a secret")
        (tmp_path / name).chmod(mode)
    file = tmp_path / "ingester.yaml"
    file.write_text(f"ingester: i\nmqtt: {{{mqtt}}}\nstore: {store}\n")
    lines = [line for line in checked(file, capsys).splitlines() if "warning" in line]
    assert len(lines) == len(warned)
    for line, text in zip(lines, warned, strict=True):
        assert (f"chmod o-rwx {tmp_path / text}" if text == "open" else text) in line


def test_a_timeout_in_milliseconds_and_a_spool_beyond_its_disk(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "meter.yaml").write_text(PROFILE.format(table="input", address=1))
    file = tmp_path / "gateway.yaml"
    file.write_text(GATEWAY.format(max_bytes="2MB", timeout="3s"))
    assert "warning" not in checked(file, capsys)
    file.write_text(GATEWAY.format(max_bytes="900TB", timeout=3000))
    output = checked(file, capsys)
    assert "write 3000ms if milliseconds are meant" in output
    assert "spool.max_bytes is 900TB, more than the disk" in output


def test_of_a_device_and_of_the_local_history_the_same_is_warned_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "meter.yaml").write_text(PROFILE.format(table="input", address=1))
    text = GATEWAY.format(max_bytes="2MB", timeout="3s")
    text = text.replace("{device: m,", "{device: m, timeout: 3000,") + "history: {max_bytes: 900TB}\n"
    file = tmp_path / "gateway.yaml"
    file.write_text(text)
    output = checked(file, capsys)
    assert "m: timeout is 3000 s, as a bare number is seconds; write 3000ms" in " ".join(output.split())
    assert "history.max_bytes is 900TB, more than the disk" in output


def test_a_key_for_devices_that_others_can_read_is_warned_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "meter.yaml").write_text(PROFILE.format(table="input", address=1))
    key = tmp_path / "key.pem"
    key.write_text("a secret")
    key.chmod(0o644)
    text = GATEWAY.format(max_bytes="2MB", timeout="3s")
    tls = f"tls: {{cert: c.pem, key: {key}}}, "
    text = text.replace('"tcp://127.0.0.1", ', f'"tls://127.0.0.1", {tls}')
    file = tmp_path / "gateway.yaml"
    file.write_text(text)
    assert f"sources.0.tls.key: every user of this machine has access to {key}" in " ".join(
        checked(file, capsys).split()
    )


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("edge：edge-1\nspool: {directory: x}\n", "'：' (U+FF1A): type : in its place"),
        ("edge: e\nspool: {directory: x， max_bytes: 2GB}\n", "'，' (U+FF0C): type , in its place"),
        (
            "edge: e\nspool: {directory: x, max_bytes: “2GB”}\nsources: []\n",
            "'“' (U+201C): type \" in its place",
        ),
    ],
)
def test_full_width_and_typographic_characters_are_named(text: str, named: str, tmp_path: Path) -> None:
    file = tmp_path / "gateway.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        check([file])
    assert named in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("edge: edge-1", "edge: “edge-1”", "edge: '“edge-1”' cannot be part of a topic"),
        ("device: m,", "device: m：1,", "'：' (U+FF1A): type : in its place"),
        ("host: 127.0.0.1", "host: ‘127.0.0.1’", "'‘' (U+2018): type ' in its place"),
        ("host: 127.0.0.1", "host: ‹h›", "'‹' (U+2039): type ' in its place"),
        ("device: m,", "device: m﹕1,", "'﹕' (U+FE55): type : in its place"),
        ("device: m,", "device: m\u200b,", "'\\u200b' (U+200B): remove it"),
        ("host: 127.0.0.1", r'host: "broker\x1b[31m"', "is no host name"),
        ("host: 127.0.0.1", "host: 127.0.0.1, port: １８８３", "'１' (U+FF11): type 1 in its place"),
        ("[plant-store]", "[“plant-store”]", "cannot be the name of a store"),
        ("[plant-store]", "【plant-store】", "'【' (U+3010): type [ in its place"),
    ],
)
def test_a_name_in_typographic_or_full_width_characters_is_refused(
    old: str, new: str, named: str, tmp_path: Path
) -> None:
    (tmp_path / "meter.yaml").write_text(PROFILE.format(table="input", address=1))
    text = GATEWAY.format(max_bytes="2MB", timeout="3s")
    assert old in text
    file = tmp_path / "gateway.yaml"
    file.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        check([file])
    assert named in str(caught.value)


def test_a_remark_in_chinese_is_not_taken_for_the_mistake(tmp_path: Path) -> None:
    file = tmp_path / "gateway.yaml"
    file.write_text("edge: [1]  # 名称：边缘\nspool: {directory: x}\nsources: []\n", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        check([file])
    assert "U+FF1A" not in str(caught.value)


@pytest.mark.slow
def test_the_gateway_of_a_thousand_devices_can_keep_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_gateway_config(shipped_configs() / "thousand.yaml", tmp_path / "gateway.yaml")
    assert "more than it can answer" not in checked(tmp_path / "gateway.yaml", capsys)
