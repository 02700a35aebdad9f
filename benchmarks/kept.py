"""What it costs to confirm that VictoriaMetrics has kept what it took: a share of the ingester's CPU.

    python -m benchmarks.kept [--devices 100] [--seconds 60]

`--devices` machines of 100 points send once a second. `work` is the CPU of decoding and writing their records
(the link is not in it), `mark` that of reading /metrics every 5 s, `traces` that of keeping what was written,
`confirm` that of a round every 5 s: with all series new, with none (the rule), for a server without counters
(one series in each column set every 30 s), and of every sample (while the counters rise).
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.stores import POINTS, polls
from qilu.contract.record_codec import decode_record, encode_record
from qilu.stores.confirmation import Mark, Write, traces
from qilu.stores.influx.http import Http
from qilu.stores.influx.victoria_confirmation import WriteVerifier
from qilu.stores.influx.writer import InfluxStore
from qilu.stores.settings import InfluxSettings
from tests.servers import VictoriaMetrics, find

ROUND = 5
"""Seconds of the plant between two rounds of confirmation."""


@dataclass
class Cpu:
    """Seconds of this process."""

    work: float = 0.0
    mark: float = 0.0
    traces: float = 0.0


async def measure(server: VictoriaMetrics, records: Sequence[bytes], devices: int) -> None:
    """Write a second at a time, confirm each round in four ways, and print the shares."""
    settings = InfluxSettings(type="influx", server="victoriametrics", url=server.url, timeout=60)
    now, cpu, writes = 0.0, Cpu(), list[Write]()
    async with InfluxStore(settings, monotonic=lambda: now) as store:
        mark = await store.mark()
        for at in range(0, len(records), devices):
            now += 1.0
            start = time.process_time()
            mark = await store.mark()
            marked = time.process_time()
            batch = [decode_record(record) for record in records[at : at + devices]]
            assert not await store.write(batch)
            worked = time.process_time()
            writes.append(Write(mark, [traces(poll) for poll in batch]))
            cpu.mark += marked - start
            cpu.work += worked - marked
            cpu.traces += time.process_time() - worked
        await asyncio.sleep(1.5)
        await asyncio.to_thread(server.flush)
        seconds = len(writes)
        print(
            f"{devices * POINTS} points/s: work {cpu.work / seconds * 1000:.2f} ms/s,"
            f" mark {cpu.mark / cpu.work:.1%} of that, traces {cpu.traces / cpu.work:.1%}"
        )
        rounds = [writes[at : at + ROUND] for at in range(0, seconds, ROUND)]
        per_round = cpu.work / len(rounds)
        every = [[replace(write, every_sample=True) for write in round_writes] for round_writes in rounds[1:]]
        async with Http(settings) as http:
            kept = WriteVerifier(http, server.url, store.durability_delay, lambda: now)
            new = await confirm(kept, rounds[:1], mark)
            print(f"confirm, all series are new          {new / per_round:7.1%} of one round, once an hour")
            share = await confirm(kept, rounds[1:], mark) / len(every) / per_round
            print(f"confirm, nothing to read back        {share:7.1%}")
            start = time.process_time()
            for number, round_writes in enumerate(rounds[1:]):
                now = 1e6 + number * ROUND
                await kept.confirm(round_writes, replace(mark, dropped=None))
            share = (time.process_time() - start) / len(every) / per_round
            print(f"confirm, no counters of dropped rows {share:7.1%}")
            share = await confirm(kept, every, mark) / len(every) / per_round
            print(f"confirm, every sample                {share:7.1%}")


async def confirm(kept: WriteVerifier, rounds: Sequence[Sequence[Write]], mark: Mark) -> float:
    """CPU of confirming these rounds, all of which must be found kept."""
    start = time.process_time()
    for round_writes in rounds:
        assert not any(result.doubtful for result in await kept.confirm(round_writes, mark))
    return time.process_time() - start


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--devices", type=int, default=100)
    parser.add_argument("--seconds", type=int, default=60)
    args = parser.parse_args()
    if find("victoria-metrics") is None:
        print("victoria-metrics: not on this machine, `make servers` fetches it")
        return
    records = [encode_record(poll) for poll in polls(args.devices * args.seconds, args.devices)]
    with tempfile.TemporaryDirectory() as name, VictoriaMetrics(Path(name)) as server:
        asyncio.run(measure(server, records, args.devices))


if __name__ == "__main__":
    main()
