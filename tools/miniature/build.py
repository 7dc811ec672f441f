"""Make the tiny model, start to end: pretraining, a fixed grid of alignments, the choice, a folder like any other.

    python -m tools.miniature.build [--out miniature-model] [--seed 0]

The shipped one took 27 minutes on two busy cores.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

import torch

from tools.miniature import align, pretrain

THREADS = 2


def build(out: Path, seed: int = 0, *, pretrained: Path | None = None, log: pretrain.Log = print) -> align.Cell:
    """Build the model of this seed into ``out`` and return the alignment that was chosen.

    ``out`` gets a model in Hugging Face format (bf16) and ``grid.json``, every cell of the grid with its numbers.
    ``pretrained``, a folder that ``pretrain.pretrain`` wrote for the same seed, spares the longer half of the work.
    On one machine, with the same versions, the same seed gives the same bytes; so the threads are fixed here.
    """
    began, threads = time.monotonic(), torch.get_num_threads()
    torch.set_num_threads(THREADS)
    torch.set_flush_denormal(True)
    try:
        with tempfile.TemporaryDirectory() as scratch:
            if pretrained is None:
                pretrained = Path(scratch)
                pretrain.pretrain(pretrained, seed, log)
            chosen, cells = align.align(pretrained, out, seed, log)
    finally:
        torch.set_num_threads(threads)
        torch.set_flush_denormal(False)
    grid = {"seed": seed, "pretraining_tokens": pretrain.TOKENS, "chosen": cells.index(chosen)}
    (out / "grid.json").write_text(json.dumps({**grid, "cells": [asdict(c) for c in cells]}, indent=1) + "\n")
    for file in out.iterdir():
        file.chmod(0o644)  # safetensors writes for its owner alone; a package is read by everybody
    log(align.table(cells, chosen))
    log(f"{time.monotonic() - began:.0f} s")
    return chosen


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("miniature-model"), help="the model folder to write")
    parser.add_argument("--seed", type=int, default=0, help="of data, weights and order")
    args = parser.parse_args()
    build(args.out, args.seed)
