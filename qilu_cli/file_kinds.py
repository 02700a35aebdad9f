"""Which kind of file one is, by the keys that only this kind has, and the error for one of another kind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import Enum
from pathlib import Path

from qilu.config.settings_file import load_plain
from qilu.contract.errors import ConfigError


class Kind(Enum):
    """A kind of file: how it is called in a sentence, what to do with it, and its own keys."""

    PROFILE = ("this is a device profile", "check", ("points", "profile"))
    PLANT = ("this is a plant", "simulate", ("machines",))
    GATEWAY = ("these are gateway settings", "gateway", ("sources",))
    INGESTER = ("these are ingester settings", "ingest", ("store",))

    def __init__(self, sentence: str, command: str, keys: tuple[str, ...]) -> None:
        self.sentence = sentence
        self.command = command
        self.keys = keys

    def is_of(self, raw: object) -> bool:
        """Whether a file with the content `raw` has a key of this kind."""
        return isinstance(raw, Mapping) and any(key in raw for key in self.keys)


def kind_of(raw: object) -> Kind | None:
    """The kind of a file with the content `raw`; None when it has no key of any."""
    return next((kind for kind in Kind if kind.is_of(raw)), None)


@contextmanager
def expected(kind: Kind, file: Path, remedy: str | None = None) -> Iterator[None]:
    """Inside, `file` is loaded as this kind: where it is of another one, that is the error and not every odd
    key.

    Looked at only after a ConfigError, because a big file takes its time. `remedy`: what to name in its
    place, where the command of the other kind is not what was meant.
    """
    try:
        yield
    except ConfigError:
        raw = load_plain(file)
        actual = kind_of(raw)
        if actual is None or kind.is_of(raw):
            raise
        run = f"run `qilu {actual.command} {file}`"
        raise ConfigError(actual.sentence, file=file, remedy=remedy or run) from None
