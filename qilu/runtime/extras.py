"""Optional dependencies: which extra of the package `qilu` brings a module that is not installed."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from types import TracebackType

from qilu.contract.errors import ConfigError

EXTRAS: Mapping[str, str] = {
    "numpy": "simulator",
    "aiohttp": "cloud",
    "influxdb_client": "cloud",
    "amqtt": "demo",
    "pyarrow": "parquet",
    "pymodbus": "ascii",
}
"""Module -> the extra that installs it."""
WEB = "qilu.web"
"""The package whose imports the extra `console` brings."""


def missing_extra(error: BaseException) -> ConfigError | None:
    """What to report where an import failed for want of an extra; None for any other error."""
    if not isinstance(error, ModuleNotFoundError) or error.name is None:
        return None
    module = error.name.split(".")[0]
    extra = "console" if _imported_by(error, WEB) else EXTRAS.get(module)
    if extra is None:
        return None
    return _not_installed(module, extra)


def missing_module(module: str) -> ConfigError | None:
    """What to report where this module of an extra is not installed; None where it is."""
    return None if find_spec(module) is not None else _not_installed(module, EXTRAS[module])


def _not_installed(module: str, extra: str) -> ConfigError:
    return ConfigError(f"{module} is not installed", remedy=f"pip install 'qilu[{extra}]'")


def require_console(key: str) -> None:
    """ConfigError where the extra of a web server is not installed; `key`: the setting that wants one."""
    if find_spec("aiohttp") is None:
        raise ConfigError("aiohttp is not installed", key=key, remedy="pip install 'qilu[console]'")


def _imported_by(error: BaseException, package: str) -> bool:
    trace: TracebackType | None = error.__traceback__
    while trace is not None:
        name = str(trace.tb_frame.f_globals.get("__name__", ""))
        if name == package or name.startswith(f"{package}."):
            return True
        trace = trace.tb_next
    return False
