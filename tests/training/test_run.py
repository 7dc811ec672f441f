"""The loop: what it writes, what it says, and that it learns."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace

import pytest
import tiny_world
import torch
from tiny_world import OBJECTIVES, SIX, job, lines

from holdfast.config.study import LoraSpec
from holdfast.models import adapters
from holdfast.objectives.kto import KTO
from holdfast.objectives.sft import SFT
from holdfast.store.adapter_files import adapter_digest
from holdfast.store.files import read_json
from holdfast.training import loop
from holdfast.training.job import finished
from holdfast.training.loop import Diverged, train
from holdfast.types import UserError


@pytest.mark.parametrize("name", OBJECTIVES)
def test_every_objective_trains_and_writes_its_files(network, tmp_path, name):
    events = []
    folder = tiny_world.folder(tmp_path)
    this = job(network, name)
    train(this, folder, network, events.append)
    metrics = lines(folder.metrics_jsonl)
    assert [m.step for m in metrics] == list(range(1, 13))
    assert [m.tokens for m in metrics] == list(this.stream.tokens_after)
    assert all(math.isfinite(m.loss) for m in metrics)
    assert metrics[-1].loss < metrics[0].loss
    assert (metrics[0].lr, metrics[1].lr, metrics[-1].lr) == (2.5e-3, 5e-3, 5e-3)
    assert read_json(folder.done)["budgets"] == list(this.budgets)
    for budget in this.budgets:
        assert {p.name for p in folder.checkpoint(budget).iterdir()} == {
            "adapter_config.json",
            "adapter_model.safetensors",
            "checkpoint.json",
        }
    about = lines(folder.root / "checkpoints.jsonl")
    assert [a.step for a in about] == [4, 12]
    assert 0 < about[0].distance["kl_base"] < about[1].distance["kl_base"]
    assert about[0].distance["adapter_norm"] < about[1].distance["adapter_norm"]
    assert about[0].distance["base_margin"] == about[1].distance["base_margin"]
    assert adapter_digest(folder.checkpoint(this.budgets[0])) != adapter_digest(folder.checkpoint(this.budgets[1]))
    assert events[-1] == {"done": metrics[-1].tokens, "total": metrics[-1].tokens, "unit": "tokens"} | {
        "loss": metrics[-1].loss
    }
    assert network.trained is None


def test_first_loss_of_dpo_is_ln_2_and_of_kl_is_sft(network, tmp_path):
    first = {}
    for name in ("dpo", "kl", "sft"):
        folder = tiny_world.folder(tmp_path / name)
        train(job(network, name, budgets=(1,)), folder, network)
        first[name] = lines(folder.metrics_jsonl)[0]
    assert first["dpo"].loss == pytest.approx(math.log(2), rel=1e-5)
    assert first["kl"].objective["kl"] == pytest.approx(0, abs=1e-7)
    assert first["kl"].loss == pytest.approx(first["sft"].loss, rel=1e-6)


def test_kto_holds_responses_against_the_kl_of_the_step_before_and_goes_on_with_it(network, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "STATE_EVERY", 3)
    this = job(network, "dpo", objective=KTO())
    train(this, tiny_world.folder(tmp_path / "whole"), network)
    own = [m.objective for m in lines(tmp_path / "whole/metrics.jsonl")]
    assert own[0]["kl"] == pytest.approx(0, abs=1e-5)
    assert own[-1]["kl"] > 0.1
    assert [o["reference_point"] for o in own] == pytest.approx([0.0, *(o["kl"] for o in own[:-1])])
    assert lines(tmp_path / "whole/metrics.jsonl")[0].loss == pytest.approx(0.5, rel=1e-5)
    assert own[-1]["reward_chosen"] > own[-1]["reward_rejected"]

    def stop(event):
        if event["unit"] == "tokens" and event["done"] >= this.stream.tokens_after[4]:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(this, tiny_world.folder(tmp_path / "stopped"), network, stop)
    train(this, tiny_world.folder(tmp_path / "stopped"), network)
    assert tiny_world.contents(tmp_path / "stopped") == tiny_world.contents(tmp_path / "whole")


def test_both_sides_and_the_margin_are_logged(network, tmp_path):
    for name in SIX:
        train(job(network, name, budgets=(2,)), tiny_world.folder(tmp_path / name), network)
        line = lines(tmp_path / name / "metrics.jsonl")[-1]
        about = lines(tmp_path / name / "checkpoints.jsonl")[-1]
        assert line.chosen_logp < line.chosen_logp_per_token < 0
        if name in ("dpo", "orpo"):
            assert line.margin == pytest.approx(line.chosen_logp - line.rejected_logp, rel=1e-5)
        else:
            assert (line.rejected_logp is None) == (name != "cft")
        for key in ("chosen_logp", "rejected_logp", "margin", "chosen_logp_per_token"):
            assert math.isfinite(about.distance[key])
            assert about.distance[key] != about.distance[f"base_{key}"]


def test_learning_rate_0_leaves_the_base_untouched(network, tmp_path):
    folder = tiny_world.folder(tmp_path)
    this = job(network, "sft", learning_rate=0.0, weight_decay=0.1)
    train(this, folder, network)
    adapters.load(network, folder.checkpoint(this.budgets[-1]))
    assert all((p == 0).all() for name, p in adapters.trainable(network).items() if "lora_B" in name)
    about = lines(folder.root / "checkpoints.jsonl")[-1]
    assert about.distance["kl_base"] == 0
    assert about.distance["adapter_norm"] == 0
    assert about.distance["margin"] == about.distance["base_margin"]


@pytest.mark.parametrize("schedule", ["linear", "wsd"])
def test_a_decaying_schedule_refuses_several_budgets_in_one_run(network, tmp_path, schedule):
    with pytest.raises(UserError, match="run of its own"):
        job(network, "sft", schedule=schedule)
    folder = tiny_world.folder(tmp_path)
    train(job(network, "sft", budgets=(12,), schedule=schedule), folder, network)
    rates = [m.lr for m in lines(folder.metrics_jsonl)]
    assert rates[:2] == [2.5e-3, 5e-3]
    assert rates == [*rates[:2], *sorted(rates[2:], reverse=True)]
    assert 0 < rates[-1] < 5e-3


def test_clipping_is_counted(network, tmp_path):
    folder = tiny_world.folder(tmp_path)
    train(job(network, "sft", clip=1e-3), folder, network)
    assert all(m.clipped for m in lines(folder.metrics_jsonl))
    assert lines(folder.root / "checkpoints.jsonl")[-1].clipped_share == 1


def test_dropout_is_keyed_and_leaves_the_global_stream_alone(network, tmp_path):
    lora = LoraSpec(rank=4, alpha=8, dropout=0.5)
    before = torch.random.get_rng_state()
    train(job(network, "sft", lora=lora), tiny_world.folder(tmp_path / "a"), network)
    assert torch.equal(before, torch.random.get_rng_state())
    torch.manual_seed(1)
    train(job(network, "sft", lora=lora), tiny_world.folder(tmp_path / "b"), network)
    assert tiny_world.contents(tmp_path / "a") == tiny_world.contents(tmp_path / "b")
    train(job(network, "sft"), tiny_world.folder(tmp_path / "c"), network)
    assert lines(tmp_path / "a/metrics.jsonl")[-1].loss != lines(tmp_path / "c/metrics.jsonl")[-1].loss


# -- what must not pass silently ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Broken(SFT):
    """Gives a number that is not finite in the third step."""

    kind: str = "loss"

    def loss(self, scores, counts):
        loss, totals = super().loss(scores, counts)
        Broken.calls += 1
        if Broken.calls < 3:
            return loss, totals
        return (loss * float("inf") if self.kind == "loss" else _Explode.apply(loss)), totals


class _Explode(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, *grads):
        return grads[0] * float("nan")


@pytest.mark.parametrize("kind", ["loss", "gradient"])
def test_a_loss_or_gradient_that_is_not_finite_raises_and_names_step_and_rows(network, tmp_path, kind):
    Broken.calls = 0
    folder = tiny_world.folder(tmp_path)
    this = job(network, "sft", budgets=(2, 6), objective=Broken(kind=kind))
    with pytest.raises(
        Diverged, match=f"sft with seed 0 stopped at step 3 of 6: the {kind} is .*; lower its learning rate, "
    ) as raised:
        train(this, folder, network)
    assert this.stream.steps[2][0].id in str(raised.value)
    assert isinstance(raised.value, UserError)
    assert "\n" not in str(raised.value)
    # What was saved before is sound, and nothing claims to be done.
    assert folder.checkpoint(this.budgets[0]).exists()
    assert not folder.done.exists()
    assert all(math.isfinite(m.loss) for m in lines(folder.metrics_jsonl))
    assert network.trained is None


class TooLarge(SFT):
    def loss(self, scores, counts):
        torch.empty(1 << 60)


def test_too_little_memory_is_a_sentence_with_the_setting_that_helps(network, tmp_path):
    objective = TooLarge()
    with pytest.raises(UserError, match=r"memory does not do for training sft, a row at a time: set `max_tokens`"):
        train(job(network, "sft", objective=objective), tiny_world.folder(tmp_path), network)


def test_broken_weights_raise(network, tmp_path):
    with torch.no_grad():
        network.model.model.layers[0].mlp.up_proj.weight[0, 0] = float("nan")
    with pytest.raises(Diverged, match=r"layers\.0\.mlp\.up_proj\.weight holds numbers that are not finite"):
        train(job(network, "sft"), tiny_world.folder(tmp_path), network)


def test_a_head_that_does_not_fit_is_refused_before_training(network, tmp_path, monkeypatch):
    from holdfast.models import frozen

    true = frozen.Head.logits
    monkeypatch.setattr(frozen.Head, "logits", lambda self, hidden: true(self, hidden) * 1.1)
    with pytest.raises(UserError, match="head: full"):
        train(job(network, "sft"), tiny_world.folder(tmp_path), network)
    assert not (tmp_path / "metrics.jsonl").exists()


def test_another_job_in_the_folder_is_refused(network, tmp_path):
    folder = tiny_world.folder(tmp_path)
    train(job(network, "sft"), folder, network)
    with pytest.raises(UserError, match="learning_rate"):
        train(job(network, "sft", learning_rate=1e-3, budgets=(4, 14)), folder, network)


def test_a_full_disk_is_one_sentence(network, tmp_path):
    (tmp_path / "timing.jsonl").symlink_to("/dev/full")
    with pytest.raises(UserError, match="disk is full"):
        train(job(network, "sft"), tiny_world.folder(tmp_path), network)
    (tmp_path / "timing.jsonl").unlink()
    train(job(network, "sft"), tiny_world.folder(tmp_path), network)
    assert (tmp_path / "DONE").exists()


def test_a_second_process_on_the_folder_is_refused(network, tmp_path):
    from holdfast.store.locks import lock

    with lock(tmp_path), pytest.raises(UserError, match="another process"):
        train(job(network, "sft"), tiny_world.folder(tmp_path), network)


def test_an_objective_that_does_not_need_progress_gets_none_and_one_that_does_gets_it(network, tmp_path):
    seen = []

    @dataclass(frozen=True)
    class Scheduled(SFT):
        asks: bool = True

        @property
        def needs(self):
            return replace(super().needs, progress=self.asks)

        def loss(self, scores, counts):
            seen.append(counts.progress)
            return super().loss(scores, counts)

    with pytest.raises(UserError, match="run of its own"):
        job(network, "sft", objective=Scheduled())
    train(job(network, "sft", budgets=(3,), objective=Scheduled()), tiny_world.folder(tmp_path / "a"), network)
    assert seen[0] == 0
    assert seen == sorted(seen)
    assert seen[-1] < 1
    seen.clear()
    train(job(network, "sft", objective=Scheduled(asks=False)), tiny_world.folder(tmp_path / "b"), network)
    assert all(math.isnan(p) for p in seen)


def test_metrics_hold_no_times(network, tmp_path):
    folder = tiny_world.folder(tmp_path)
    train(job(network, "sft", budgets=(2,)), folder, network)
    assert set(json.loads(folder.timing_jsonl.read_text().splitlines()[0])) == {"step", "tokens", "seconds"}
    assert "seconds" not in folder.metrics_jsonl.read_text()


def test_a_strangers_objective_trains(network, tmp_path, monkeypatch):
    from pathlib import Path

    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "examples" / "seventh-objective"))
    from holdfast_unlikelihood import Unlikelihood

    folder = tiny_world.folder(tmp_path)
    train(job(network, "dpo", objective=Unlikelihood()), folder, network)
    metrics = lines(folder.metrics_jsonl)
    assert metrics[-1].loss < metrics[0].loss
    assert metrics[-1].margin > metrics[0].margin
    assert all(math.isfinite(m.objective["unlikelihood"]) for m in metrics)
    assert read_json(folder.config_json)["objective"]["name"] == "unlikelihood"


@pytest.mark.parametrize("name", ["DONE", "config.json", "controls.json", "checkpoints.jsonl"])
def test_deleted_files_of_a_finished_run_are_made_again(network, tmp_path, name):
    folder, this = tiny_world.folder(tmp_path), job(network, "sft")
    train(this, folder, network)
    assert finished(folder, this.budgets)
    file = folder.root / name
    before = file.read_bytes()
    file.unlink()
    assert not finished(folder, this.budgets)
    train(this, folder, network)
    assert file.read_bytes() == before
