"""Optional dependencies: which extra of the package `qilu` brings a module that is not installed."""

from __future__ import annotations

from collections.abc import Mapping

from qilu.contract.errors import ConfigError

EXTRAS: Mapping[str, str] = {
    "numpy": "simulator",
    "aiohttp": "cloud",
    "influxdb_client": "cloud",
    "amqtt": "demo",
    "pyarrow": "parquet",
}
"""Module -> the extra that installs it."""


def missing_extra(error: BaseException) -> ConfigError | None:
    """What to report where an import failed for want of an extra; None for any other error."""
    if not isinstance(error, ModuleNotFoundError) or error.name is None:
        return None
    module = error.name.split(".")[0]
    extra = EXTRAS.get(module)
    if extra is None:
        return None
    return ConfigError(f"{module} is not installed", remedy=f"pip install 'qilu[{extra}]'")
