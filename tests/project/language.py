"""Names and texts of the packages, by their syntax trees, and the words of them that the glossary bans."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path, PurePath
from typing import Literal, NamedTuple

PROJECT = Path(__file__).parents[2]
GLOSSARY = (PROJECT / "GLOSSARY.md").read_text(encoding="utf-8")
PACKAGES = ("gateway", "cloud", "qilu", "qilu_cli", "simulator")
LOG_METHODS = frozenset({"debug", "info", "warning", "error", "exception", "critical", "log", "warn"})
KEY = re.compile(r"[a-z]+(_[a-z0-9]+)+|--[a-z-]+")
TEXT_KEYWORDS = frozenset({"help", "epilog", "remedy"})
ALIAS_KEYWORDS = frozenset({"alias", "validation_alias", "serialization_alias"})

IRREGULAR_PARTICIPLES = frozenset(
    {
        "begun",
        "broken",
        "built",
        "chosen",
        "drawn",
        "felt",
        "found",
        "frozen",
        "given",
        "gone",
        "heard",
        "held",
    }
    | {"hidden", "kept", "known", "learnt", "left", "lost", "made", "meant", "met", "overdue", "said", "seen"}
    | {"sent", "shown", "spent", "spoken", "taken", "taught", "told", "torn", "unknown", "worn", "written"}
)
"""Participles without `-ed`. A form that is a noun, too (`cut`, `read`, `set`), is none of them."""

Kind = Literal["file", "name", "key", "text"]


Pair = tuple[Kind, int, str]


class Term(NamedTuple):
    """One name or one text, and where it stands."""

    kind: Kind
    path: str  # from the top of the project
    line: int
    value: str


class Violation(NamedTuple):
    """A banned word in a term."""

    word: str
    term: Term

    def __str__(self) -> str:
        term = self.term
        return f"{term.path}:{term.line}: {self.word!r} in the {term.kind} {term.value!r}"


@cache
def terms(package: str) -> tuple[Term, ...]:
    """Every name that the package defines and every text that a person may read; each once in a file."""
    return tuple(
        term
        for path in sorted((PROJECT / package).rglob("*.py"))
        for term in terms_of(path.read_text(encoding="utf-8"), path.relative_to(PROJECT))
    )


def terms_of(source: str, path: PurePath) -> list[Term]:
    """The terms of one file."""
    tree = ast.parse(source)
    name = path.parent.name if path.stem == "__init__" else path.stem
    collected: dict[tuple[Kind, str], Term] = {}
    for kind, line, value in (("file", 1, name), *_names(tree), *_keys(tree), *_texts(tree)):
        collected.setdefault((kind, value), Term(kind, path.as_posix(), line, value))
    return list(collected.values())


def _names(tree: ast.Module) -> Iterator[Pair]:
    """Classes, functions, parameters, attributes, constants, locals, loop variables."""
    for node in ast.walk(tree):
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield "name", node.lineno, name
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield "name", node.lineno, name
            case ast.arg(arg=name):
                yield "name", node.lineno, name
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)):
                yield "name", node.lineno, name
            case ast.MatchStar(name=str(name)) | ast.alias(asname=str(name)):
                yield "name", node.lineno, name


def _keys(tree: ast.Module) -> Iterator[Pair]:
    """Words of programs in string literals: keys, metrics, events, reasons, options of the command line.

    A key of one word cannot be told from a word of a text, unless it is an alias or an option.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if KEY.fullmatch(node.value):
                yield "key", node.lineno, node.value
        elif isinstance(node, ast.keyword) and node.arg in ALIAS_KEYWORDS:
            yield from (("key", line, text) for _, line, text in _literals(node.value))


def _texts(tree: ast.Module) -> Iterator[Pair]:
    """Texts of log lines, errors, options, commands and settings."""
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg in TEXT_KEYWORDS:
            yield from _literals(node.value)
        elif isinstance(node, ast.ClassDef) and _is_settings(node):
            for line in node.body:
                if isinstance(line, ast.Expr):
                    yield from _literals(line)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            if _is_command(node):
                yield from _docstring(node)
            yield from _messages(node)


