"""The one loop. It reads from top to bottom and never asks which objective it runs.

For every step of the stream: the objective's view of the rows, split into micro-batches; per-token log-probs of each;
the objective's loss, whose denominators are the whole step's; backward; clip; AdamW. At every budget a checkpoint.
"""

from __future__ import annotations

import errno
import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Sequence as Seq
from contextlib import closing, contextmanager
from typing import Any

import torch
from torch import Tensor

from holdfast import interrupt
from holdfast.models import adapters, head
from holdfast.models.finite import broken
from holdfast.models.layouts import micro_batches, smaller
from holdfast.models.memory import LESS, enough_for, ran_out
from holdfast.models.network import Network
from holdfast.objectives.objective import Counts, Scores, Total
from holdfast.store.adapter_files import adapter_config
from holdfast.store.digest import digest
from holdfast.store.files import read_json, sweep, write_json
from holdfast.store.folder import RunFolder
from holdfast.store.locks import lock
from holdfast.training import batches, checkpoints, schedule
from holdfast.training.batches import Group, Rows
from holdfast.training.controls import at_once, controls, exposure, less_memory, numerics, record
from holdfast.training.distance import Probes, distance
from holdfast.training.job import TrainJob, finished
from holdfast.training.prepared import prepared
from holdfast.training.references import reference_logps
from holdfast.types import UserError

STATE_EVERY = 50  # steps: what a killed run loses at most
MAY_CHANGE = ("budgets", "label", "probes")  # of a run's configuration: none of them changes what is learnt

Progress = Callable[[dict[str, Any]], None]


class Diverged(UserError):
    """A loss or gradient is not finite: rate, precision or rows are not what they should be. What was saved before is
    sound, and so is what other runs have done."""


def train(job: TrainJob, folder: RunFolder, network: Network, progress: Progress = lambda event: None) -> None:
    """Train one run, or finish one that was begun, or do nothing where it is done.

    Assumptions: the network has no adapter of worth attached (it is replaced, and taken off at the end), and the same
    job, machine, threads and versions as before where the folder holds part of it. Raises ``UserError`` where the
    folder belongs to other controls or another process is at work in it, and ``Diverged`` where a number is not finite.
    """
    # Two processes on one run would each go on from states that the other writes.
    with lock(folder.root):
        if finished(folder, job.budgets):
            return
        folder.done.unlink(missing_ok=True)
        sweep(folder.root, folder.checkpoints, folder.state)
        _same_job(job, folder)
        mend = f"set `max_tokens` of `controls` below {job.controls.max_tokens} or `gradient_checkpointing: true`"
        try:
            with (
                enough_for(f"training {job.label}, a row at a time", f"{mend}, or {LESS}"),
                prepared(network, job.controls, job.lora, job.seed, job.checkpointing),
            ):
                if job.start is not None:
                    assert network.trained.takes(adapter_config(job.start)), "both rounds train one adapter"
                    adapters.load(network, job.start)
                _train(job, folder, network, progress)
        except FloatingPointError as error:  # before or beside a step: references, the head's check, distances
            bad = broken(network.model)
            why = FloatingPointError(f"{error}, for {bad} holds numbers that are not finite") if bad else error
            raise _diverged(job, "", why, ", or set `dtype: float32`") from error
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise UserError(f"the disk is full: {folder.root}; make room and run the same again") from error
            raise
        checkpoints.finish(folder)


