"""Where the files of the page are."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path


def page_folder() -> Path | None:
    """The folder of the page's files; None where this installation has none."""
    spec = find_spec("qilu.web")
    places = () if spec is None else spec.submodule_search_locations or ()
    folders = [Path(place) / "page" for place in places]
    return next((folder for folder in folders if folder.is_dir()), None)
