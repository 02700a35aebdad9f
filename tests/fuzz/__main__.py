"""Fuzz by hand, of any length: python -m tests.fuzz [--seed N] [--seconds N] [--store ...] [--target ...]."""

from __future__ import annotations

import argparse
import asyncio
import resource
import tempfile
import time
from pathlib import Path

from tests.fuzz.gateway import fuzzed_control, fuzzed_gateway, growth_kb, resident_kb
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


async def fuzz_process(target: str, seed: int, seconds: float, folder: Path) -> None:
    """Mutants for a gateway or the control port of a simulator, which must live, and answer, all the time."""
    end, sizes = time.monotonic() + seconds, list[int]()
    if target == "gateway":
        async with fuzzed_gateway(folder, seed) as gateway:
            while time.monotonic() < end:
                await gateway.send(500)
                sizes.append(resident_kb(gateway.gateway))
            reported, mutants = gateway.gateway.output(), gateway.mutants
    else:
        with fuzzed_control(folder, seed) as control:
            while time.monotonic() < end:
                control.send(500)
                sizes.append(resident_kb(control.simulator))
                assert control.answers(), "a sound request is not served any more"
            reported, mutants = control.simulator.output(), control.mutants
    assert "Traceback" not in reported, reported[-3000:]
    print(  # noqa: T201
        f"{target}, seed {seed}: {mutants} mutants, it lives; {sizes[-1]} kB,"
        f" {growth_kb(sizes)} kB more than when it was warm"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--store", choices=[*KINDS, "all"], default="all")
    parser.add_argument("--target", choices=["store", "gateway", "control"], default="store")
    args = parser.parse_args()
    if args.target != "store":
        with tempfile.TemporaryDirectory(prefix="qilu-fuzz-") as folder:
            asyncio.run(fuzz_process(args.target, args.seed, args.seconds, Path(folder)))
        return
    kinds = KINDS if args.store == "all" else (args.store,)
    for kind in kinds:
        asyncio.run(fuzz(kind, args.seed, args.seconds / len(kinds)))


if __name__ == "__main__":
    main()
