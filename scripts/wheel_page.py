"""Build hook of hatchling: a wheel without the libraries of the page is not built; an editable install is."""

import re
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PAGE = Path("qilu/web/page")


class PageHook(BuildHookInterface[Any]):
    """Adds the libraries that scripts/fetch-page-packages brought: they are in no commit."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Raise RuntimeError where index.html names a file that is not there."""
        if version == "editable":
            return
        page = Path(self.root) / PAGE
        named = re.findall(r"\./(packages/[^\"']+)", (page / "index.html").read_text(encoding="utf-8"))
        missing = sorted({name for name in named if not (page / name).is_file()})
        if missing:
            raise RuntimeError(
                f"{PAGE}: {', '.join(missing)} missing, so the wheel would carry no page: "
                "run scripts/fetch-page-packages, which needs a reachable npm registry"
            )
        build_data["artifacts"].append(f"/{PAGE}/packages/*")
