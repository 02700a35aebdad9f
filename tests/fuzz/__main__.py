"""Fuzz by hand, of any length: python -m tests.fuzz [--seed N] [--seconds N | --mutants N] [--target ...].

`--target store` (the default) sends mutants into stores within this process. `ingester`, `gateway` and
`control` send them to a process of its own, which has to live, to serve sound requests, and not to grow: by
MAX_GROWTH_KB at most beyond the memory that it had when a quarter of the mutants had been sent.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.gateway import MAX_GROWTH_KB, fuzzed_control, fuzzed_gateway, growth_kb, resident_kb
from tests.fuzz.ingester import fuzzed_ingester
from tests.fuzz.stores import KINDS, fuzzing
from tests.system.programs import Qilu

STEP = 500
"""Mutants between two looks at a process."""


@dataclass(frozen=True, slots=True)
class Extent:
    """How long a run is: so many seconds, or so many mutants where they are given."""

    seconds: float
    mutants: int | None = None

    def steps(self) -> Iterator[int]:
        """Mutants to send in each step."""
        end, sent = time.monotonic() + self.seconds, 0
        while sent < self.mutants if self.mutants is not None else time.monotonic() < end:
            step = STEP if self.mutants is None else min(STEP, self.mutants - sent)
            sent += step
            yield step


async def fuzz(kind: str, seed: int, extent: Extent) -> None:
    """Mutants into one store; the seed is told, so that a failure can be seen again."""
    with tempfile.TemporaryDirectory(prefix="qilu-fuzz-") as folder:
        async with fuzzing(kind, Path(folder), seed) as stage:
            try:
                for step in extent.steps():
                    for _ in range(0, step, 50):
                        await stage.fuzz.send(50)
                    await stage.ask()
            finally:
                peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
                sent, refused = stage.fuzz.mutants, stage.fuzz.refused
                print(  # noqa: T201
                    f"{kind}, seed {seed}: {sent} mutants, {refused} messages or records refused,"
                    f" {stage.fuzz.honest} sound records stored, {peak} MB at most"
                )


async def fuzz_process(target: str, seed: int, extent: Extent, folder: Path) -> None:
    """Mutants for a process, which must live, serve sound requests all the time, and not grow."""
    sent, sizes = 0, list[int]()
    async with AsyncExitStack() as stack:
        process, send, serves = await _opened(target, seed, folder, stack)
        for step in extent.steps():
            await send(step)
            assert await serves(), f"{target}: a sound request is not served any more after {sent} mutants"
            sizes.append(resident_kb(process))
            sent += step
        output = process.output()
    grown = growth_kb(sizes)
    print(  # noqa: T201
        f"{target}, seed {seed}: {sent} mutants, it lives; resident {sizes[0]} kB after {STEP},"
        f" {sizes[len(sizes) // 4]} kB after a quarter, {sizes[-1]} kB at the end: grown by {grown} kB"
        f" since the quarter (at most {MAX_GROWTH_KB})"
    )
    assert "Traceback" not in output, output[-3000:]
    assert grown <= MAX_GROWTH_KB, f"{target}: grown by {grown} kB"


async def _opened(
    target: str, seed: int, folder: Path, stack: AsyncExitStack
) -> tuple[Qilu, Callable[[int], Awaitable[None]], Callable[[], Awaitable[bool]]]:
    """The process, what sends it mutants, and what finds out whether it serves."""
    if target == "ingester":
        ingester = await stack.enter_async_context(fuzzed_ingester(folder, seed))
        return ingester.ingester, ingester.send, ingester.acknowledges
    if target == "gateway":
        gateway = await stack.enter_async_context(fuzzed_gateway(folder, seed))
        return gateway.gateway, gateway.send, gateway.publishes
    control = stack.enter_context(fuzzed_control(folder, seed))

    async def send(mutants: int) -> None:
        await asyncio.to_thread(control.send, mutants)

    async def serves() -> bool:
        return await asyncio.to_thread(control.answers)

    return control.simulator, send, serves


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--mutants", type=int, help="end after so many, however long they take")
    parser.add_argument("--store", choices=[*KINDS, "all"], default="all")
    parser.add_argument("--target", choices=["store", "ingester", "gateway", "control"], default="store")
    args = parser.parse_args()
    if args.target != "store":
        extent = Extent(args.seconds, args.mutants)
        with tempfile.TemporaryDirectory(prefix="qilu-fuzz-") as folder:
            asyncio.run(fuzz_process(args.target, args.seed, extent, Path(folder)))
        return
    kinds = KINDS if args.store == "all" else (args.store,)
    for kind in kinds:
        asyncio.run(fuzz(kind, args.seed, Extent(args.seconds / len(kinds), args.mutants)))


if __name__ == "__main__":
    main()
