"""Runs an ingester from its settings until it is stopped."""

from __future__ import annotations

from pathlib import Path

from cloud.app import ingest as run
from cloud.settings import IngesterSettings
from qilu.config.settings_file import load
from qilu.runtime.process import notify
from qilu_cli.file_kinds import Kind, expected


async def ingest(file: Path) -> None:
    """Fill the store; ConfigError when the settings are wrong or the store cannot be used."""
    with expected(Kind.INGESTER, file):
        settings = load(file, IngesterSettings)
    await run(settings, ready=lambda: notify("READY=1"))
