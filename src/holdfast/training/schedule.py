"""The learning rate of a step, as a share of its peak."""

from __future__ import annotations

from holdfast.config.study import Controls


def factor(step: int, steps: int, controls: Controls) -> float:
    """Share of the peak rate at step 0 … steps - 1.

    Warm-up is linear, in steps: the first step has 1/warmup of the peak. Then ``constant`` stays; ``linear`` falls in
    equal parts to the last step's; ``wsd`` stays and falls so over the last ``decay_share`` of all steps. Only
    ``constant`` does not depend on ``steps``, and so gives nested budgets.
    """
    if step < controls.warmup_steps:
        return (step + 1) / controls.warmup_steps
    if controls.schedule == "constant":
        return 1.0
    warm = min(controls.warmup_steps, steps)
    decays = steps - warm if controls.schedule == "linear" else max(1, round(controls.decay_share * steps))
    return min(1.0, (steps - step) / max(1, decays))
