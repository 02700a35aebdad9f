"""A name between backticks in a docstring is a name of its file, so that a rename cannot leave it behind."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.project.language import PACKAGES, PROJECT

NAME = re.compile(r"`([a-z_][a-z0-9_]*)`")
ELSEWHERE = frozenset(
    {"acked_retention", "block", "internal_error", "retry_after", "serve_counter", "start", "type"}
    | {"build", "collection", "extra", "nohup", "response_data", "struct", "write"}
)
"""Names that a docstring uses of another file: keys, reasons, points, commands, functions of a neighbour."""


@pytest.mark.parametrize("package", PACKAGES)
def test_a_docstring_names_what_its_file_has(package: str) -> None:
    stale = [
        f"{path.relative_to(PROJECT)}:{line}: `{name}`"
        for path in sorted((PROJECT / package).rglob("*.py"))
        for line, name in _stale(path.read_text(encoding="utf-8"), path)
    ]
    assert stale == []


def _stale(source: str, path: Path) -> Iterator[tuple[int, str]]:
    tree = ast.parse(source)
    words = _words(tree) | set(path.with_suffix("").parts)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (text := ast.get_docstring(node)):
            yield from ((node.lineno, name) for name in NAME.findall(text) if name not in words | ELSEWHERE)


def _words(tree: ast.Module) -> set[str]:
    """Every identifier of a file, and every word of its texts that are no docstrings."""
    documents = {
        id(statement.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        for statement in node.body
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    }
    words: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case (
                ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name) | ast.keyword(arg=str(name))
            ):
                words.add(name)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                words.add(name)
            case ast.alias(name=name, asname=other):
                words |= {*name.split("."), other or name}
            case ast.Constant(value=str(text)) if id(node) not in documents:
                words |= set(re.findall(r"[a-z_][a-z0-9_]*", text))
    return words
