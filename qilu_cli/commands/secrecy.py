"""Warns of secrets that others can read: on the network, or in a file that is open to every user."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from gateway.sources.modbus.settings import ModbusSettings
from qilu.contract.hosts import is_loopback
from qilu.mqtt.settings import MqttSettings
from qilu.stores.settings import InfluxSettings, StoreSettings
from qilu.web.settings import WebSettings


def broker_warnings(mqtt: MqttSettings) -> Iterator[str]:
    named = mqtt.password_file is not None or mqtt.password_env is not None
    if named and mqtt.tls is None and not mqtt.on_loopback:
        yield f"mqtt: the password goes to {mqtt.address} unencrypted; set tls: {{ca: FILE}}"
    proxy = mqtt.proxy
    if proxy is not None and proxy.password_file is not None:
        if not is_loopback(proxy.host):
            yield (
                f"mqtt.proxy: its password goes to {proxy.host}:{proxy.port} unencrypted; give it one that is"
                " for nothing else, or let the proxy know this machine by its address"
            )
        yield from file_warnings({"mqtt.proxy.password_file": proxy.password_file})
    key = mqtt.tls.key if mqtt.tls else None
    yield from file_warnings({"mqtt.password_file": mqtt.password_file, "mqtt.tls.key": key})


def source_warnings(sources: Sequence[ModbusSettings]) -> Iterator[str]:
    for entry, source in enumerate(sources):
        if source.tls is not None:
            yield from file_warnings({f"sources.{entry}.tls.key": source.tls.key})


def store_warnings(store: StoreSettings) -> Iterator[str]:
    """About the token or password for the store."""
    if not isinstance(store, InfluxSettings):
        return
    secrets = store.token_file, store.token_env, store.password_file, store.password_env
    parts = urlsplit(store.url)
    if any(secrets) and parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        yield f"store.url: the secret goes to {parts.hostname} unencrypted; use https"
    yield from file_warnings(
        {"store.token_file": store.token_file, "store.password_file": store.password_file}
    )


def web_warnings(key: str, web: WebSettings | None) -> Iterator[str]:
    """About the tokens of a web server, the setting `key`."""
    if web is not None and not web.on_loopback and web.tls is None:
        yield (
            f"{key}: tokens come to {web.listen} unencrypted; set tls: {{cert: FILE, key: FILE}}, or use"
            " loopback and a reverse proxy with TLS"
        )
    if web is not None:
        yield from file_warnings({f"{key}.tls.key": web.tls.key if web.tls else None})


def file_warnings(files: dict[str, Path | None]) -> Iterator[str]:
    """Setting -> file, where every user of this machine can read or change it."""
    for key, file in files.items():
        if file is not None and file.exists() and file.stat().st_mode & stat.S_IRWXO:
            yield f"{key}: every user of this machine has access to {file}; run chmod o-rwx {file}"
