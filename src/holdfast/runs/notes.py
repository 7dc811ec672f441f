"""What a plan says of the rows and of how long they are trained on, a sentence each."""

from __future__ import annotations

from holdfast.config.run import Run, still_warming_up
from holdfast.data import sampled
from holdfast.runs.materials import Materials

# Learning rates ten times the highest that are commonly tried for LoRA, and for all weights.
FAST, FAST_WHOLE = 0.02, 0.002


def plan_notes(materials: Materials, runs: list[Run]) -> list[str]:
    """What a person should know of a plan before it is run; each sentence once."""
    notes, passes = [], dict[str, tuple[float, int]]()
    for t in runs:
        rows = materials.rows_of(t.label, t.task)
        if not materials.is_sampled(t.model, rows):
            sides = " and ".join(sampled.sides(materials.tasks[rows]))
            notes.append(
                f"{sides} responses of {rows} are drawn from {t.model} by the run: until then each is taken to be "
                "as long as the row's own chosen one, and rows for which none will do are not known"
            )
        elif sampled.sides(materials.tasks[rows]):
            n = materials.sampled(t.model, rows).counts
            notes.append(
                f"{n['drawn']} answers to {rows} were drawn from {t.model}; {n['cut_off']} were cut off and "
                f"{n['unscored']} could not be scored, and were not taken"
            )
        if near := materials.prepared(t.model, rows).counts["near_duplicates"]:
            notes.append(f"{near} unsafe texts of {rows} are near-duplicates of robustness prompts and were left out")
        if (t.checkpoints[-1].passes or 0) > passes.get(rows, (1.0, 0))[0]:
            passes[rows] = t.checkpoints[-1].passes or 0.0, t.budgets[-1]
        notes += [f"{rows}, {t.model}: {note}" for note in materials.agreement(t.model, rows)]
    notes += [f"{rows} is read up to {n:.1f} times over at {budget:,} tokens" for rows, (n, budget) in passes.items()]
    notes += [
        f"{t.name} is scored by the share of its references' words that a response holds, which is no accuracy"
        for t in materials.study.tasks
        if getattr(materials.task(t.name), "metric", "") == "coverage"
    ]
    whole = {t.learning_rate for t in runs if materials.controls(t.label).trainable != "lora"}
    fast = sorted({t.learning_rate for t in runs if t.learning_rate > FAST})
    notes += [f"a learning rate of {rate:g} is far above what adapters bear (some 1e-5 to 1e-2)" for rate in fast]
    fast = sorted(rate for rate in whole if FAST >= rate > FAST_WHOLE)
    notes += [f"a learning rate of {rate:g} is far above what whole models bear (some 1e-6 to 1e-4)" for rate in fast]
    return list(dict.fromkeys([*notes, *still_warming_up(runs, materials.study)]))
