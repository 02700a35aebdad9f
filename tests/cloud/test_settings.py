"""What a file may say of an ingester."""

import re
from pathlib import Path

import pytest

from cloud.settings import IngesterSettings
from qilu.config.settings_file import load, load_text
from qilu.contract.errors import ConfigError

SHIPPED = Path(__file__).parents[2] / "configs" / "ingester.yaml"


def test_the_shipped_file_is_valid_and_its_paths_are_beside_it() -> None:
    settings = load(SHIPPED, IngesterSettings)
    assert settings.store.type == "sqlite"
    assert settings.store.file.resolve() == SHIPPED.parents[1] / "var" / "store" / "plant.db"
    assert settings.store.name == "plant-store"


def test_every_line_that_is_commented_out_in_it_is_valid_too() -> None:
    lines = SHIPPED.read_text(encoding="utf-8").splitlines()
    server = [line.removeprefix("# ") for line in lines[lines.index("# store:") :]]
    broker = [re.sub("^  # ", "  ", line) for line in lines[lines.index("mqtt:") : lines.index("store:")]]
    settings = load_text("\n".join(["ingester: one", *broker, *server]), IngesterSettings)
    assert settings.mqtt.protocol == "3.1.1"
    assert settings.mqtt.tls is not None
    assert settings.store.type == "influx"


def test_every_key_of_a_sqlite_store_that_is_commented_out_is_valid_too() -> None:
    lines = SHIPPED.read_text(encoding="utf-8").splitlines()
    store = lines[lines.index("store:") : lines.index("# store:")]
    settings = load_text("\n".join(re.sub("^  # ", "  ", line) for line in store), IngesterSettings).store
    assert settings.type == "sqlite"
    assert settings.model_fields_set == set(type(settings).model_fields), "name the new key in the file"


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("mqtt: {}", "store"),
        ("store: {type: sqlite}", "store.file"),
        ("store: {type: sqlite, file: x}\nbatch: 5", "batch"),
        ("store: {type: sqlite, file: x}\nmax_records_per_write: 0", "max_records_per_write"),
        ("store: {type: sqlite, file: x}\ningester: a/b", "ingester"),
    ],
)
def test_what_makes_no_sense_is_reported_with_its_place(text: str, key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_text(text, IngesterSettings, file="ingester.yaml")
    assert caught.value.key == key
    assert caught.value.line
