"""Losses and gradients equal TRL's on the same token ids: SFT, DPO, IPO, KTO, ORPO, SimPO, through TRL's own trainers.

Both train the same LoRA tensors on the same tiny model; the adapter is not zero, so policy and reference differ.
"""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import tiny_world
import torch
from tiny_world import EXAMPLES

from holdfast.config.study import Controls, LoraSpec
from holdfast.models import adapters
from holdfast.models.layouts import micro_batches
from holdfast.objectives.dpo import DPO
from holdfast.objectives.ipo import IPO
from holdfast.objectives.kl import KL
from holdfast.objectives.kto import KTO
from holdfast.objectives.orpo import ORPO
from holdfast.objectives.sft import SFT
from holdfast.objectives.simpo import SimPO
from holdfast.training import batches
from holdfast.training.batches import Rows
from holdfast.training.controls import numerics
from holdfast.training.references import reference_logps

trl = pytest.importorskip("trl", reason="TRL is a development dependency")
LORA = LoraSpec(rank=4, alpha=8)
ROWS = EXAMPLES[:7]


def ours(network, objective, cache, head="frozen", before=None):
    """Loss, gradient by name, sequences and adapter of one step, in several micro-batches."""
    controls = Controls(micro_tokens=120, head=head)
    groups = Rows(objective, network.renderer).groups(ROWS)
    adapters.attach(network, LORA, "lora", 0)
    parameters = adapters.trainable(network)
    with torch.no_grad():
        for k, p in enumerate(parameters.values()):
            p += 0.1 * torch.linspace(0, 9 + k, p.numel()).sin().reshape(p.shape)
    needs = objective.needs
    references = reference_logps(network, groups, cache, numerics(network)) if needs.ref_logps else None
    counts = batches.counts(groups, needs, 0.0, before)
    total = 0.0
    for indices in micro_batches(groups, controls.layout, controls.micro_tokens):
        scores = batches.scores(network, [groups[i] for i in indices], needs, controls, references)
        loss, _ = objective.loss(scores, counts)
        loss.backward()
        total += float(loss.detach())
    result = SimpleNamespace(
        loss=total,
        gradient={name: p.grad.clone() for name, p in parameters.items()},
        adapter={name: p.detach().clone() for name, p in parameters.items()},
        groups=groups,
    )
    adapters.detach(network)
    return result


def theirs(model_folder, tmp_path, trainer_class, config, mine, batch_of, row):
    """(loss, gradient by our names) of TRL on the same ids."""
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer

    trainer = trainer_class(
        model=AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.float32),
        args=config,
        train_dataset=Dataset.from_list([row]),
        processing_class=AutoTokenizer.from_pretrained(model_folder),
        peft_config=LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM"),
    )
    tensors = {n.replace(".default", ""): p for n, p in trainer.model.named_parameters() if p.requires_grad}
    assert set(tensors) == set(mine.adapter)
    with torch.no_grad():
        for name, p in tensors.items():
            p.copy_(mine.adapter[name])
    trainer.model.zero_grad()
    trainer.model.eval()
    loss = trainer.compute_loss(trainer.model, batch_of(trainer))
    loss.backward()
    return float(loss.detach()), {name: p.grad for name, p in tensors.items()}


def same(mine, loss, gradient):
    assert mine.loss == pytest.approx(loss, rel=1e-5)
    a = torch.cat([mine.gradient[n].flatten() for n in sorted(gradient)]).double()
    b = torch.cat([gradient[n].flatten() for n in sorted(gradient)]).double()
    assert float(b.norm()) > 0
    assert float((a - b).norm() / b.norm()) < 1e-5


def settings(tmp_path, **more):
    return {
        "output_dir": str(tmp_path / "trl"),
        "report_to": [],
        "use_cpu": True,
        "bf16": False,
        "gradient_checkpointing": False,
        **more,
    }


def test_sft_loss_and_gradient_equal_trl(network, model_folder, tmp_path):
    mine = ours(network, SFT(), tmp_path)

    def batch_of(trainer):
        examples = [
            {"input_ids": list(s.ids), "labels": [-100] * s.start + list(s.response_ids)} for (s,) in mine.groups
        ]
        return trainer.data_collator(examples)

    config = trl.SFTConfig(**settings(tmp_path, max_length=None, loss_type="nll"))
    same(
        mine,
        *theirs(model_folder, tmp_path, trl.SFTTrainer, config, mine, batch_of, {"prompt": "a", "completion": "b"}),
    )


@pytest.mark.parametrize(
    ("objective", "kind"),
    [(DPO(beta=0.1), "sigmoid"), (DPO(beta=0.7), "sigmoid"), (IPO(tau=0.2), "ipo")],
    ids=["dpo 0.1", "dpo 0.7", "ipo"],
)
def test_losses_and_gradients_of_preferences_equal_trl(network, model_folder, tmp_path, objective, kind):
    mine = ours(network, objective, tmp_path)

    def batch_of(trainer):
        return trainer.data_collator(
            [
                {
                    "prompt_ids": list(c.prompt_ids),
                    "chosen_ids": list(c.response_ids),
                    "rejected_ids": list(r.response_ids),
                }
                for c, r in mine.groups
            ]
        )

    row = {"prompt": "a", "chosen": "b", "rejected": "c"}
    beta = objective.tau if kind == "ipo" else objective.beta
    config = trl.DPOConfig(**settings(tmp_path, beta=beta, loss_type=[kind], max_length=None))
    same(mine, *theirs(model_folder, tmp_path, trl.DPOTrainer, config, mine, batch_of, row))


