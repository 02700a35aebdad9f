"""Settings of stores: what is refused where, and that a process loads only the library that it needs."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from qilu.contract.errors import ConfigError, UnreachableError
from qilu.stores.settings import InfluxSettings, SqliteSettings, StoreSettings

ADAPTER: TypeAdapter[SqliteSettings | InfluxSettings] = TypeAdapter(StoreSettings)


def influx(**settings: Any) -> InfluxSettings:
    found = ADAPTER.validate_python({"type": "influx", "url": "http://127.0.0.1:8086", **settings})
    assert isinstance(found, InfluxSettings)
    return found


def test_the_embedded_store_needs_a_file_only() -> None:
    found = ADAPTER.validate_python({"type": "sqlite", "file": "var/plant.db", "retention": "7d"})
    assert isinstance(found, SqliteSettings)
    assert (found.file, found.retention) == (Path("var/plant.db"), 7 * 86400)


@pytest.mark.parametrize(
    ("settings", "identity", "horizon"),
    [
        ({"server": "victoriametrics"}, "victoriametrics:127.0.0.1:8086", 30),
        ({"server": "influxdb1", "database": "plant"}, "influxdb1:127.0.0.1:8086/plant", 0),
        ({"server": "influxdb2", "bucket": "b", "org": "o"}, "influxdb2:127.0.0.1:8086/b", 0),
        ({"server": "influxdb3", "database": "d", "url": "https://x/"}, "influxdb3:x:443/d", 0),
        ({"server": "victoriametrics", "name": "main", "durability_delay": "1m"}, "main", 60),
    ],
)
def test_a_server_has_an_identity_and_a_horizon(
    settings: dict[str, Any], identity: str, horizon: float
) -> None:
    found = influx(**settings)
    assert (found.identity, found.effective_durability_delay) == (identity, horizon)


@pytest.mark.parametrize(
    ("settings", "place", "problem"),
    [
        ({"server": "influxdb1"}, "database", "influxdb1 needs it"),
        ({"server": "influxdb2", "bucket": "b"}, "org", "influxdb2 needs it"),
        ({"server": "victoriametrics", "database": "d"}, "database", "has none"),
        ({"server": "victoriametrics", "url": "localhost:8428"}, "url", "not the address of a server"),
        ({"server": "victoriametrics", "url": "http://a:b@host"}, "url", "does not belong here"),
        ({"server": "victoriametrics", "password_file": "p"}, "username", "without a user"),
        ({"server": "victoriametrics", "token_file": "p", "token_env": "T"}, "token_env", "named twice"),
        ({"server": "oracle"}, "server", "'influxdb1'"),
        ({"server": "victoriametrics", "colour": "red"}, "colour", "not permitted"),
    ],
)
def test_what_makes_no_sense_is_refused_at_its_key(
    settings: dict[str, Any], place: str, problem: str
) -> None:
    with pytest.raises(ValidationError) as refused:
        influx(**settings)
    (error,) = refused.value.errors()
    assert error["loc"][-1] == place
    assert problem in error["msg"]


def test_secrets_come_from_a_file_or_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "token"
    file.write_text("abc\n")
    assert influx(server="victoriametrics", token_file=file).token() == "abc"
    monkeypatch.setenv("STORE_PASSWORD", "def")
    assert influx(server="victoriametrics", username="u", password_env="STORE_PASSWORD").password() == "def"
    with pytest.raises(UnreachableError, match=r"store\.token_file: .*none: no such file"):
        influx(server="victoriametrics", token_file=tmp_path / "none").token()
    with pytest.raises(ConfigError, match=r"store\.token_env: environment variable NONE is empty or not set"):
        influx(server="victoriametrics", token_env="NONE").token()
    assert influx(server="victoriametrics").token() is None


@pytest.mark.parametrize(
    ("settings", "unwanted"),
    [
        ('SqliteSettings(type="sqlite", file="x.db")', {"aiohttp", "influxdb_client"}),
        ('InfluxSettings(type="influx", server="victoriametrics", url="http://localhost")', {"sqlite3"}),
    ],
)
def test_a_store_loads_only_the_library_that_it_needs(settings: str, unwanted: set[str]) -> None:
    program = (
        "from qilu.stores.settings import *; from qilu.stores.factory import *; import sys;"
        f"open_store({settings}); open_reader({settings}); print(*sys.modules)"
    )
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not unwanted & set(loaded.stdout.split())
