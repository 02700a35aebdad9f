"""Rewrites settings files and device profiles in place to the present keys, by docs/renames.csv.

    scripts/rename-settings FILE...

Each file is a gateway's, an ingester's or a plant's settings, or a device profile. Comments and formatting
stay: only keys, and values that were renamed with them, are replaced where they stand. A file that has the
present keys already stays as it is. Exit code 1: a file was not rewritten, or has a key to remove by hand.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from qilu.config.renames import renamed_key, renamed_value
from qilu.config.yaml_loader import parse
from qilu.contract.errors import ConfigError
from qilu.contract.units import format_duration, parse_duration
from qilu_cli.file_kinds import kind_of

_BOM = "\ufeff"


class _Rewriter:
    """Collects what to replace in the text of one file."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._replacements: dict[tuple[int, int], str] = {}
        self.changes: dict[str, None] = {}
        """What was renamed, for people; each once."""
        self.remaining: list[str] = []
        """What is left to do by hand."""

    def rewritten(self, text: str) -> str:
        """The text with present keys. ConfigError: it is not YAML, or none of our files."""
        if kind_of(parse(text, str(self._file))[0]) is None:
            problem = "neither a device profile nor a plant, gateway settings or ingester settings"
            raise ConfigError(problem, file=self._file, remedy="name one of these files")
        node = yaml.compose(text, yaml.SafeLoader)
        assert node is not None
        self._walk(node, "")
        for (start, end), new in sorted(self._replacements.items(), reverse=True):
            text = text[:start] + new + text[end:]
        return text

    def _walk(self, node: Node, place: str) -> None:
        if isinstance(node, SequenceNode):
            for item in node.value:
                self._walk(item, f"{place}[]")
        elif isinstance(node, MappingNode):
            self._walk_mapping(node, place + _tag(node, place))

    def _walk_mapping(self, node: MappingNode, place: str) -> None:
        for key, value in node.value:
            if key.value == "<<":
                for base in value.value if isinstance(value, SequenceNode) else [value]:
                    self._walk(base, place)
                continue
            new = renamed_key(place, key.value)
            if new == "":
                self.remaining.append(f"{_dotted(place, key.value)} does not exist any more: remove it")
                continue
            inner = _dotted(place, new or key.value)
            if new is not None:
                self._replace(key, new, f"{_dotted(place, key.value)} -> {new}")
                if (key.value, new) == ("until", "duration"):
                    self._count_from_start(node, value)
            if isinstance(value, ScalarNode):
                present = renamed_value(inner, value.value)
                if present is not None:
                    self._replace(value, present, f"{inner}: {value.value} -> {present}")
            else:
                self._walk(value, inner)

    def _count_from_start(self, fault: MappingNode, until: Node) -> None:
        """The end of a fault of the network becomes its duration."""
        starts = [value for key, value in fault.value if key.value in ("since", "start")]
        start = parse_duration(starts[0].value) if starts else 0.0
        duration = format_duration(parse_duration(until.value) - start)
        if start:
            self._replace(until, duration, f"until {until.value} -> duration {duration}")

    def _replace(self, node: Node, new: str, change: str) -> None:
        """Replace a scalar; an alias leads to one place more than once, and always to the same name."""
        start, end = node.start_mark.index, node.end_mark.index
        quote = node.style if isinstance(node, ScalarNode) and node.style in ("'", '"') else ""
        new = f"{quote}{new}{quote}"
        if self._replacements.setdefault((start, end), new) != new:
            problem = "an alias repeats a key that has two present names"
            remedy = "write the values out"
            raise ConfigError(problem, file=self._file, line=node.start_mark.line + 1, remedy=remedy)
        self.changes[change] = None


def _tag(node: MappingNode, place: str) -> str:
    """The kind of an item that is one of several kinds, by its present name."""
    for key, value in node.value:
        if key.value in ("type", "fault") and isinstance(value, ScalarNode):
            return f"({renamed_value(_dotted(place, key.value), value.value) or value.value})"
    return ""


def _dotted(place: str, key: str) -> str:
    return f"{place}.{key}" if place else str(key)


def rename(file: Path) -> Iterator[str]:
    """Rewrite one file; what was done and what is left to do. ConfigError: nothing was done."""
    try:
        with file.open(encoding="utf-8", newline="") as source:
            text = source.read()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror or "" if isinstance(error, OSError) else "not a text in UTF-8"
        problem = f"cannot be read: {reason.lower()}"
        raise ConfigError(problem, file=file, remedy="name a readable file") from error
    bom = _BOM if text.startswith(_BOM) else ""
    rewriter = _Rewriter(file)
    new = bom + rewriter.rewritten(text.removeprefix(bom))
    if new != text:
        with file.open("w", encoding="utf-8", newline="") as target:
            target.write(new)
    yield from (f"{file}: {change}" for change in rewriter.changes)
    if rewriter.remaining:
        raise ConfigError("; ".join(rewriter.remaining), file=file)


def main(files: list[str]) -> int:
    if not files:
        print(__doc__.strip(), file=sys.stderr)
        return 2
    failed = False
    for file in files:
        try:
            for line in rename(Path(file)):
                print(line)
        except ConfigError as error:
            print(error, file=sys.stderr)
            failed = True
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