@pytest.mark.parametrize("reference", ["kl", "zero"])
def test_kto_equals_trl_at_trls_own_reference_point(network, model_folder, tmp_path, reference):
    objective, trainers = KTO(beta=0.3, desirable=1.2, undesirable=0.7, reference=reference), []
    mine = ours(network, objective, tmp_path)

    def said(model, prompt):
        """What the policy itself answers, of which TRL's estimate of the divergence is not cut off at 0."""
        ids = torch.tensor([prompt])
        return model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=6)[0, len(prompt) :].tolist()

    def batch_of(trainer):
        trainers.append(trainer)
        return trainer.data_collator(
            [
                {"prompt_ids": list(s.prompt_ids), "completion_ids": list(s.response_ids)}
                | {"label": s.segment.side == "chosen"}
                | ({"KL_completion_ids": said(trainer.model, s.prompt_ids)} if reference == "kl" else {})
                for s in (s for group in mine.groups for s in group)
            ]
        )

    own = {"beta": 0.3, "desirable_weight": 1.2, "undesirable_weight": 0.7, "max_length": None}
    own |= {"loss_type": "kto" if reference == "kl" else "apo_zero_unpaired", "per_device_train_batch_size": 2}
    config = trl.KTOConfig(**settings(tmp_path, train_sampling_strategy="sequential", **own))
    rows = {"prompt": "a", "completion": "b", "label": True}
    found = theirs(model_folder, tmp_path, trl.KTOTrainer, config, mine, batch_of, rows)
    (point,) = trainers[0]._metrics["eval"]["kl"]
    assert (point > 0) == (reference == "kl")
    same(ours(network, objective, tmp_path, before={"kl": point}), *found)


def both_whole(mine):
    """A batch as TRL's trainers of whole sequences take it."""

    def batch_of(trainer):
        examples = [
            {
                f"{side}_{key}": value
                for side, s in (("chosen", c), ("rejected", r))
                for key, value in {
                    "input_ids": list(s.ids),
                    "attention_mask": [1] * len(s.ids),
                    "labels": [-100] * s.start + list(s.response_ids),
                }.items()
            }
            for c, r in mine.groups
        ]
        return trainer.data_collator(examples)

    return batch_of


def test_orpo_with_the_prompt_in_its_likelihood_equals_trl(network, model_folder, tmp_path):
    from trl.experimental.orpo import ORPOConfig, ORPOTrainer

    mine = ours(network, ORPO(weight=0.3, nll="prompt_and_response"), tmp_path)
    row = {"prompt": "a", "chosen": "b", "rejected": "c"}
    config = ORPOConfig(**settings(tmp_path, beta=0.3, max_length=256))
    same(mine, *theirs(model_folder, tmp_path, ORPOTrainer, config, mine, both_whole(mine), row))


def test_simpo_equals_trl(network, model_folder, tmp_path):
    from trl.experimental.cpo import CPOConfig, CPOTrainer

    mine = ours(network, SimPO(beta=1.5, gamma=0.4), tmp_path)
    row = {"prompt": "a", "chosen": "b", "rejected": "c"}
    own = {"loss_type": "simpo", "beta": 1.5, "simpo_gamma": 0.4, "cpo_alpha": 0.0}  # its likelihood term left out
    config = CPOConfig(**settings(tmp_path, max_length=256, **own))
    same(mine, *theirs(model_folder, tmp_path, CPOTrainer, config, mine, both_whole(mine), row))


@pytest.mark.parametrize("direction", ["policy_reference", "reference_policy"])
@pytest.mark.parametrize("head", ["frozen", "full"])
def test_kl_equals_a_reference_in_float64(network, model_folder, tmp_path, direction, head):
    """The formula spelled out with full logits, in float64 throughout, and its gradient by autograd."""
    objective = KL(weight=0.5, direction=direction)
    mine = ours(network, objective, tmp_path, head)

    exact = tiny_world.network(model_folder)
    adapters.attach(exact, LORA, "lora", 0)
    with torch.no_grad():
        for name, p in adapters.trainable(exact).items():
            p.copy_(mine.adapter[name])
    exact.model.double()
    tokens = sum(len(s.response_ids) for (s,) in mine.groups)
    loss = torch.zeros((), dtype=torch.float64)
    for (s,) in mine.groups:
        ids = torch.tensor([s.ids])
        policy = exact.model(ids, use_cache=False).logits[0, s.start - 1 : -1].log_softmax(-1)
        with torch.no_grad(), adapters.off(exact):
            base = exact.model(ids, use_cache=False).logits[0, s.start - 1 : -1].log_softmax(-1)
        p, q = (policy, base) if direction == "policy_reference" else (base, policy)
        kl = (p.exp() * (p - q)).sum()
        nll = -policy.gather(1, torch.tensor(s.response_ids).unsqueeze(1)).sum()
        loss = loss + (nll + 0.5 * kl) / tokens
    loss.backward()
    same(mine, float(loss.detach()), {n: p.grad for n, p in adapters.trainable(exact).items()})
