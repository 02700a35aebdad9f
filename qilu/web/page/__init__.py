"""The page of a console: where its files are, and which libraries it needs that are in no commit."""

import re
from pathlib import Path

FOLDER = Path(__file__).parent
"""All addresses are relative to the document: the page works below any prefix that ends with a slash."""

INDEX = "index.html"
PLAIN = "plain.html"
"""The page while libraries are missing: the sentence, and the command that brings them."""

_PACKAGE = re.compile(r"\./(packages/[^\"']+)")


def named_packages(index: str) -> set[str]:
    """The files of libraries that the index names, as paths below its folder."""
    return set(_PACKAGE.findall(index))


def missing_packages() -> list[str]:
    """The libraries that are not there; `make page` fetches them. Reads the disk."""
    named = named_packages((FOLDER / INDEX).read_text(encoding="utf-8"))
    return sorted(name for name in named if not (FOLDER / name).is_file())
