"""A campaign by hand, of any length: python -m tests.campaign [--seed N] [--seconds N] [--store ...]."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import tempfile
from pathlib import Path

from tests.campaign.campaign import Plan, campaign


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=180.0)
    parser.add_argument("--store", choices=["victoriametrics", "sqlite"], default="victoriametrics")
    parser.add_argument("--ingesters", type=int, default=2, help="with sqlite: 1")
    parser.add_argument("--plot", choices=["everything", "sharing"], default="everything")
    args = parser.parse_args()
    ingesters = 1 if args.store == "sqlite" else args.ingesters
    plan = Plan(args.seed, args.seconds, args.store, ingesters, args.plot)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # end in good order, and the servers with us
    folder = Path(tempfile.mkdtemp(prefix="qilu-campaign-"))
    outcome = asyncio.run(campaign(plan, folder, lambda text: print(text, flush=True)))  # noqa: T201
    if outcome.findings:
        sys.exit(f"see {folder}")


if __name__ == "__main__":
    main()
