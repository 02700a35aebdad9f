"""The files of a page: a fixed list, so that no path of a request is ever a path of the disk."""

from __future__ import annotations

import gzip
import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from qilu.web.headers import import_map_hash
from qilu.web.page import INDEX, PLAIN, named_packages

_log = logging.getLogger(__name__)
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
    ".webmanifest": "application/manifest+json",
    ".txt": "text/plain; charset=utf-8",
}
_COMPRESSED = frozenset((".html", ".css", ".js", ".mjs", ".json", ".svg", ".txt"))
MAX_FILES = 500
MAX_BYTES = 8_000_000

NO_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Qilu</title>
<h1>Qilu runs; its page is not installed</h1>
<p>Run <code>make</code> in the project's folder to install the page, or install the wheel.</p>
<p lang="zh">Qilu 正在运行，但网页未安装：请在项目目录运行 <code>make</code>，或安装发布的 wheel 包。</p>
<p><a href="api/v1/info">api/v1/info</a> &middot; <a href="metrics">metrics</a>
&middot; <a href="healthz">healthz</a> &middot; <a href="readyz">readyz</a></p>
</html>
""".encode()


@dataclass(frozen=True, slots=True)
class PageFile:
    """One file, as it is sent."""

    content: bytes
    compressed: bytes | None
    """With gzip; None where that saves nothing."""
    content_type: str
    tag: str
    """Changes with the content (ETag)."""


@dataclass(frozen=True, slots=True)
class PageFiles:
    """All files of a page by their path, such as `css/page.css`."""

    files: Mapping[str, PageFile]
    allowed_script: str | None
    """The hash of the import map, for the policy of content."""

    def find(self, path: str) -> PageFile | None:
        """The file of a decoded path without its first slash; the empty path is the index."""
        return self.files.get(path or INDEX)


def read_page(folder: Path | None) -> PageFiles:
    """The files of a folder; where it or libraries of it are missing, a plain page that names the command.

    Reads the disk. Links, hidden files and files of other types are left out; so is what exceeds MAX_FILES
    or MAX_BYTES.
    """
    files: dict[str, PageFile] = {}
    size = 0
    for path in sorted(folder.rglob("*")) if folder is not None else ():
        relative = path.relative_to(folder) if folder is not None else path
        if path.suffix not in _TYPES or path.is_symlink() or not path.is_file():
            continue
        if any(part.startswith((".", "_")) for part in relative.parts):
            continue
        content = path.read_bytes()
        size += len(content)
        if len(files) >= MAX_FILES or size > MAX_BYTES:
            _log.warning("%s: the page has too many files; %s and the rest are left out", folder, relative)
            break
        files[relative.as_posix()] = page_file(content, path.suffix)
    if INDEX not in files:
        files[INDEX] = page_file(NO_PAGE, ".html")
    elif missing := sorted(named_packages(files[INDEX].content.decode()) - files.keys()):
        _log.warning(
            "%s: %s is missing: a plain status page is served; run `make page` and start again",
            folder, missing[0],
        )  # fmt: skip
        files[INDEX] = files.get(PLAIN, page_file(NO_PAGE, ".html"))
    return PageFiles(files, import_map_hash(files[INDEX].content))


def page_file(content: bytes, suffix: str) -> PageFile:
    """A file of this content, compressed where that pays."""
    compressed = gzip.compress(content, 6, mtime=0) if suffix in _COMPRESSED and len(content) > 500 else None
    tag = hashlib.sha256(content).hexdigest()[:24]
    return PageFile(content, compressed, _TYPES[suffix], f'"{tag}"')
