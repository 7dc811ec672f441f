"""python on_two_processes.py ASKED ANSWERED: pickled requests to an engine split over two processes."""

from __future__ import annotations

import os
import pickle
import sys
from pathlib import Path


def main() -> None:
    os.environ |= {"OMP_NUM_THREADS": "1", "VLLM_CPU_KVCACHE_SPACE": "1"}
    from holdfast.config.study import ModelSpec
    from holdfast.models.vllm_engine import VLLM

    asked, scored = pickle.loads(Path(sys.argv[1]).read_bytes())
    spec = ModelSpec(name="miniature", path="package:holdfast.miniature/model", dtype="float32", device="cpu")
    adapters = sorted({r.subject.adapter for r in asked if r.subject.adapter})
    engine = VLLM(spec, adapters, slots=3, tensor_parallel_size=2)
    said = {r.key: (r.text, r.n_tokens, r.finish) for r in engine.generate(asked)}
    logps = {s.key: s.logps for s in engine.score(scored)}
    engine.close()
    Path(sys.argv[2]).write_bytes(pickle.dumps((said, logps)))


if __name__ == "__main__":  # its workers import this file
    main()
