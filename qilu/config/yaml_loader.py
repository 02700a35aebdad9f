"""YAML as people mean it: YAML 1.2's plain values, no key twice, and the line of everything remembered."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from qilu.contract.errors import ConfigError, combined
from qilu.contract.validation import Loc, Problem

_TAG = "tag:yaml.org,2002:"

MAX_CHARACTERS = 1_000_000
"""Of one file: a hundred times the longest example, seven times a thousand devices. One text of this length
takes 2 s of CPU."""
_MAX_VALUES = 100_000
"""Of one file (5 s of CPU): ten times those of a thousand devices. What an alias repeats is counted again: a
few lines of aliases can stand for 10^9."""
_MAX_ANCHORS = 1000
_MAX_ALIASES = 10_000
"""Both of one file."""
_MAX_DIGITS = 64
"""Of one number."""
_FAST_DEPTH = 50
_NESTED_DASHES = re.compile(r"(?:[-?] +){50}")


@dataclass(frozen=True, slots=True)
class LineIndex:
    """Where in a file each of its values stands."""

    file: str
    lines: dict[Loc, int] = field(default_factory=dict)

    def line(self, loc: Loc) -> int | None:
        """The line of `loc`, or of the nearest thing around it that is in the file."""
        for end in range(len(loc), -1, -1):
            if loc[:end] in self.lines:
                return self.lines[loc[:end]]
        return None

    def error(self, problem: str, loc: Loc = (), remedy: str | None = None) -> ConfigError:
        """A ConfigError about `loc` of this file."""
        key = ".".join(map(str, loc)) or None
        return ConfigError(problem, file=self.file, line=self.line(loc), key=key, remedy=remedy)

    def check(self, problems: Iterable[Problem]) -> None:
        """Raise one ConfigError for all of `problems`, by line; return when there are none."""
        errors = [self.error(problem.text, problem.loc, problem.remedy) for problem in problems]
        if errors:
            raise combined(sorted(errors, key=lambda error: error.line or 0))


_REFERENCE = re.compile(r"(?<![^\s,\[{:-])([&*])[\w-]")


class _Loader(yaml.SafeLoader):
    """Builds nodes with the core schema of YAML 1.2, in which `off` is a text and 1:30 is no number."""

    yaml_implicit_resolvers = {}  # noqa: RUF012  # PyYAML's own way to leave out YAML 1.1


class _LibyamlLoader(yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader):  # type: ignore[misc]
    """The same in C, ten times as fast."""

    yaml_implicit_resolvers = _Loader.yaml_implicit_resolvers


for _name, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    ("float", r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", list("-+.0123456789")),
    ("float", r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)", list("-+.")),
    ("merge", r"<<", ["<"]),
):
    _Loader.add_implicit_resolver(f"{_TAG}{_name}", re.compile(f"^(?:{_pattern})$"), _first)


def parse(text: str, file: str) -> tuple[Any, LineIndex]:
    """The value of one YAML document and the places of its parts; ConfigError with line for anything else."""
    if len(text) > MAX_CHARACTERS:
        raise too_long(file)
    _bound(text, file)
    places = LineIndex(file)
    try:
        node = _compose(text)
        if node is None:
            raise ConfigError("the file is empty", file=file, remedy="see the examples in configs/")
        return _Builder(places).build(node, (), ()), places
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(error, file) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        problem = f"not YAML: the character {error.character:#x} may not stand in a text"
        raise ConfigError(
            problem, file=file, line=line, remedy="remove it, or save the file as UTF-8"
        ) from None
    except RecursionError:
        raise ConfigError("nested too deeply", file=file, remedy="close the brackets") from None


def _compose(text: str) -> Node | None:
    """The root node. A text that libyaml refuses is read again in Python, whose errors are shown; so is one
    with tabs, which libyaml takes for spaces."""
    if "\t" not in text and not _is_deep(text):
        with suppress(yaml.YAMLError):
            return _node(_LibyamlLoader(text))
    return _node(_Loader(text))


def _node(loader: _Loader | _LibyamlLoader) -> Node | None:
    try:
        node: Node | None = loader.get_single_node()
        return node
    finally:
        loader.dispose()


def _is_deep(text: str) -> bool:
    """Whether brackets or dashes nest so deeply that libyaml would take minutes for the text."""
    depths = accumulate(1 if bracket in "[{" else -1 for bracket in re.findall(r"[\[\]{}]", text))
    return max(depths, default=0) > _FAST_DEPTH or _NESTED_DASHES.search(text) is not None


def _bound(text: str, file: str) -> None:
    """ConfigError for a text that would take long to read: its marks are counted before it is parsed."""
    if text.count(":") > _MAX_VALUES or text.count(",") > _MAX_VALUES or text.count("\n") > _MAX_VALUES:
        raise ConfigError(f"more than {_MAX_VALUES} values", file=file, remedy="split this file")
    for mark, limit, name in (("&", _MAX_ANCHORS, "anchors (&name)"), ("*", _MAX_ALIASES, "aliases (*name)")):
        if sum(char == mark for char in _REFERENCE.findall(text)) > limit:
            problem = f"more than {limit} {name}"
            raise ConfigError(problem, file=file, remedy="write the values out, or generate the file")


def too_long(file: str) -> ConfigError:
    problem = f"longer than {MAX_CHARACTERS:,} characters"
    return ConfigError(problem, file=file, remedy="name a settings file, or split this one")


def _syntax_error(error: yaml.MarkedYAMLError, file: str) -> ConfigError:
    mark = error.problem_mark or error.context_mark
    problem = error.problem or error.context or "cannot be read"
    remedy = "check the indentation, the colons, brackets and quotes here and in the line above"
    if "'\\t'" in problem:
        remedy = "indent with spaces, not with a tab"
    elif "undefined alias" in problem:
        remedy = "put a text that starts with * into quotes"
    elif "another document" in problem:
        remedy = "keep one document in a file: remove the line ---"
    return ConfigError(f"not YAML: {problem}", file=file, line=mark.line + 1 if mark else None, remedy=remedy)


class _Builder:
    """Turns nodes into plain values and notes the line of each."""

    def __init__(self, places: LineIndex) -> None:
        self._places = places
        self._values = 0

    def build(self, node: Node, loc: Loc, above: tuple[Node, ...]) -> Any:
        self._values += 1
        if self._values > _MAX_VALUES:
            raise self._error(node, f"more than {_MAX_VALUES} values", "repeat less with aliases (*name)")
        self._places.lines.setdefault(loc, _line(node))
        if node in above:
            raise self._error(node, "an alias that contains itself", "write the values out")
        if isinstance(node, MappingNode):
            return self._mapping(node, loc, (*above, node))
        if isinstance(node, SequenceNode):
            items = enumerate(node.value)
            return [self.build(item, (*loc, index), (*above, node)) for index, item in items]
        return self._scalar(node)

    def _mapping(self, node: MappingNode, loc: Loc, above: tuple[Node, ...]) -> dict[Any, Any]:
        merged: dict[Any, Any] = {}
        own: dict[Any, Any] = {}
        lines: dict[Any, int] = {}
        for key_node, value_node in node.value:
            if key_node.tag == f"{_TAG}merge":
                for key, value in self._merged(value_node, loc, above).items():
                    merged.setdefault(key, value)
                continue
            if not isinstance(key_node, ScalarNode):
                raise self._error(key_node, "a key has to be a word or a number", "put a text into quotes")
            key = self._scalar(key_node)
            if key in own:
                first = f"it is also in line {lines[key]}"
                raise self._error(key_node, f"{key} stands here twice; {first}", "remove one of them")
            lines[key] = _line(key_node)
            self._places.lines[(*loc, key)] = lines[key]
            own[key] = self.build(value_node, (*loc, key), above)
        return {**merged, **own}

    def _merged(self, node: Node, loc: Loc, above: tuple[Node, ...]) -> Mapping[Any, Any]:
        """What `<<: *base` brings in; of several bases the first wins."""
        bases = node.value if isinstance(node, SequenceNode) else [node]
        values = [self.build(base, loc, above) for base in bases]
        if not all(isinstance(value, Mapping) for value in values):
            raise self._error(node, "`<<` takes in mappings only", "name an anchor of a mapping: <<: *base")
        return {key: value for base in reversed(values) for key, value in base.items()}

    def _scalar(self, node: Node) -> Any:
        kind, text = node.tag.removeprefix(_TAG), str(node.value)
        if kind in ("int", "float") and len(text) > _MAX_DIGITS:
            problem = f"a number of {len(text)} characters; {_MAX_DIGITS} are enough for any"
            raise self._error(node, problem, "put a text into quotes")
        try:
            match kind:
                case "str" | "merge":
                    return text
                case "null":
                    return None
                case "bool":
                    return text.lower() == "true"
                case "int":
                    return int(text, 0 if text.lower().startswith(("0x", "0o")) else 10)
                case "float":
                    return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
        except ValueError:
            raise self._error(node, f"{text[:60]!r} is no {kind}", "put a text into quotes") from None
        raise self._error(
            node, f"the tag {node.tag} has no meaning here", "put a text that starts with ! into quotes"
        )

    def _error(self, node: Node, problem: str, remedy: str) -> ConfigError:
        return ConfigError(problem, file=self._places.file, line=_line(node), remedy=remedy)


def _line(node: Node) -> int:
    return node.start_mark.line + 1
