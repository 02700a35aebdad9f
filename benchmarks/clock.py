"""What a known clock costs: a time of `Epoch.next_ms`, and the tests of a record that is not provisional.

    python -m benchmarks.clock [--records 200000]

Beside them `encode_record` of a poll of 100 values, which every record pays anyway: the shares are of that.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

from gateway.timekeeping.provisional import is_provisional
from qilu.contract.reading import BlockSchema, Origin, Poll, Reading
from qilu.contract.record_codec import encode_record
from qilu.runtime.monotonic_utc import Timebase


def cost(work: Callable[[], object], records: int) -> float:
    """Seconds of CPU of one call, the least of five tries."""
    times = []
    for _ in range(5):
        start = time.process_time()
        for _ in range(records):
            work()
        times.append((time.process_time() - start) / records)
    return min(times)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=200_000)
    records = parser.parse_args().records
    columns = BlockSchema(Origin("edge-1", "press-1", "press"), "fast", tuple(f"p{n}" for n in range(100)))
    poll = Poll(1, (Reading(columns, 1_764_000_000_000, tuple(n * 0.37 for n in range(100))),))
    body = encode_record(poll)
    timebase = Timebase(time.time(), time.monotonic())
    whole = cost(lambda: encode_record(poll), records // 10)
    print(f"{'encode_record, 100 values':34} {whole * 1e6:8.3f} µs")
    for name, work in (
        ("an empty call", lambda: None),
        ("Epoch.next_ms", lambda: timebase.epoch.next_ms("series", time.monotonic())),
        ("is_provisional, twice", lambda: is_provisional(body) or is_provisional(body)),
    ):
        each = cost(work, records)
        print(f"{name:34} {each * 1e6:8.3f} µs  {each / whole:6.1%}")


if __name__ == "__main__":
    main()
