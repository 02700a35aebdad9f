"""The table of every uid that was ever published: dashboards of the set and of shipped profiles, and rules.

Grafana keeps a provisioned rule that vanishes from its file until the file names it under `deleteRules`, so a
uid is never taken out of the table: it becomes `retired`, and every file of rules deletes it.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

FILE = Path(__file__).with_name("published-uids.csv")


@dataclass(frozen=True, slots=True)
class PublishedUid:
    kind: Literal["dashboard", "rule"]
    uid: str
    state: Literal["used", "retired"]


def published_uids(file: Path = FILE) -> Iterator[PublishedUid]:
    """All uids, in the order of the file."""
    with file.open(encoding="utf-8", newline="") as lines:
        for kind, uid, state in list(csv.reader(lines))[1:]:
            yield PublishedUid(kind, uid, state)  # type: ignore[arg-type]


def retired_rules() -> Sequence[str]:
    return [entry.uid for entry in published_uids() if entry.kind == "rule" and entry.state == "retired"]
