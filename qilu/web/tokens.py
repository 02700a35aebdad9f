"""Tokens of a web server: made once, shown once, kept as hashes in a file for one user."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec

from qilu.contract.errors import ConfigError
from qilu.runtime.private_files import open_file, replace_file
from qilu.runtime.redaction import remember
from qilu.web.exchange import Role

TokenRole: TypeAlias = Literal["wall", "viewer", "operator"]
ROLES: dict[str, Role] = {"wall": Role.WALL, "viewer": Role.VIEWER, "operator": Role.OPERATOR}
FILE_NAME = "console-tokens.json"
MAX_TOKENS = 64
_MAX_BYTES = 65_536
_SECRET_BYTES = 32


class Token(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is kept of a token: never the token itself."""

    name: str
    role: TokenRole
    sha256: str
    created: str
    """When, as ISO 8601 in UTC."""


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    tokens: tuple[Token, ...] = ()


def new_token(role: TokenRole, created: str) -> tuple[str, Token]:
    """The token for its user, `NAME.SECRET`, and what is kept of it. The secret has 256 random bits."""
    name = f"{role}-{secrets.token_hex(4)}"
    text = f"{name}.{secrets.token_urlsafe(_SECRET_BYTES)}"
    return text, Token(name, role, _digest(text), created)


def matching(tokens: Sequence[Token], text: str) -> Token | None:
    """The token that `text` is; the comparison takes the same time wherever it fails."""
    name = text.partition(".")[0]
    digest = _digest(text)
    for token in tokens:
        if token.name == name and hmac.compare_digest(token.sha256, digest):
            remember(text)  # a token that is in use appears in no log
            return token
    return None


def read_tokens(path: Path) -> Sequence[Token]:
    """The tokens of a file; none where there is no file. ConfigError: not a file of tokens, or readable by
    other users."""
    try:
        with open(path, "rb", opener=open_file) as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(_MAX_BYTES + 1)
    except FileNotFoundError:
        return ()
    except OSError as error:
        problem = f"cannot be read: {(error.strerror or str(error)).lower()}"
        raise ConfigError(problem, file=path, remedy="let this user read it, and nobody else") from error
    if os.name == "posix" and mode & 0o077:
        raise ConfigError("other users may use it", file=path, remedy=f"chmod 600 {path}")
    try:
        if len(content) > _MAX_BYTES:
            raise ValueError(f"more than {_MAX_BYTES} bytes")
        return msgspec.json.decode(content, type=_File).tokens
    except (ValueError, RecursionError) as error:
        remedy = "delete it and make tokens anew: qilu console token viewer"
        raise ConfigError(f"no file of tokens ({error})", file=path, remedy=remedy) from error


def write_tokens(path: Path, tokens: Sequence[Token]) -> None:
    """Replace the file; other users cannot read it. ConfigError: there are too many."""
    if len(tokens) > MAX_TOKENS:
        remedy = "take some back first: qilu console token viewer --revoke"
        raise ConfigError(f"{MAX_TOKENS} tokens are in use already", file=path, remedy=remedy)
    replace_file(path, msgspec.json.format(msgspec.json.encode(_File(tuple(tokens)))) + b"\n", sync=True)


class TokenFile:
    """The tokens of a running server, read again when their file changes; a wrong file has none."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._stamp: tuple[int, int, int] | None = None
        self._tokens: Sequence[Token] = ()

    def tokens(self) -> Sequence[Token]:
        """The valid tokens. ConfigError as `read_tokens`."""
        if self._path is None:
            return ()
        try:
            status = self._path.stat()
        except OSError:
            self._stamp, self._tokens = None, ()
            return ()
        stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
        if stamp != self._stamp:
            self._tokens = ()
            self._tokens = read_tokens(self._path)
            self._stamp = stamp
        return self._tokens


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