def _train(job: TrainJob, folder: RunFolder, network: Network, progress: Progress) -> None:
    objective, settings, stream, needs = job.objective, job.controls, job.stream, job.objective.needs
    rows, ends, last = Rows(objective, network.renderer), job.ends(), job.steps

    def say(text: str) -> None:
        progress({"note": text, "unit": "note"})

    # Before the first step, for `lora_init` is the adapter as it stands now; and before hours of work that a difference
    # in what should be fixed would make worthless.
    record(folder, controls(job, network, rows))
    # Where memory is short, or positions or a sliding window go wrong, it shows on the longest sequence.
    _check_longest(job, network, rows)

    references = None
    if needs.ref_logps:
        references = reference_logps(
            network,
            list(dict.fromkeys(rows.group(e) for step in stream.steps[:last] for e in step)),
            job.references or folder.root / "references",
            {**numerics(network), "autocast": settings.autocast},
            settings.head,
            lambda done, of: progress({"done": done, "total": of, "unit": "reference rows"}),
            say,
        )
    probes = Probes(network, job.probes, settings)

    parameters = adapters.trainable(network)
    optimiser = torch.optim.AdamW(
        list(parameters.values()),
        lr=job.learning_rate,
        betas=settings.betas,
        eps=settings.eps,
        weight_decay=settings.weight_decay,
        fused=network.device.type in ("cpu", "cuda"),
    )
    # What a saved state must belong to. Budgets are left out: a ladder that grew goes on from where it stood.
    of = digest([{k: v for k, v in job.config().items() if k not in MAY_CHANGE}, network.digest])
    first = 0
    if state := checkpoints.load_state(folder, of, ends, say):
        state.restore(parameters, optimiser)
        first = state.step
    total_tokens, fits = stream.tokens_after[last - 1], at_once(folder, first, job.micro_tokens)

    with (
        closing(checkpoints.Metrics(folder.metrics_jsonl, first)) as metrics,
        folder.timing_jsonl.open("a", buffering=1, encoding="utf-8") as timing,  # a line at a time
    ):
        for step in range(first, last):
            began = time.perf_counter()
            groups = rows.groups(stream.steps[step])
            read = stream.tokens_after[step - 1] if step else 0
            # Denominators of the whole step, taken before it is split: so the losses of micro-batches add up to the
            # step's, however it is split.
            counts = batches.counts(groups, needs, progress=read / total_tokens, before=metrics.before)
            rate = job.learning_rate * schedule.factor(step, last, settings)
            for group in optimiser.param_groups:
                group["lr"] = rate

            totals: Totals | None = None
            while totals is None:
                optimiser.zero_grad()
                parts = micro_batches(groups, settings.layout, fits)
                with ran_out(unless=len(parts) == len(groups)) as short:
                    totals = _gradients(job, network, step, [[groups[i] for i in p] for p in parts], counts, references)
                if short:  # the step is done again: the same sums in smaller parts, to rounding
                    fits = smaller(fits, groups, settings.layout)
                    less_memory(folder, step + 1, fits)
                    say(f"memory does not do for this batch: {fits:,} tokens at a time from here on")
            with _named(job, step, groups):
                norm = torch.nn.utils.clip_grad_norm_(parameters.values(), settings.clip)
                _finite(norm, "the gradient")
            optimiser.step()

            tokens, clipped = stream.tokens_after[step], float(norm) > settings.clip
            line = {"step": step + 1, "tokens": tokens, "pass": stream.pass_of_step[step], "lr": rate}
            metrics.add({**line, "grad_norm": float(norm), "clipped": clipped, **totals.line()})
            seconds = time.perf_counter() - began
            timing.write(json.dumps({"step": step + 1, "tokens": tokens - read, "seconds": seconds}) + "\n")

            # Metrics, then checkpoint, then state: whatever a kill leaves, nothing on disk claims what is not there.
            for budget in ends.get(step + 1, ()):
                about = {
                    "budget": budget,
                    "step": step + 1,
                    "tokens": tokens,
                    "clipped_share": metrics.clipped / (step + 1),
                    "distance": distance(network, probes, settings, fits),
                    "exposure": exposure(job, budget, rows),
                }
                metrics.flush()
                checkpoints.save_checkpoint(folder, budget, network, about)
            if step + 1 in ends or (step + 1) % STATE_EVERY == 0 or interrupt.leaving():
                metrics.flush()
                checkpoints.save_state(folder, of, metrics, parameters, optimiser)
            # After the state: who is told may end it here, where the machine is needed by others.
            progress({"done": tokens, "total": total_tokens, "unit": "tokens", "loss": totals.loss})
        metrics.end()


def _gradients(
    job: TrainJob,
    network: Network,
    step: int,
    parts: Seq[Seq[Group]],
    counts: Counts,
    references: Mapping[Group, Tensor] | None,
) -> Totals:
    """Those of one step are left with the parameters, summed over its micro-batches."""
    totals = Totals()
    for k, micro in enumerate(parts):
        with _named(job, step, micro), adapters.dropout(network, *job.noise, step, k):
            scores = batches.scores(network, micro, job.objective.needs, job.controls, references)
            loss, logged = job.objective.loss(scores, counts)
            _finite(loss, "the loss")
            # Within `dropout` too: gradient checkpointing runs the layers again here, and must drop what it dropped
            # before.
            loss.backward()
        totals.add(loss, scores, logged)
    return totals


