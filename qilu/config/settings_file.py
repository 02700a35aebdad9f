"""Reads a settings file into its model; errors name file, line, key and remedy."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from qilu.config.error_texts import nearest
from qilu.config.errors import explain
from qilu.config.yaml_loader import MAX_CHARACTERS, LineIndex, parse, too_long
from qilu.contract.errors import ConfigError, UnreachableError, describe_os_error
from qilu.contract.lookalikes import describe_lookalike, find_lookalike
from qilu.runtime.redaction import remember

ModelT = TypeVar("ModelT", bound=BaseModel)


def load(path: Path, model: type[ModelT]) -> ModelT:
    """The settings in `path`; every relative `Path` in the model is made relative to the file's folder.

    ConfigError for a file that cannot be read, is not YAML or does not fit the model.
    """
    return load_with_line_index(path, model)[0]


def load_with_line_index(path: Path, model: type[ModelT]) -> tuple[ModelT, LineIndex]:
    """As `load`, with the lines of the file for errors that only come to light later."""
    return _validated(_read(path), model, str(path), path.parent)


def load_text(text: str, model: type[ModelT], *, file: str = "settings", folder: Path = Path()) -> ModelT:
    """As `load`, from a text that would stand in a file of `folder`."""
    return _validated(text, model, file, folder)[0]


def load_plain(path: Path) -> Any:
    """The content of `path`, read by no model yet; ConfigError for a file that cannot be read or is not
    YAML."""
    return _parsed(_read(path), str(path))[0]


def read_secret(file: Path | None, variable: str | None, *, key: str) -> str | None:
    """The secret in `file` without the line's end, or in an environment variable; None when neither is named.

    `key` is the setting that named it. UnreachableError for a file that is not there, empty or not to be
    read: a service manager, or whoever rotates the secret, may put it there at any moment. ConfigError for a
    variable that is not set: it will not be set while this process runs.
    """
    if file is not None:
        try:
            secret = _read(file).rstrip("\r\n")
        except ConfigError as error:
            raise UnreachableError(f"{key}: {error}") from None
        if not secret:
            raise UnreachableError(f"{key}: {file} is empty; write the secret into the file")
        remember(secret)
        return secret
    if variable is None:
        return None
    if not (value := os.environ.get(variable)):
        problem = f"environment variable {variable} is empty or not set"
        raise ConfigError(problem, key=key, remedy="set it before the start")
    remember(value)
    return value


def _validated(text: str, model: type[ModelT], file: str, folder: Path) -> tuple[ModelT, LineIndex]:
    raw, places = _parsed(text, file)
    try:
        return _resolve_paths(model.model_validate(raw), folder), places
    except ValidationError as error:
        wrong = explain(error, model, raw, places)
        _name_lookalikes(wrong, text)
        raise wrong from None


def _parsed(text: str, file: str) -> tuple[Any, LineIndex]:
    try:
        return parse(text, file)
    except ConfigError as error:
        _name_lookalikes(error, text)
        raise


def _read(path: Path) -> str:
    try:
        with path.open(encoding="utf-8-sig") as file:
            text = file.read(MAX_CHARACTERS + 1)  # an endless one must not fill the memory
    except FileNotFoundError:
        meant = nearest(path.name, _names_in(path.parent))
        remedy = f"did you mean {path.parent / meant}?" if meant else "check the path"
        raise ConfigError("no such file", file=path, remedy=remedy) from None
    except UnicodeDecodeError as error:
        remedy = "save it as UTF-8"
        raise ConfigError(f"not a text in UTF-8 (byte {error.start})", file=path, remedy=remedy) from None
    except OSError as error:
        problem = describe_os_error(error)
        raise ConfigError(f"cannot be read: {problem}", file=path, remedy="name a readable file") from None
    if len(text) > MAX_CHARACTERS:
        raise too_long(str(path))
    return text


def _names_in(folder: Path) -> list[str]:
    try:
        return [entry.name for entry in folder.iterdir()]
    except OSError:
        return []


def with_absolute_paths(settings: ModelT) -> ModelT:
    """The same settings however they were named, from whatever folder: for a comparison with others."""
    resolved: ModelT = _each_path(settings, lambda path: Path(os.path.abspath(path)))  # noqa: PTH100  # a link may lead elsewhere later
    return resolved


def _resolve_paths(value: Any, folder: Path) -> Any:
    """`value` with every relative path in it, however deep, below `folder`; itself where there is none."""
    return _each_path(value, lambda path: folder / path.expanduser())


def _each_path(value: Any, change: Callable[[Path], Path]) -> Any:
    if isinstance(value, Path):
        return change(value)
    if isinstance(value, BaseModel):
        fields = {name: getattr(value, name) for name in type(value).model_fields}
        moved = {name: _each_path(field, change) for name, field in fields.items()}
        update = {name: field for name, field in moved.items() if field is not fields[name]}
        return value.model_copy(update=update) if update else value
    if isinstance(value, Mapping):
        entries = {key: _each_path(entry, change) for key, entry in value.items()}
        return entries if any(entries[key] is not value[key] for key in value) else value
    if isinstance(value, tuple | list):
        items = type(value)(_each_path(item, change) for item in value)
        return items if any(new is not old for new, old in zip(items, value, strict=True)) else value
    return value


def _name_lookalikes(error: ConfigError, text: str) -> None:
    """Add to the remedy of an error, and of those with it, which character of its lines is not YAML's."""
    lines = text.splitlines()
    for single in error.each():
        if single.line is None or not 0 < single.line <= len(lines):
            continue
        around = lines[max(single.line - 2, 0) : single.line]  # a parser notices it in the line after
        candidates = (find_lookalike(line.partition(" #")[0]) for line in reversed(around))
        lookalike = next((char for char in candidates if char is not None), None)
        if lookalike is not None:
            hint = describe_lookalike(lookalike)
            single.remedy = hint if single.remedy is None else f"{single.remedy}; {hint}"
