"""Fuzz by hand, of any length: python -m tests.fuzz [--seed N] [--seconds N] [--store sqlite ...]."""

from __future__ import annotations

import argparse
import asyncio
import resource
import tempfile
import time
from pathlib import Path

from tests.fuzz.stores import KINDS, fuzzing


async def fuzz(kind: str, seed: int, seconds: float) -> None:
    """Mutants into one store for so long; the seed is told, so that a failure can be seen again."""
    end = time.monotonic() + seconds
    with tempfile.TemporaryDirectory(prefix="qilu-fuzz-") as folder:
        async with fuzzing(kind, Path(folder), seed) as stage:
            try:
                while time.monotonic() < end:
                    for _ in range(20):
                        await stage.fuzz.send(50)
                    await stage.ask()
            finally:
                peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
                sent, refused = stage.fuzz.mutants, stage.fuzz.refused
                print(  # noqa: T201
                    f"{kind}, seed {seed}: {sent} mutants, {refused} messages or records refused,"
                    f" {stage.fuzz.honest} sound records stored, {peak} MB at most"
                )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--store", choices=[*KINDS, "all"], default="all")
    args = parser.parse_args()
    kinds = KINDS if args.store == "all" else (args.store,)
    for kind in kinds:
        asyncio.run(fuzz(kind, args.seed, args.seconds / len(kinds)))


if __name__ == "__main__":
    main()
