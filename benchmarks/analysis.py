"""What the crossed bootstrap costs: 10,000 draws of prompts and seeds for 100 subjects × 10,000 records.

    python benchmarks/analysis.py [--draws N] [--threads N]

Time and peak memory (``getrusage``) of a process that holds the table of a million rows, makes scores of it and
resamples them; beside it, per draw, the plain way: gathering the drawn prompts from the array of answers.
"""

from __future__ import annotations

import argparse
import os
import resource
import time


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=10_000)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(args.threads)
    print("| prompts × attacks | table → scores, s | draws, s | per draw, ms | plain, per draw, ms | peak, MiB |")
    print("|---|---|---|---|---|---|")
    for prompts, attacks in ((2000, 5), (10_000, 1)):
        pid = os.fork()  # a process each, so that the peak is its own
        if not pid:
            print(_line(prompts, attacks, args.draws), flush=True)
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0, "the measured process failed"


def _line(prompts: int, attacks: int, draws: int) -> str:
    import numpy as np

    from holdfast import rng
    from holdfast.analysis.cube import places_of
    from holdfast.analysis.metrics import Metric
    from holdfast.evals.measures.measure import Summary
    from holdfast.stats.bootstrap import percentile, resample

    frame = _frame(prompts, attacks)
    began = time.perf_counter()
    places = places_of(frame, Summary("asr", by="attack"))
    scores = places.cube(Metric("asr", frame["score"].to_numpy(), "share", (0.0, 1.0)))
    made = time.perf_counter()
    weights = np.ones(attacks) / attacks
    drawn = resample(scores.values, weights, draws, rng.generator("benchmark"))
    against = np.eye(len(scores.who))[1:] - np.eye(len(scores.who))[0]
    low, high = percentile(drawn @ against.T)
    done = time.perf_counter()
    assert (low < high).all()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    few, y, random = 10, scores.values, np.random.default_rng(0)
    start = time.perf_counter()
    for _ in range(few):
        picked = y[:, random.integers(0, 3, 3)][:, :, random.integers(0, prompts, prompts)]
        (np.nanmean(picked, axis=2) @ weights).mean(axis=1)
    plain = (time.perf_counter() - start) / few
    took = done - made
    return (
        f"| {prompts} × {attacks} | {made - began:.1f} | {took:.1f} | {1000 * took / draws:.2f} | {1000 * plain:.1f} "
        f"| {peak:.0f} |"
    )


def _frame(prompts: int, attacks: int):  # type: ignore[no-untyped-def]
    """33 conditions × 3 seeds and the base model, each asked everything once: as ``load_records`` has it."""
    import numpy as np
    import pandas as pd

    who = [("base", -1), *((f"c{k:02d}", s) for k in range(33) for s in range(3))]
    subject, item, attack = (a.ravel() for a in np.indices((len(who), prompts, attacks)))
    labels, seeds = np.array([w[0] for w in who], dtype=object), np.array([w[1] for w in who])
    items = np.array([f"i{k:05d}" for k in range(prompts)], dtype=object)
    score = (np.random.default_rng(0).random(len(item)) < 0.1).astype(float)
    score[::97] = np.nan
    frame = pd.DataFrame({"label": labels[subject], "seed": seeds[subject], "item": items[item], "score": score})
    same = {"model": "m", "task": "t", "objective": "sft", "budget": 1, "bracket": "", "format": "default"}
    return frame.assign(attack=np.array([f"a{k}" for k in range(attacks)], dtype=object)[attack], **same)


if __name__ == "__main__":
    main()
