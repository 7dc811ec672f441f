"""How fast this machine is with a study's model: what ``plan --probe`` has a worker do."""

from __future__ import annotations

import time

from holdfast import registry
from holdfast.config import loading
from holdfast.runs import sizes
from holdfast.runs.costs import products
from holdfast.runs.jobs import Report, base_subject, eval_configs
from holdfast.runs.materials import Materials
from holdfast.types import Request, Sampling

PROBED, ALIKE, FEW = 32, 8, 16  # prompts of a probe, how many of them at once, and the tokens of an answer


def probe(report: Report, text: str) -> None:
    """Time a step of training, a batch of prompts and a few tokens of answers, on a study's first model; reports FLOP/s
    by the formula of ``costs``."""
    from holdfast.models.backend import InProcess
    from holdfast.models.network import load
    from holdfast.training.prepared import timed_step

    materials = Materials(loading.parse(text), plan=True)
    study, model, task = materials.study, materials.study.models[0].name, materials.study.tasks[0].name
    backend = InProcess(load(materials.speakers[model], threads=1))
    operations = 2 * sizes.measured(materials.path(model), study.controls.lora.targets).parameters
    rows = materials.usable(model, task).rows[: study.controls.batch_rows]
    sft = registry.build("objectives", "sft", {})
    tokens, seconds, again = timed_step(backend.network, sft, rows, study.controls)
    trained = products(study.controls, again) * operations * tokens / seconds

    prompts = [p.turns for c in eval_configs(materials) for i in c.items for p in c.prompts_for(i) if p.turns]
    some = [prompts[k * len(prompts) // PROBED] for k in range(PROBED)]  # of all measures
    some.sort(key=lambda turns: materials.prompt_tokens(model, turns))
    base = base_subject(materials, model)

    def answered(at_once: int, most: int) -> tuple[float, int]:
        """Seconds and tokens."""
        began, tokens = time.perf_counter(), 0
        for k in range(0, PROBED, at_once):
            asked = [Request(str(k), base, turns, (), Sampling(most)) for k, turns in enumerate(some[k : k + at_once])]
            tokens += sum(response.n_tokens for response in backend.generate(asked))
        return time.perf_counter() - began, tokens

    # Batches of a study are long, and of prompts of like length: few at once are read as fast, but not answered.
    reading, _ = answered(ALIKE, 1)
    (short, few), (long, many) = answered(PROBED, 1), answered(PROBED, 1 + FEW)  # of the longer the rest is writing
    read = sum(materials.prompt_tokens(model, turns) for turns in some)
    writing = operations * max(many - few, 1) / max(long - short, 1e-6)
    report({"speeds": (trained, operations * read / reading, writing)})
