"""The text of a device profile, with comments, and its file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from qilu.config.settings_file import load_text
from qilu.contract.errors import ConfigError, writing
from qilu.contract.profile import DeviceProfile

_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


@dataclass(frozen=True, slots=True)
class PointEntry:
    """One point as it will stand in the file, and its comment."""

    keys: Mapping[str, Any]
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Draft:
    """A profile that is still to be written."""

    name: str
    head: Sequence[str]
    """Sentences for the comment at the top."""
    source: str
    points: Sequence[PointEntry]
    more: Mapping[str, Any] = field(default_factory=dict)
    """Further keys of the profile, such as `addressing` or `limits`."""

    def text(self) -> str:
        """The file; it is valid where the points are."""
        keys = {"profile": self.name, "title": {"en": self.name}, "source": self.source, **self.more}
        lines = [f"# {sentence}" for sentence in self.head]
        lines += [f"{key}: {flow(value)}" for key, value in keys.items()]
        lines += ["points:"]
        for point in self.points:
            comment = f"  # {point.comment}" if point.comment else ""
            lines.append(f"  - {flow(point.keys)}{comment}")
        return "\n".join(lines) + "\n"


def flow(value: object) -> str:
    """YAML in one line; YAML 1.1 quotes more than our reader needs, which does no harm."""
    text = yaml.safe_dump(value, default_flow_style=True, width=10**6, allow_unicode=True, sort_keys=False)
    return text.removesuffix("\n").removesuffix("\n...")


def checked(draft: Draft) -> str:
    """The text of a draft that our reader takes for a valid profile; ConfigError for one that is not."""
    text = draft.text()
    load_text(text, DeviceProfile, file=f"{draft.name}.yaml")
    return text


def name_out_of(*texts: str) -> str:
    """A name for a profile out of the first text that lends itself to it; ConfigError where none does."""
    for text in texts:
        if name := re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:60].rstrip("-"):
            return name
    tried = ", ".join(repr(text) for text in texts if text) or "nothing"
    remedy = "give one, such as --name press-line"
    raise ConfigError(f"{tried} makes no name for a profile", key="--name", remedy=remedy)


def destination(name: str, out: Path | None, force: bool) -> Path:
    """Where the profile goes: NAME.yaml here, in the folder `out`, or the file `out` of just this name."""
    if not _NAME.fullmatch(name):
        remedy = "use lower case letters, digits and hyphens, such as press-line"
        raise ConfigError(f"{name!r} is no name for a profile", key="--name", remedy=remedy)
    file = Path(f"{name}.yaml") if out is None else out / f"{name}.yaml" if out.suffix != ".yaml" else out
    if file.stem != name:
        raise ConfigError(f"a profile {name} has to stand in {name}.yaml", key="--out", remedy="rename one")
    if file.exists() and not force:
        raise ConfigError("there is such a file already", file=file, remedy="add --force to overwrite it")
    return file


def write(file: Path, text: str) -> None:
    """ConfigError where that is not possible."""
    with writing(file, "choose another place with --out"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


def unique(names: Iterable[str]) -> list[str]:
    """The same names, with a number behind those that came before."""
    used: set[str] = set()
    result = []
    for name in names:
        number, candidate = 1, name
        while candidate in used:
            number += 1
            candidate = f"{name}_{number}"
        used.add(candidate)
        result.append(candidate)
    return result
