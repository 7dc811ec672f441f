"""Losses against their formulas, written out plainly in float64, and their additivity over micro-batches."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.objectives.cft import CFT
from holdfast.objectives.constrained_sft import ConstrainedSFT
from holdfast.objectives.dpo import DPO
from holdfast.objectives.ip import IP
from holdfast.objectives.ipo import IPO
from holdfast.objectives.kl import KL
from holdfast.objectives.kto import KTO
from holdfast.objectives.objective import Counts, Scores
from holdfast.objectives.orpo import ORPO
from holdfast.objectives.sft import SFT
from holdfast.objectives.simpo import SimPO
from holdfast.objectives.terms import log1mexp, log_odds

torch.set_num_threads(1)

# A row is (chosen log-probs, rejected log-probs or None). The first row of CFT here is an untagged one.
ROWS = (
    ([-0.5, -1.25, -0.01], None),
    ([-0.2, -3.0], [-2.0, -0.7, -1.1, -0.3]),
    ([-1.5], [-0.9, -0.4]),
    ([-0.05, -0.06, -0.07, -0.08], [-4.0]),
)
PAIRS = ROWS[1:]


def scores(rows, offset=0) -> Scores:
    """Scores of some rows; references and KLs are made-up numbers of each log-prob, the same in every split."""
    logps, segment, side, pair = [], [], [], []
    for row, sides in enumerate(rows):
        for s, values in enumerate(sides):
            if values is not None:
                logps += values
                segment += [len(side)] * len(values)
                side.append(s)
                pair.append(row + offset)
    logp_N = torch.tensor(logps, requires_grad=True)
    with torch.no_grad():
        ref_logp_N, kl_N = logp_N * 0.9 - 0.1, logp_N**2
    return Scores(
        logp_N,
        torch.tensor(segment),
        torch.tensor(side),
        torch.tensor(pair),
        ref_logp_N,
        prompt_logp_M=torch.full((2 * len(rows),), -0.75, requires_grad=True),
        signals={"kl": kl_N.requires_grad_()},
    )


BEFORE = {"kl": 1.75}  # of the step before


def counts(rows) -> Counts:
    chosen = sum(len(c) for c, _ in rows)
    rejected = sum(len(r) for _, r in rows if r is not None)
    pairs = sum(r is not None for _, r in rows)
    return Counts(chosen, rejected, len(rows), pairs, math.nan, prompt_tokens=2 * len(rows), before=BEFORE)


def log_sigmoid(x: float) -> float:
    return -math.log1p(math.exp(-x))


def odds(values) -> float:
    mean = sum(values) / len(values)
    return mean - math.log(1 - math.exp(mean))


def total_nll(rows, side) -> float:
    return -sum(sum(row[side]) for row in rows if row[side] is not None)


def dpo(rows) -> float:
    def ratio(values):
        return sum(v - (v * 0.9 - 0.1) for v in values)

    return sum(-log_sigmoid(0.3 * (ratio(c) - ratio(r))) for c, r in rows) / len(rows)


def ipo(rows, per_token: bool) -> float:
    def ratio(values):
        return sum(v - (v * 0.9 - 0.1) for v in values) / (len(values) if per_token else 1)

    return sum((ratio(c) - ratio(r) - 1 / (2 * 0.3)) ** 2 for c, r in rows) / len(rows)


def simpo(rows) -> float:
    def mean(values):
        return sum(values) / len(values)

    return sum(-log_sigmoid(1.5 * (mean(c) - mean(r)) - 0.2) for c, r in rows) / len(rows)


def constrained(rows) -> float:
    betas = [0.5, 2.0, 0.1, 0.1]
    terms = [-2 / b * log_sigmoid(b * (v - (v * 0.9 - 0.1))) for c, _ in rows for b, v in zip(betas, c, strict=False)]
    return sum(terms) / counts(rows).chosen_tokens


def odds_term(rows) -> float:
    return sum(-log_sigmoid(odds(c) - odds(r)) for c, r in rows) / len(rows)


def kto(rows, z0: float) -> float:
    def gain(values):
        return sum(v - (v * 0.9 - 0.1) for v in values) - z0

    good = [2.0 * (1 - 1 / (1 + math.exp(-0.3 * gain(c)))) for c, _ in rows]
    bad = [0.5 * (1 - 1 / (1 + math.exp(0.3 * gain(r)))) for _, r in rows if r is not None]
    return sum(good + bad) / len(good + bad)


CASES = {
    "sft": (SFT(), [(c, None) for c, _ in ROWS], lambda rows: total_nll(rows, 0) / counts(rows).chosen_tokens),
    "ip": (IP(), [(c, None) for c, _ in ROWS], lambda rows: total_nll(rows, 0) / counts(rows).chosen_tokens),
    "dpo": (DPO(beta=0.3), PAIRS, dpo),
    "ipo": (IPO(tau=0.3), PAIRS, lambda rows: ipo(rows, True)),
    "ipo, summed": (IPO(tau=0.3, per_token=False), PAIRS, lambda rows: ipo(rows, False)),
    "simpo": (SimPO(beta=1.5, gamma=0.2), PAIRS, simpo),
    "constrained_sft": (ConstrainedSFT(tokens=2), [(c, None) for c, _ in ROWS], constrained),
    "kto": (KTO(beta=0.3, desirable=2.0, undesirable=0.5), ROWS, lambda rows: kto(rows, 1.75)),
    "kto from zero": (KTO(0.3, 2.0, 0.5, reference="zero"), ROWS, lambda rows: kto(rows, 0.0)),
    "orpo": (
        ORPO(weight=0.25, nll="prompt_and_response"),
        PAIRS,
        lambda rows: (
            (total_nll(rows, 0) + 0.75 * 2 * len(rows)) / (counts(rows).chosen_tokens + 2 * len(rows))
            + 0.25 * odds_term(rows)
        ),
    ),
    "kl": (
        KL(weight=0.4),
        [(c, None) for c, _ in ROWS],
        lambda rows: (total_nll(rows, 0) + 0.4 * sum(v * v for c, _ in rows for v in c)) / counts(rows).chosen_tokens,
    ),
    "cft": (
        CFT(unsafe_weight=0.5),
        ROWS,
        lambda rows: (
            total_nll(rows, 0) / counts(rows).chosen_tokens + 0.5 * total_nll(rows, 1) / counts(rows).rejected_tokens
        ),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_every_loss_equals_its_formula(name):
    objective, rows, formula = CASES[name]
    loss, _ = objective.loss(scores(rows), counts(rows))
    assert float(loss.detach()) == pytest.approx(formula(rows), rel=1e-6)


@pytest.mark.parametrize("name", CASES)
def test_loss_gradient_and_totals_add_up_over_micro_batches(name):
    objective, rows, _ = CASES[name]
    whole = scores(rows)
    loss, totals = objective.loss(whole, counts(rows))
    loss.backward()
    parts, part_totals, grads, kl_grads = 0.0, {}, [], []
    for i, row in enumerate(rows):
        part = scores([row], offset=i)
        part_loss, logged = objective.loss(part, counts(rows))
        part_loss.backward()
        parts += float(part_loss.detach())
        grads.append(part.logp_N.grad)
        kl_grads.append(part.signals["kl"].grad)
        for key, t in logged.items():
            done = part_totals.get(key, (0.0, 0.0))
            part_totals[key] = (done[0] + t.sum, done[1] + t.count)
    assert parts == pytest.approx(float(loss.detach()), rel=1e-6)
    torch.testing.assert_close(torch.cat(grads), whole.logp_N.grad)
    if whole.signals["kl"].grad is not None:
        torch.testing.assert_close(torch.cat(kl_grads), whole.signals["kl"].grad)
    for key, t in totals.items():
        assert part_totals[key] == pytest.approx((t.sum, t.count), rel=1e-6, abs=1e-7)


@pytest.mark.parametrize("beta", [0.1, 2.0, 50.0])
def test_the_first_gradient_of_constrained_sft_is_that_of_sft(beta):
    rows = [(c, None) for c, _ in ROWS]
    found = scores(rows)
    found = dataclasses.replace(found, ref_logp_N=found.logp_N.detach().clone())
    ConstrainedSFT(first=beta).loss(found, counts(rows))[0].backward()
    plain = scores(rows)
    SFT().loss(plain, counts(rows))[0].backward()
    torch.testing.assert_close(found.logp_N.grad, plain.logp_N.grad)


def test_dpo_first_loss_is_ln_2():
    s = scores(PAIRS)
    same = Scores(s.logp_N, s.segment_N, s.side_S, s.pair_S, ref_logp_N=s.logp_N.detach())
    loss, totals = DPO().loss(same, counts(PAIRS))
    assert float(loss) == pytest.approx(math.log(2), rel=1e-7)
    assert totals["reward_chosen"].sum == 0


def test_pairs_are_aligned_by_example_and_not_by_place():
    s = scores(PAIRS)
    flipped = torch.tensor([1, 0, 3, 2, 5, 4])  # the sequences of each pair in the other order
    moved = Scores(
        s.logp_N, flipped[s.segment_N], s.side_S[flipped.argsort()], s.pair_S[flipped.argsort()], s.ref_logp_N
    )
    assert float(DPO().loss(moved, counts(PAIRS))[0]) == pytest.approx(float(DPO().loss(s, counts(PAIRS))[0]), rel=1e-6)


def test_cft_without_any_unsafe_row_is_the_safe_group_alone():
    rows = [(c, None) for c, _ in ROWS]
    assert float(CFT().loss(scores(rows), counts(rows))[0]) == pytest.approx(
        float(SFT().loss(scores(rows), counts(rows))[0]), rel=1e-7
    )


@settings(deadline=None, max_examples=200)
@given(st.floats(-80, -1e-6))
def test_log1mexp_is_accurate_with_its_gradient(x):
    t = torch.tensor(x, dtype=torch.float32, requires_grad=True)
    y = log1mexp(t)
    (grad,) = torch.autograd.grad(y, t)
    exact = float(t.detach())
    value = math.log(-math.expm1(exact)) if exact > -1 else math.log1p(-math.exp(exact))
    assert float(y.detach()) == pytest.approx(value, rel=2e-6, abs=1e-38)
    assert float(grad) == pytest.approx(-math.exp(exact) / -math.expm1(exact), rel=2e-6, abs=1e-38)


@pytest.mark.parametrize("x", [0.0, -0.0, -1e-30, -1e-8, -1e-3, -0.6931472, -50.0, -1e4, -1e30])
def test_log_odds_and_its_gradient_are_finite_at_extremes(x):
    t = torch.tensor([x], dtype=torch.float32, requires_grad=True)
    y = log_odds(t)
    (grad,) = torch.autograd.grad(y.sum(), t)
    assert torch.isfinite(y).all()
    assert torch.isfinite(grad).all()


def test_orpo_survives_a_certain_and_an_impossible_response():
    rows = [([0.0, 0.0], [-1e4, -1e4]), ([-1e4], [0.0])]
    s = scores(rows)
    loss, _ = ORPO().loss(Scores(s.logp_N, s.segment_N, s.side_S, s.pair_S), counts(rows))
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(s.logp_N.grad).all()


def test_the_reference_point_of_kto_carries_no_gradient_and_is_the_kl_of_the_step_before():
    s = scores(ROWS)
    loss, logged = KTO().loss(s, counts(ROWS))
    loss.backward()
    assert s.signals["kl"].grad is None
    assert logged["reference_point"].sum / logged["reference_point"].count == pytest.approx(1.75)
    whole = sum(v * v for row in ROWS for side in row if side for v in side)
    assert logged["kl"].sum == pytest.approx(whole, rel=1e-6)
    assert logged["kl"].count == 7
    first = dataclasses.replace(counts(ROWS), before={})
    assert KTO().loss(scores(ROWS), first)[1]["reference_point"].sum == 0
    assert not KTO(reference="zero").needs.signals
    assert not KTO(reference="zero").needs.before