def _messages(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[Pair]:
    """Literals that the function hands to a log or an error, directly or by a local."""
    names = set()
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and (_is_log(node.func) or _is_error(node.func)):
            for argument in (*node.args, *(keyword.value for keyword in node.keywords)):
                yield from _literals(argument)
                names |= {part.id for part in ast.walk(argument) if isinstance(part, ast.Name)}
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id in names for target in node.targets
        ):
            yield from _literals(node.value)


def _docstring(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[Pair]:
    if text := ast.get_docstring(node):
        yield "text", node.lineno, text


def _literals(node: ast.AST) -> Iterator[Pair]:
    for part in ast.walk(node):
        if isinstance(part, ast.Constant) and isinstance(part.value, str) and not KEY.fullmatch(part.value):
            yield "text", part.lineno, part.value


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Call):
        return _last_name(node.func)
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _is_log(function: ast.expr) -> bool:
    if not isinstance(function, ast.Attribute):
        return False
    owner = _last_name(function.value)
    return (function.attr in LOG_METHODS and "log" in owner) or "throttle" in owner or "complain" in owner


def _is_error(function: ast.expr) -> bool:
    name = _last_name(function)
    return name.endswith(("Error", "Problem")) or name in {"invalid", "Exit", "BadParameter"}


def _is_settings(node: ast.ClassDef) -> bool:
    return any(_last_name(base).endswith(("Model", "Settings", "Fault")) for base in node.bases)


def _is_command(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any(_last_name(decorator) in {"command", "callback"} for decorator in node.decorator_list)


def parts(name: str) -> list[str]:
    """The words of an identifier, lower case."""
    spaced = re.sub(r"([a-z0-9])([A-Z])|([A-Z])([A-Z][a-z])", r"\1\3_\2\4", name)
    return [part.lower() for part in re.split(r"[_\-]+", spaced) if part]


class Banned(NamedTuple):
    """The table `Say / never` of the glossary: words, and phrases of several words."""

    everywhere: frozenset[str]
    in_names: frozenset[str]

    def violations(self, term: Term) -> Iterator[Violation]:
        """Each banned word of the term once."""
        if term.kind == "text":
            words, banned = re.findall(r"[a-z]+", term.value.lower()), self.everywhere
        else:
            words, banned = parts(term.value), self.everywhere | self.in_names
        joined = f" {' '.join(words)} "
        yield from (
            Violation(word, term) for word in sorted(banned) if f" {word.replace('-', ' ')} " in joined
        )


@cache
def banned() -> Banned:
    """What the glossary bans."""
    rows = [line.strip("|").split("|") for line in _section("Say / never").splitlines() if line[:1] == "|"]
    columns = [
        frozenset(word.strip() for row in rows[2:] for word in row[column].split(",") if word.strip())
        for column in (1, 2)
    ]
    return Banned(*columns)


def accepted_participles() -> frozenset[str]:
    """Participles that the glossary lists as terms of the field."""
    return frozenset(re.findall(r"`(\w+)`", _section("Accepted participles")))


def _section(title: str) -> str:
    """The text below the heading that begins with the title."""
    return GLOSSARY.split(f"\n## {title}", 1)[1].split("\n## ", 1)[0]


def is_bare_participle(name: str) -> bool:
    """Whether a class or a file has one word, and that one is a participle or a gerund."""
    words = parts(name)
    return len(words) == 1 and _is_participle(words[0])


def _is_participle(word: str) -> bool:
    regular = re.fullmatch(r"[a-z]*[aeiouy][a-z]*(ing|(?<!e)ed)", word) is not None
    return regular or word in IRREGULAR_PARTICIPLES


def bare_participles(package: str, accepted: frozenset[str]) -> list[str]:
    """Classes and module files of the package whose only word is a participle that is no accepted term."""
    bad = []
    for path in sorted((PROJECT / package).rglob("*.py")):
        place = path.relative_to(PROJECT).as_posix()
        if path.stem != "__init__" and is_bare_participle(path.stem) and path.stem not in accepted:
            bad.append(place)
        bad += [
            f"{place}: class {node.name}"
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.ClassDef) and is_bare_participle(node.name)
            if parts(node.name)[0] not in accepted
        ]
    return bad
