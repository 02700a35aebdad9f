"""Lets the records of an edge that was renamed go out on the topics of its old name."""

from __future__ import annotations

from pathlib import Path

from gateway.spool.edges import ADOPTED, decode_adopted, encode_adopted
from gateway.spool.errors import content, recover_pending
from gateway.spool.exclusive import changing
from qilu.contract.errors import ConfigError


def adopt(directory: Path, edge: str) -> int:
    """Adopt `edge` from the next opening on; returns how many of its records are there.

    UnreachableError while a gateway runs on it, ConfigError when it holds nothing of that edge.
    """
    with changing(directory) as files:
        kept = recover_pending(files).kept
        edges = {stream: origin.edge for stream, origin in kept.origins.items()}
        if edge not in edges.values():
            known = ", ".join(sorted(set(edges.values()))) or "none"
            raise ConfigError(f"holds no records of edge {edge}, but of: {known}", file=directory)
        adopted = decode_adopted(content(files, ADOPTED)) | {edge}
        files.replace(ADOPTED, encode_adopted(adopted))
        files.sync(ADOPTED)
        files.sync_names()
        return sum(len(kept.pending[stream]) for stream, name in edges.items() if name == edge)
