"""What it costs to confirm that VictoriaMetrics has kept what it took: a share of the ingester's CPU.

    python -m benchmarks.kept [--devices 100] [--seconds 150] [--rounds 3]

`--devices` machines of 100 points send once a second. An ingester's CPU for them is that of its link (an
ingester with a store that keeps nothing: decoding and acknowledging are in it), that of writing, and that of
confirming: marks, traces, and the questions three times a horizon. It is printed what part of the three the
last one is, in each round: with counters of dropped rows (the rule), for a server without them (one series of
each column set once a horizon), while they rise (the samples of every reading are counted), and while one
sample of every reading is dropped (all are in doubt, asked about again and deferred). The first confirmation,
in which all series are new, is once an hour and not in it.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median

from benchmarks.ingester import messages, publish, run_ingester
from benchmarks.stores import POINTS, polls
from cloud.acks import StreamKey
from cloud.maturity import ConfirmationQueue
from qilu.contract.record_codec import decode_record, encode_record
from qilu.stores.confirmation import Write, traces
from qilu.stores.influx.writer import InfluxStore
from qilu.stores.settings import InfluxSettings
from tests.servers import VictoriaMetrics, find
from tests.servers.mosquitto import Mosquitto
from tests.servers.victoria_metrics import FLAGS

QUESTIONS = 3
"""In a horizon, as the ingester asks."""
RECORDS = 10
"""Records of one message."""
_DROP_ONE_POINT = "- action: drop\n  source_labels: [point]\n  regex: point_99\n"
_LINK_S = 20.0
"""Seconds for which the link is measured."""


class Clock:
    """Seconds of the plant, which pass as fast as its records are written."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class StoreWithoutCounters(InfluxStore):
    """As an older server, which does not count what it drops."""

    async def _ask_mark(self) -> None:
        await super()._ask_mark()
        self._mark = replace(self._mark, dropped=None)


class StoreAtItsLimit(InfluxStore):
    """As a server that drops rows all the time."""

    async def _ask_mark(self) -> None:
        dropped = self._mark.dropped or 0
        await super()._ask_mark()
        self._mark = replace(self._mark, dropped=dropped + 1)


async def confirming(
    kind: type[InfluxStore], server: VictoriaMetrics, records: Sequence[bytes], devices: int
) -> tuple[float, float, float]:
    """CPU-seconds for a second of the plant: of writing, of confirming, and of the first confirmation."""
    settings = InfluxSettings(type="influx", server="victoriametrics", url=server.url, timeout=60)
    clock = Clock()
    work = confirm = first = 0.0
    async with kind(settings, monotonic=clock) as store:
        pending = ConfirmationQueue(store.durability_delay)
        asked_at = 0.0
        await store.mark()  # the first one greets the server
        for at in range(0, len(records), devices):
            clock.now += 1
            batch = [decode_record(record) for record in records[at : at + devices]]
            begin = time.process_time()
            mark = await store.mark()
            marked = time.process_time()
            assert not await store.write(batch)
            worked = time.process_time()
            names = [(StreamKey("edge-1", 1), offset) for offset in range(at, at + len(batch))]
            pending.add(Write(mark, traces(batch)), names, clock.now)
            confirm += marked - begin + time.process_time() - worked
            work += worked - marked
            if clock.now - asked_at < store.durability_delay / QUESTIONS:
                continue
            asked_at = clock.now
            if asked := pending.take_due(clock.now):
                if not first or kind is not InfluxStore:  # something is read back
                    await asyncio.sleep(1.5)
                    await asyncio.to_thread(server.flush)
                begin = time.process_time()
                confirmations = await store.confirm([each.write for each in asked])
                pending.settle(asked, confirmations, clock.now)
                took = time.process_time() - begin
                first, confirm = (first, confirm + took) if first else (took, confirm)
    return work / clock.now, confirm / clock.now, first


def served(directory: Path, rules: str) -> VictoriaMetrics:
    """A server with these rules of relabelling."""
    if not rules:
        return VictoriaMetrics(directory)
    file = directory / "rules.yml"
    file.write_text(rules)
    return VictoriaMetrics(directory, flags=(*FLAGS, f"-relabelConfig={file}"))


def link(directory: Path, devices: int, pause: float) -> float:
    """CPU-seconds of an ingester with no store, for the records of one second."""
    spawn = multiprocessing.get_context("spawn")
    count = max(round(_LINK_S / pause), 1)
    with Mosquitto(directory) as broker:
        here, there = spawn.Pipe()
        child = spawn.Process(
            target=run_ingester, args=(broker.port, None, count * RECORDS, there), daemon=True
        )
        child.start()
        here.recv()
        asyncio.run(publish(broker.port, messages(count, RECORDS), pause))
        cpu, *_ = here.recv()
        child.join()
    return float(cpu) / count / RECORDS * devices


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--devices", type=int, default=100)
    parser.add_argument("--seconds", type=int, default=150)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    if find("victoria-metrics") is None or find("mosquitto") is None:
        print("victoria-metrics or mosquitto: not on this machine, `make servers` fetches them")
        return
    kinds: dict[str, tuple[type[InfluxStore], str]] = {
        "with counters": (InfluxStore, ""),
        "without counters": (StoreWithoutCounters, ""),
        "counters rise": (StoreAtItsLimit, ""),
        "rows are dropped": (StoreAtItsLimit, _DROP_ONE_POINT),
    }
    shares: dict[str, list[float]] = {what: [] for what in kinds}
    for number in range(args.rounds):
        with tempfile.TemporaryDirectory() as name:
            linked = link(Path(name), args.devices, RECORDS / args.devices)
        print(f"round {number + 1}: link {linked * 1000:.1f} ms/s")
        for what, (kind, rules) in kinds.items():
            records = [encode_record(poll) for poll in polls(args.devices * args.seconds, args.devices)]
            with tempfile.TemporaryDirectory() as name, served(Path(name), rules) as server:
                work, confirm, first = asyncio.run(confirming(kind, server, records, args.devices))
            shares[what].append(confirm / (linked + work + confirm))
            print(
                f"    {what:16}  write {work * 1000:.1f}, confirm {confirm * 1000:.2f} ms/s:"
                f" {shares[what][-1]:.1%}; all series new: {first * 1000:.0f} ms"
            )
    print(f"{args.devices * POINTS} points/s, share of the ingester's CPU, median (highest):")
    for what, of_rounds in shares.items():
        print(f"    {what:16}  {median(of_rounds):6.1%} ({max(of_rounds):.1%})")


if __name__ == "__main__":
    main()
