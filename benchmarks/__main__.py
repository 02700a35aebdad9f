"""Runs the benchmarks: the whole road by default, or those that are named.

python -m benchmarks [NAME ...]
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def main() -> None:
    known = sorted(file.stem for file in Path(__file__).parent.glob("[a-z]*.py"))
    names = sys.argv[1:] or ["road"]
    for name in names:
        if name not in known:
            sys.exit(f"no benchmark {name}; there are: {', '.join(known)}, each with --help")
        print(f"--- {name}")
        subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=True)


if __name__ == "__main__":
    main()
