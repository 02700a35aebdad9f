"""All attacks at once by hand, of any length: python -m tests.attacks [--seconds N] [--seed N]."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from tests.attacks.stage import IN_TIME_S, attacked


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=180.0)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="qilu-attacks-") as folder:
        outcome = asyncio.run(attacked(Path(folder), args.seconds, args.seed))
    for line in (
        f"attacks, seed {args.seed}, {args.seconds:g} s: {outcome.attacks}",
        f"{outcome.readings} values of the honest edges, {outcome.in_time:.1%} stored within {IN_TIME_S} s",
        f"audit: code {outcome.audit_code}, missing {outcome.missing}, unexplained {outcome.unexplained}",
        f"the ingester's log names the attacker after {outcome.attacker_named_after_s} s",
    ):
        print(line)  # noqa: T201
    named = outcome.attacker_named_after_s
    lost = outcome.audit_code or outcome.missing or outcome.unexplained
    if outcome.in_time < 0.9 or lost or named is None or named > 60:
        sys.exit("a promise is broken")


if __name__ == "__main__":
    main()
