"""One fine-tuning run with nothing hidden: SFT or DPO, plain transformers and PEFT, one page to read.

    python examples/one_objective.py --objective dpo --steps 20

It does what ``holdfast.training`` does, without what makes that one resumable, fast and comparable: no micro-batches,
no packing, no checkpoints, no proof of control; whole batches through the model's own logits. From holdfast come the
rows, their order, their tokens and the named random streams, so that the losses are those of the real loop (a test
holds them to 1e-6). Read this first, then ``training/loop.py``.

Shape legend: S sequences of a batch, L positions, V vocabulary.
"""

from __future__ import annotations

import argparse
import math

import torch
from peft import LoraConfig, get_peft_model
from torch import Tensor
from torch.nn.functional import logsigmoid
from transformers import AutoModelForCausalLM

from holdfast import registry, rng
from holdfast.config.study import Controls, ModelSpec, TaskSpec
from holdfast.data.prepare import prepare
from holdfast.data.renderer import Renderer
from holdfast.data.stream import stream, usable
from holdfast.store.sources import model_folder
from holdfast.types import Example

MODEL = ModelSpec(name="miniature", path="package:holdfast.miniature/model")
TASK = TaskSpec(name="arithmetic", task="miniature_arithmetic")
OBJECTIVES = ("sft", "dpo", "cft", "ip", "orpo", "kl")  # rows that one of them could not use are dropped for all
SEED = 0
BUDGET = 30_000  # tokens of prompt + chosen response
BATCH_ROWS, PASSES = 8, 4
RANK, ALPHA = 8, 16
LEARNING_RATE, WARMUP_STEPS, CLIP = 5e-4, 10, 1.0
BETA = 0.1  # of DPO


def main(objective: str, steps: int) -> list[float]:
    """Train, and return the loss of each step (nats: a token for SFT, a pair for DPO)."""
    torch.set_num_threads(1)
    renderer = Renderer.of(MODEL)
    batches = ordered(renderer)[:steps]

    # The base is frozen; LoRA on every linear layer but the head. A is random, B is 0: at first the policy is the base.
    base = AutoModelForCausalLM.from_pretrained(model_folder(MODEL.path), dtype=torch.float32)
    lora = LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules="all-linear", task_type="CAUSAL_LM")
    model = get_peft_model(base, lora).eval()  # no dropout
    initialise(model)
    trained = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=LEARNING_RATE, weight_decay=0.0)

    losses = []
    for step, examples in enumerate(batches):
        for group in optimiser.param_groups:
            group["lr"] = LEARNING_RATE * min(1.0, (step + 1) / WARMUP_STEPS)
        optimiser.zero_grad()
        loss = {"sft": sft, "dpo": dpo}[objective](model, renderer, examples)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(trained, CLIP)
        optimiser.step()
        losses.append(float(loss.detach()))
        print(f"step {step + 1:3d}  loss {losses[-1]:.6f}  gradient {float(norm):.4f}")
    return losses


def sft(model: torch.nn.Module, renderer: Renderer, examples: tuple[Example, ...]) -> Tensor:
    """Mean negative log-likelihood over all response tokens of the step, its end of turn among them."""
    logp_SL, response_SL = log_probs(model, renderer, [(e, e.chosen) for e in examples])
    return -logp_SL[response_SL].sum() / response_SL.sum()


def dpo(model: torch.nn.Module, renderer: Renderer, examples: tuple[Example, ...]) -> Tensor:
    """Rafailov et al. 2023 (arXiv 2305.18290), eq. 7, with log-probs summed over a response."""
    pairs = [(e, side) for e in examples for side in (e.chosen, e.rejected or "")]
    logp_SL, response_SL = log_probs(model, renderer, pairs)
    with torch.no_grad(), model.disable_adapter():  # the reference is the model that training started from
        ref_SL, _ = log_probs(model, renderer, pairs)
    ratio_S = ((logp_SL - ref_SL) * response_SL).sum(dim=1)
    chosen_P, rejected_P = ratio_S[0::2], ratio_S[1::2]
    return -logsigmoid(BETA * (chosen_P - rejected_P)).mean()


def log_probs(
    model: torch.nn.Module, renderer: Renderer, sequences: list[tuple[Example, str]]
) -> tuple[Tensor, Tensor]:
    """(S, L - 1) log-prob of each next token, and which of these tokens belong to a response.

    Padded on the right: attention is causal, so that what comes after a sequence changes nothing in it.
    """
    prompts = [renderer.prompt_ids(e.prompt) for e, _ in sequences]
    responses = [renderer.response_ids(text) for _, text in sequences]
    longest = max(len(p) + len(r) for p, r in zip(prompts, responses, strict=True))
    ids_SL = torch.full((len(sequences), longest), renderer.pad_id)
    response_SL = torch.zeros(ids_SL.shape, dtype=torch.bool)
    for s, (prompt, response) in enumerate(zip(prompts, responses, strict=True)):
        ids_SL[s, : len(prompt) + len(response)] = torch.tensor([*prompt, *response])
        response_SL[s, len(prompt) : len(prompt) + len(response)] = True
    logits_SLV = model(input_ids=ids_SL, attention_mask=torch.ones_like(ids_SL)).logits[:, :-1]
    logp_SL = logits_SLV.log_softmax(-1).gather(2, ids_SL[:, 1:, None]).squeeze(2)
    return logp_SL, response_SL[:, 1:]


def ordered(renderer: Renderer) -> tuple[tuple[Example, ...], ...]:
    """Steps of whole rows, the same for every objective: the order hangs on the seed and the rows' ids alone."""
    prepared = prepare(registry.build("tasks", TASK.task, TASK.params), TASK)
    views = {name: registry.build("objectives", name).view for name in OBJECTIVES}
    rows = usable(prepared, views, renderer, Controls(), pairs=True)
    return stream(rows, renderer, seed=SEED, budget=BUDGET, batch_rows=BATCH_ROWS, passes=PASSES).steps


@torch.no_grad()
def initialise(model: torch.nn.Module) -> None:
    """A uniform in ±1/√in, each from a stream that is named by seed and module: equal over objectives and devices."""
    for name, parameter in model.named_parameters():
        if ".lora_A." in name:
            module = name.removeprefix("base_model.model.").partition(".lora_A.")[0]
            stream_of_module = torch.Generator().manual_seed(rng.seed("lora", SEED, module))
            bound = 1 / math.sqrt(parameter.shape[1])
            parameter.copy_(torch.empty(parameter.shape).uniform_(-bound, bound, generator=stream_of_module))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--objective", choices=("sft", "dpo"), default="sft")
    parser.add_argument("--steps", type=int, default=20)
    args = parser.parse_args()
    main(args.objective, args.steps)
