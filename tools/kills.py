"""Studies that are killed at random moments, over the local executor, Ray and Slurm, for as long as one likes.

    python tools/kills.py --minutes 60 --seed 1

Runs the tests that do it (``test_kills.py`` and ``test_slurm.py``), each executor for its share of the time, and says
how many kills there were. A study goes on after each, and must end with the bytes of an undisturbed one, no job done
again that was said to be done, and nothing left running. Slurm is left out where it is not on this machine.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

TESTS = {
    "local": ("slow", "tests/runs/pipeline/test_kills.py"),
    "ray": ("slow", "tests/runs/pipeline/test_kills.py"),
    "slurm": ("slurm", "tests/runs/executors/test_slurm.py"),
}


def main(minutes: float, seed: int, executors: list[str]) -> int:
    failed, total, studies = [], Counter[str](), 0
    for name in executors:
        marked, file = TESTS[name]
        with tempfile.TemporaryDirectory() as scratch:
            counts = Path(scratch) / "counts.jsonl"
            environment = {
                **os.environ,
                "HOLDFAST_KILLS_EXECUTOR": name,
                "HOLDFAST_KILLS_MINUTES": str(minutes / len(executors)),
                "HOLDFAST_KILLS_SEED": str(seed),
                "HOLDFAST_KILLS_TO": str(counts),
            }
            command = [sys.executable, "-m", "pytest", file, "-m", marked, "-k", "random", "-n", "0", "-q", "-rs"]
            if subprocess.run([*command, f"--basetemp={scratch}/pytest"], env=environment).returncode:
                failed.append(name)
            for line in counts.read_text().splitlines() if counts.exists() else ():
                said = json.loads(line)
                total[name] += sum(said["kills"].values())
                studies += said["studies"]
    kills = ", ".join(f"{n:,} of {name}" for name, n in total.items())
    print(
        f"{total.total():,} kills ({kills}) in {studies} studies: "
        + (f"FAILED: {', '.join(failed)}" if failed else "none lost, none done twice, the same bytes")
    )
    return bool(failed)


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--minutes", type=float, default=60.0, help="in all; a study under way is brought to its end")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--executors", nargs="+", choices=TESTS, default=list(TESTS))
    asked = options.parse_args()
    sys.exit(main(asked.minutes, asked.seed, asked.executors))
