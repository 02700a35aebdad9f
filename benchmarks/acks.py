"""What the signature of an acknowledgement costs a gateway and an ingester.

    python -m benchmarks.acks [--rounds 20000]

An ingester acknowledges an edge at most 20 times a second, so the cost of one gives the share of a gateway.
That is the gateway of `benchmarks.road`, which needs CPU_PER_MILLION for a million points.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from cloud.ingester import ACK_INTERVAL_S
from cloud.signer import Signer
from gateway.sinks.ack_verifier import AckVerifier
from qilu.contract.ack_signature import derive_key
from qilu.contract.messages import Ack, decode_ack, encode_ack
from qilu.contract.ranges import IntervalSet

STORE, EDGE, MASTER = "plant-store", "edge-1", "master"
POINTS_PER_S = 10_000
CPU_PER_MILLION = 2.45
"""CPU-seconds, docs/benchmarks.md."""


def cost_us(work: Callable[[], object], rounds: int) -> float:
    """CPU of one call, in microseconds."""
    started = time.process_time()
    for _ in range(rounds):
        work()
    return (time.process_time() - started) / rounds * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description="What the signature of an acknowledgement costs.")
    parser.add_argument("--rounds", type=int, default=20_000)
    rounds = parser.parse_args().rounds
    signer = Signer(MASTER, STORE)
    with TemporaryDirectory() as folder:
        file = Path(folder) / "key"
        file.write_text(derive_key(MASTER, STORE, EDGE))
        verifier = AckVerifier({STORE: file}, lambda: 0, time.monotonic)
        verifier.read_keys()
    for runs in (2, 200):
        offsets = IntervalSet((2 * number, 2 * number) for number in range(runs))
        plain = encode_ack(Ack(STORE, "ingester-1", 7, durable=offsets))
        signed, ack = signer(plain, EDGE), decode_ack(plain)
        assert verifier.problem(signed, ack, EDGE) is None
        decoding = cost_us(lambda plain=plain: decode_ack(plain), rounds)  # type: ignore[misc]
        checking = cost_us(lambda signed=signed, ack=ack: verifier.problem(signed, ack, EDGE), rounds)  # type: ignore[misc]
        signing = cost_us(lambda plain=plain: signer(plain, EDGE), rounds)  # type: ignore[misc]
        share = checking * 1e-6 / ACK_INTERVAL_S / (POINTS_PER_S * CPU_PER_MILLION / 1e6)
        print(
            f"{runs:>4} runs of offsets: decode {decoding:.1f} us, verify {checking:.1f} us,"
            f" sign {signing:.1f} us; verifying is {100 * share:.2f} % of a gateway"
        )


if __name__ == "__main__":
    main()
