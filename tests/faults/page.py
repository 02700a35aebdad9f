"""The rows of docs/faults.md: faults of devices and networks, with the simulated faults that act them out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "faults.md"


def rows_of_page() -> Mapping[int, set[str]]:
    """Number of the row -> names of faults."""
    rows = re.findall(r"^\| (\d+) \| (.+?) \| (.+) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    return {int(number): set(re.findall(r"\[`(\w+)`\]\(#\1\)", faults)) for number, _, faults in rows}
