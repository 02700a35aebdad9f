"""Compares the branch coverage of the pure packages with their floors; FILE is of `coverage json`.

python scripts/branch_coverage.py FILE
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

FLOORS = {
    "qilu/contract": 95.0,
    "qilu/modbus": 95.0,
    "gateway/spool": 95.0,
    "gateway/delivery": 95.0,
}
"""Per cent of the branches of a package that its tests take; raise them when more is reached."""


def main(file: str) -> int:
    files = json.loads(Path(file).read_text(encoding="utf-8"))["files"]
    below = 0
    for package, floor in FLOORS.items():
        summaries = [entry["summary"] for name, entry in files.items() if name.startswith(f"{package}/")]
        branches = sum(summary["num_branches"] for summary in summaries)
        covered = sum(summary["covered_branches"] for summary in summaries)
        reached = 100 * covered / branches
        below += reached < floor
        mark = "" if reached >= floor else f"; the floor is {floor:g} %: add tests, or remove dead branches"
        print(f"{package}: {covered} of {branches} branches, {reached:.1f} %{mark}")
    return 1 if below else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
