"""Makes tokens for the web pages of a process, and takes them back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from qilu.config.settings_file import load_plain
from qilu.contract.errors import ConfigError, writing
from qilu.runtime.private_files import acting_as_owner, make_folder
from qilu.web.tokens import FILE_NAME, TokenRole, new_token, read_tokens, write_tokens
from qilu_cli.file_kinds import Kind, kind_of
from qilu_cli.terminal import console

_SECTIONS = ("console", "metrics", "control")


def add_token(file: Path, role: TokenRole) -> None:
    """Print a new token, which is kept nowhere; ConfigError when it cannot be stored as a hash."""
    place = token_file(file)
    text, token = new_token(role, f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}")
    _write(place, lambda: write_tokens(place, [*read_tokens(place), token]))
    print(text)
    _explain(f"a token for a {role}: it is shown this once, and {place} has its hash")


def revoke(file: Path, role: TokenRole) -> None:
    """Take back all tokens of a role: their sessions end as well."""
    place = token_file(file)
    tokens = read_tokens(place)
    kept = [token for token in tokens if token.role != role]
    if len(kept) < len(tokens):
        _write(place, lambda: write_tokens(place, kept))
    _explain(f"{len(tokens) - len(kept)} tokens for a {role} are no longer valid")


def token_file(file: Path) -> Path:
    """The file of tokens of settings: as they name it, else in the spool's directory or beside them.

    ConfigError: these are no settings of a process.
    """
    raw = load_plain(file)
    kind = kind_of(raw)
    if kind not in (Kind.GATEWAY, Kind.INGESTER, Kind.PLANT):
        remedy = "name the settings (.yaml) of a gateway, an ingester or a plant"
        raise ConfigError("no settings of a process with pages", file=file, remedy=remedy)
    for section in _SECTIONS:
        if (named := _entry(raw, section, "tokens")) is not None:
            return file.parent / Path(named).expanduser()
    if kind is Kind.GATEWAY and (spool := _entry(raw, "spool", "directory")) is not None:
        return file.parent / Path(spool).expanduser() / FILE_NAME
    return file.parent / FILE_NAME


def _entry(raw: Any, section: str, key: str) -> str | None:
    entries = raw.get(section)
    value = entries.get(key) if isinstance(entries, Mapping) else None
    return value if isinstance(value, str) and value else None


def _write(place: Path, write: Any) -> None:
    with writing(place, "run the command as the user of the process, or name another file: tokens: FILE"):
        if not place.parent.exists():
            make_folder(place.parent)
        with acting_as_owner(place.parent):
            write()


def _explain(text: str) -> None:
    console(stderr=True).print(text)