class Totals:
    """Sums of a step over its micro-batches."""

    def __init__(self) -> None:
        self.loss = 0.0
        self._totals: dict[str, Total] = {}
        self._own: dict[str, Total] = {}

    def add(self, loss: Tensor, scores: Scores, logged: Mapping[str, Total]) -> None:
        """One micro-batch: its part of the step's loss, its log-probs, and the objective's own totals."""
        self.loss += float(loss.detach())
        _accumulate(self._own, logged)
        _accumulate(self._totals, _log_probs(scores))

    def line(self) -> dict[str, Any]:
        """The loss; log-probs of each side, summed over a response and per token; the objective's own numbers."""
        return {"loss": self.loss, **_means(self._totals), "objective": _means(self._own)}


def _log_probs(scores: Scores) -> dict[str, Total]:
    logp_N, side_N = scores.logp_N.detach(), scores.side_N()
    out: dict[str, Total] = {}
    for number, side in enumerate(("chosen", "rejected")):
        mine_N = logp_N[side_N == number]
        n = int((scores.side_S == number).sum())
        out[f"{side}_logp"] = Total(float(mine_N.sum()), n)
        out[f"{side}_logp_per_token"] = Total(float(mine_N.sum()), len(mine_N))
    # The margin is over rows that show both sides: others would shift it by their chosen response alone.
    both_S = torch.isin(scores.pair_S, scores.pair_S[scores.side_S == 1])
    signed_S = scores.sum_S(logp_N) * (1 - 2 * scores.side_S) * both_S
    out["margin"] = Total(float(signed_S.sum()), int((scores.side_S == 1).sum()))
    return out


def _accumulate(into: dict[str, Total], new: Mapping[str, Total]) -> None:
    for key, t in new.items():
        old = into.get(key, Total(0.0, 0.0))
        into[key] = Total(old.sum + t.sum, old.count + t.count)


def _means(totals: Mapping[str, Total]) -> dict[str, float | None]:
    return {key: t.sum / t.count if t.count else None for key, t in totals.items()}


# -- guards ---------------------------------------------------------------------------------------------------------


def _same_job(job: TrainJob, folder: RunFolder) -> None:
    """A folder belongs to one job, whose ladder of budgets may grow."""
    config = job.config()
    if folder.config_json.exists():
        old = read_json(folder.config_json, "budgets")
        changed = sorted(k for k in config if k not in MAY_CHANGE and old.get(k) != config[k])
        if changed:
            raise UserError(
                f"{folder.root} holds another training run (other {', '.join(changed)}): delete that folder or choose "
                "another one."
            )
        config["budgets"] = sorted({*old["budgets"], *job.budgets} if job.nested else job.budgets)
    write_json(folder.config_json, config)


def _check_longest(job: TrainJob, network: Network, rows: Rows) -> None:
    """The head and layout against plain full logits, on the real micro-batch that holds the longest sequence."""
    longest = max(
        (e for step in job.stream.steps[: job.steps] for e in step),
        key=lambda e: max(len(s.ids) for s in rows.group(e)),
    )
    step = next(s for s in job.stream.steps if any(e.id == longest.id for e in s))
    groups = rows.groups(step)
    fits = job.micro_tokens
    while True:
        parts = micro_batches(groups, job.controls.layout, fits)
        batch = batches.lay_out([groups[i] for i in parts[0]], job.objective.needs, job.controls, network)
        with ran_out(unless=len(parts) == len(groups)) as short:
            head.check(network, batch, job.controls.head)
        if not short:
            return
        fits = smaller(fits, groups, job.controls.layout)


def _diverged(job: TrainJob, at: str, error: FloatingPointError, look: str) -> Diverged:
    return Diverged(
        f"{job.label} with seed {job.seed} stopped{at}: {error}; lower its learning rate, {job.learning_rate:g} "
        f"(`learning_rate` of `controls`, or of the objective alone){look}; what is done is kept"
    )


def _finite(x: Tensor, what: str) -> None:
    if not math.isfinite(float(x.detach())):
        raise FloatingPointError(f"{what} is {float(x.detach())}")


@contextmanager
def _named(job: TrainJob, step: int, groups: Seq[Group]) -> Iterator[None]:
    """Says where a number that is not finite came up."""
    try:
        yield
    except FloatingPointError as error:
        ids = [g[0].segment.example_id for g in groups]
        shown = ", ".join(ids[:8]) + (f" and {len(ids) - 8} more" if len(ids) > 8 else "")
        raise _diverged(job, f" at step {step + 1} of {job.steps}", error, f", or look at its rows {shown}") from error
