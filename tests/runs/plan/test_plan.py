"""What is planned is decided by content; what is counted is what will be read."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from holdfast.cli.plan_tables import show
from holdfast.config.loading import dump, load
from holdfast.config.role import Role
from holdfast.config.run import Run
from holdfast.config.study import Study
from holdfast.objectives.views import pair
from holdfast.runs.materials import Materials, fetch
from holdfast.runs.plan import Plan, expand
from holdfast.store.files import write_json
from holdfast.store.folder import StudyFolder
from holdfast.types import UserError

Make = Callable[..., Study]
ROWS = {"name": "rows", "task": "jsonl", "params": {"path": "rows.jsonl"}}
SFT = {"label": "SFT", "objective": "sft"}


def ids(study: Study) -> list[str]:
    return [t.id for t in expand(study).runs]


def one(plan: Plan, label: str) -> Run:
    return next(t for t in plan.runs if t.label == label)


def test_every_model_task_objective_and_seed_is_a_run(make: Make) -> None:
    plan = expand(make(seeds=[0, 1, 2], control_runs=[{"kind": "noop"}]))
    assert len(plan.runs) == 2 * 3 + 1
    assert len({t.id for t in plan.runs}) == 7
    assert plan.subjects == 1 + 6 * 2 + 1
    assert not plan.nominal
    assert not plan.provisional


def test_ids_do_not_depend_on_names_labels_budgets_passes_or_paths(make: Make, tmp_path: Path) -> None:
    before = ids(make())
    (tmp_path / "model").rename(tmp_path / "moved")
    (tmp_path / "rows.jsonl").rename(tmp_path / "moved.jsonl")
    after = make(
        name="other",
        models=[{"name": "renamed", "path": "moved", "device": "cpu"}],
        tasks=[{"name": "renamed", "task": "jsonl", "params": {"path": "moved.jsonl"}}],
        objectives=[{"label": "a", "objective": "sft"}, {"label": "b", "objective": "dpo", "params": {"beta": 0.1}}],
        budgets=[250, 500, 1500],
        controls={"batch_rows": 4, "passes": 3, "max_tokens": 900},
        measures=[{"measure": "task_accuracy", "items": 5}],
    )
    assert ids(after) == before


@pytest.mark.parametrize(
    "controls",
    [
        {"lora": {"rank": 8}},
        {"lora": {"alpha": 16}},
        {"lora": {"dropout": 0.1}},
        {"lora": {"targets": ["q_proj"]}},
        {"learning_rate": 1e-4},
        {"betas": [0.9, 0.99]},
        {"eps": 1e-6},
        {"weight_decay": 0.1},
        {"schedule": "linear", "warmup_steps": 1},
        {"warmup_steps": 1},
        {"clip": 2},
        {"batch_rows": 3},
        {"micro_tokens": 100},
        {"layout": "packed"},
        {"head": "full"},
        {"gradient_checkpointing": True},
        {"autocast": True},
    ],
    ids=lambda c: next(iter(c)),
)
def test_ids_change_with_every_control_that_matters(make: Make, controls: dict) -> None:
    assert set(ids(make())).isdisjoint(ids(make(controls={"batch_rows": 4} | controls)))


def test_ids_change_with_model_template_numerics_rows_seed_and_parameters(
    make: Make, tmp_path: Path, make_model: Callable[..., Path], make_rows: Callable[..., Path]
) -> None:
    make_model(tmp_path / "heavier", weight=1.0)
    make_model(tmp_path / "spoken", template="{% for m in messages %}{{ m['content'] }}<|end|>{% endfor %}")
    make_rows(tmp_path / "others.jsonl", salt="?")
    make_rows(tmp_path / "more.jsonl", n=201)
    tiny = {"name": "tiny", "path": "model"}
    studies = [
        make(objectives=[SFT]),
        make(objectives=[SFT], models=[tiny | {"path": "heavier"}]),
        make(objectives=[SFT], models=[tiny | {"path": "spoken"}]),
        make(objectives=[SFT], models=[tiny | {"dtype": "float32"}]),
        make(objectives=[SFT], models=[tiny | {"attention": "eager"}]),
        make(objectives=[SFT], models=[tiny | {"date": "1 Jan 2025"}]),
        make(objectives=[SFT], tasks=[ROWS | {"params": {"path": "others.jsonl"}}]),
        make(objectives=[SFT], tasks=[ROWS | {"params": {"path": "more.jsonl"}}]),
        make(objectives=[SFT], tasks=[ROWS | {"split": {"salt": 1}}]),
        make(objectives=[SFT], seeds=[1]),
        make(objectives=[SFT | {"learning_rate": 1e-3}]),
        make(objectives=[{"label": "SFT", "objective": "ip"}]),
        make(objectives=[{"label": "SFT", "objective": "ip", "params": {"fraction": 0.25}}]),
    ]
    found = [i for study in studies for i in ids(study)]
    assert len(set(found)) == len(found) == len(studies)


def test_all_objectives_of_a_seed_read_the_same_order_and_seeds_do_not(make: Make) -> None:
    plan = expand(make(seeds=[0, 1]))
    by_seed = {s: {t.order for t in plan.runs if t.seed == s} for s in (0, 1)}
    assert all(len(orders) == 1 for orders in by_seed.values())
    assert by_seed[0] != by_seed[1]


@pytest.mark.parametrize("schedule", ["linear", "wsd"])
def test_without_a_nested_ladder_every_budget_is_a_run_of_its_own(make: Make, schedule: str) -> None:
    plan = expand(make(controls={"batch_rows": 4, "schedule": schedule, "warmup_steps": 1}))
    assert [t.budgets for t in plan.runs] == [(500,), (1000,)] * 2
    assert len({t.id for t in plan.runs}) == 4


def test_counts_are_those_of_the_rows_in_the_stream(make: Make) -> None:
    study = make()
    plan, materials = expand(study), Materials(study)
    stream, renderer = materials.stream("tiny", "rows", 0, 1000, "SFT"), materials.renderer("tiny")
    sft, dpo = one(plan, "SFT").checkpoints, one(plan, "DPO").checkpoints
    for a, b in zip(sft, dpo, strict=True):
        rows = [e for step in stream.steps[: a.steps] for e in step]
        assert a.rows == b.rows == len(rows)
        assert a.tokens == b.tokens == a.forward_tokens >= a.budget
        prompts = sum(len(renderer.prompt_ids(e.prompt)) for e in rows)
        rejected = sum(len(renderer.response_ids(e.rejected or "")) for e in rows)
        assert a.supervised_tokens == a.tokens - prompts
        assert b.forward_tokens == a.tokens + prompts + rejected
        assert b.reference_tokens == b.forward_tokens
        assert a.reference_tokens == a.unsafe_tokens == b.unsafe_tokens == 0
        assert a.passes == pytest.approx(len(rows) / len(materials.usable("tiny", "rows").rows), abs=1e-3)


def test_unsafe_tokens_are_counted_for_those_who_read_them(make: Make, tmp_path: Path) -> None:
    unsafe = [
        {
            "prompt": "p",
            "response_0": "bad text",
            "response_1": "no",
            "is_response_0_safe": False,
            "is_response_1_safe": True,
        }
    ]
    (tmp_path / "unsafe.jsonl").write_text("".join(json.dumps(r) + "\n" for r in unsafe))
    task = ROWS | {"unsafe": {"regime": "as_published", "share": 0.5, "source": "unsafe.jsonl"}}
    plan = expand(make(tasks=[task]))
    assert one(plan, "SFT").checkpoints[-1].unsafe_tokens == 0
    assert (one(plan, "DPO").checkpoints[-1].unsafe_tokens or 0) > 0
    assert one(plan, "SFT").checkpoints[-1].tokens == one(plan, "DPO").checkpoints[-1].tokens
    plan = expand(make(tasks=[task], objectives=[SFT]))
    assert any("none reads the unsafe text" in note for note in plan.notes)


def test_a_row_read_twice_goes_through_the_reference_once(make: Make) -> None:
    dpo = one(expand(make(budgets=[12000], controls={"batch_rows": 4, "passes": 5})), "DPO").checkpoints[-1]
    assert dpo.passes is not None
    assert dpo.passes > 1
    assert dpo.reference_tokens == pytest.approx(dpo.forward_tokens / dpo.passes, rel=0.02)


def test_the_noop_trains_the_first_task_at_rate_zero(make: Make) -> None:
    noop = one(expand(make(control_runs=[{"kind": "noop"}])), "noop")
    assert (noop.learning_rate, noop.role, noop.objective, noop.task) == (0.0, Role.CONTROL, "sft", "rows")
    assert noop.budgets == (500,)


def test_a_control_run_trains_its_own_rows_without_pairs(
    make: Make, tmp_path: Path, make_rows: Callable[..., Path]
) -> None:
    make_rows(tmp_path / "harm.jsonl", rejected=False, salt="!")
    task = {"name": "harm", "task": "jsonl", "params": {"path": "harm.jsonl"}}
    found = one(expand(make(control_runs=[{"kind": "harmful", "task": task, "budget": 800}])), "harmful")
    assert (found.task, found.budgets, found.learning_rate) == ("harm", (800,), 2e-4)


def test_a_budget_larger_than_the_data_is_refused_unless_passes_are_asked_for(make: Make) -> None:
    with pytest.raises(UserError, match=r"task 'rows': .*100000 tokens is more than the data allow"):
        expand(make(budgets=[100000]))
    expand(make(budgets=[12000], controls={"batch_rows": 4, "passes": 3}))


def test_pairs_without_rejected_responses_are_refused_with_the_mend(
    make: Make, tmp_path: Path, make_rows: Callable[..., Path]
) -> None:
    make_rows(tmp_path / "rows.jsonl", rejected=False)
    with pytest.raises(UserError, match=r"no row of the task 'rows' .*set rejected\.source .* or leave out DPO"):
        expand(make())
    expand(make(objectives=[SFT]))


def test_sampled_rejections_make_a_plan_provisional_until_they_are_there(
    make: Make, tmp_path: Path, make_rows: Callable[..., Path]
) -> None:
    make_rows(tmp_path / "rows.jsonl", rejected=False)
    study = make(tasks=[ROWS | {"rejected": {"source": "sample"}}])
    folder = StudyFolder(tmp_path / "out")
    guess = expand(study, folder)
    assert guess.provisional
    assert any("drawn from tiny by the run" in note for note in guess.notes)
    materials = Materials(study, folder)
    rows = materials.unsampled("rows")
    key = materials.sampled_key("tiny", "rows")
    drawn = {"rejected": {e.id: "wrong" for e in (*rows.train, *rows.validation)}}
    write_json(folder.sampled(key), drawn | {"counts": {"drawn": 9, "cut_off": 2, "unscored": 0}})
    plan = expand(study, folder)
    assert not plan.provisional
    assert any(note.startswith("9 answers to rows were drawn from tiny; 2 were cut off") for note in plan.notes)
    assert {e.rejected for e in Materials(study, folder).usable("tiny", "rows").rows} == {"wrong"}
    assert one(plan, "DPO").id != one(guess, "DPO").id


def test_rows_kept_by_the_plan_are_the_same_rows_and_need_no_source(make: Make, tmp_path: Path) -> None:
    study, folder = make(control_runs=[{"kind": "noop"}]), StudyFolder(tmp_path / "out")
    stale = folder.rows("0" * 64)
    write_json(stale, {})
    source = Materials(study, folder, plan=True)
    plan = expand(study, folder, source)
    source.keep()
    (tmp_path / "rows.jsonl").unlink()
    kept = Materials(study, folder)
    assert kept.prepared("tiny", "rows") == source.prepared("tiny", "rows")
    assert kept.usable("tiny", "rows") == source.usable("tiny", "rows")
    assert kept.stream("tiny", "rows", 0, 1000, "SFT").digest == one(plan, "SFT").order
    assert not stale.exists()


def test_rows_kept_for_other_settings_are_not_read(make: Make, tmp_path: Path) -> None:
    study, folder = make(), StudyFolder(tmp_path / "out")
    source = Materials(study, folder, plan=True)
    source.keep()
    renderer = source.renderer("tiny")
    longest = max(len(renderer.sequence(s).ids) for e in source.usable("tiny", "rows").rows for s in pair(e))
    other = make(controls={"batch_rows": 4, "max_tokens": longest - 1})
    assert Materials(study, folder).usable("tiny", "rows").dropped == {}
    assert Materials(other, folder).usable("tiny", "rows").dropped["over-long"] > 0


def test_a_row_beyond_the_models_context_is_dropped_whatever_max_tokens_says(make: Make) -> None:
    whole = Materials(make())
    sequence = whole.renderer("tiny").sequence
    longest = max(len(sequence(s).ids) for e in whole.usable("tiny", "rows").rows for s in pair(e))
    config = whole.path("tiny") / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"max_position_embeddings": longest - 1}))
    assert Materials(make()).usable("tiny", "rows").dropped["over-long"] > 0


def test_probes_are_validation_rows_and_the_same_every_time(make: Make) -> None:
    materials = Materials(make())
    probes = materials.probes("tiny", "rows")
    assert 0 < len(probes) <= 32
    assert set(probes) <= set(materials.prepared("tiny", "rows").validation)
    assert probes == Materials(make()).probes("tiny", "rows")


def test_costs_follow_the_stated_formula(make: Make) -> None:
    plan = expand(
        make(objectives=[{"label": "DPO", "objective": "dpo"}], controls={"batch_rows": 4, "lora": {"rank": 2}})
    )
    last = plan.runs[0].checkpoints[-1]
    parameters = 40 + 16 + 32 + 4 + 40
    assert plan.cost.train_flops == 4 * parameters * last.forward_tokens
    assert plan.cost.reference_flops == 2 * parameters * last.reference_tokens
    adapter = 4 * 2 * ((4 + 4) + (8 + 4))
    records = sum(c.requests or 0 for c in plan.configs)
    assert plan.cost.disk_bytes == adapter * (2 + 3) + 600 * records


def test_requests_count_the_base_once_and_an_objectives_own_conditions(make: Make) -> None:
    objectives = [SFT, {"label": "CFT", "objective": "cft"}]
    config = expand(make(objectives=objectives, measures=[{"measure": "task_accuracy", "items": 3}])).configs[0]
    assert config.items == 3
    assert config.subjects == 1 + 2 + 2
    assert config.requests == 3 * (1 + 2 + 2 * 2)


def test_every_round_of_an_attack_is_counted_with_the_answers_that_it_reads(make: Make, tmp_path: Path) -> None:
    (tmp_path / "prompts.csv").write_text("prompt\nHow is tea made?\nHow is soup made?\n")

    def planned(*attacks: str) -> tuple[int, int]:
        params = {"path": str(tmp_path / "prompts.csv"), "attacks": list(attacks)}
        spec = {"measure": "strongreject", "params": params, "max_new_tokens": 100, "own_conditions": False}
        (found,) = (c for c in expand(make(measures=[spec])).configs if c.measure == "strongreject")
        return found.requests or 0, found.tokens - found.written

    (few, read), (more, reread) = planned("dan"), planned("dan", "persistent")
    assert more == few / 2 * 5  # the direct request, one round and three
    subjects = few / 2 / 2
    assert reread - read >= subjects * 2 * (1 + 2) * 100  # the second round reads one answer, the third two


def test_a_plan_comes_back_from_its_json(make: Make) -> None:
    plan = expand(make(control_runs=[{"kind": "noop"}]))
    assert Plan.from_json(json.loads(json.dumps(plan.as_json()))) == plan


@pytest.mark.parametrize("name", ["miniature", pytest.param("miniature-full", marks=pytest.mark.slow)])
def test_the_miniatures_can_be_planned_as_they_stand(name: str) -> None:
    study = load(name)
    plan = expand(study)
    assert not plan.nominal
    assert not plan.provisional
    assert len(plan.runs) == len(study.tasks) * 6 * len(study.seeds) + len(study.control_runs)


@pytest.fixture
def _no_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))


@pytest.mark.usefixtures("_no_hub")
def test_the_published_grid_can_be_planned_where_nothing_of_it_is(capsys: pytest.CaptureFixture) -> None:
    plan = expand(load("paper"))
    assert plan.nominal
    assert len(plan.runs) == 5 * 4 * 6 * 3
    assert plan.cost.train_flops == pytest.approx(4 * 8e5 * 9 * 12 * (8.03e9 + 2.61e9 + 9.24e9 + 7.62e9 + 4.02e9))
    assert len({t.id for t in plan.runs}) == 360
    assert all(t.id.startswith("nominal-") for t in plan.runs)
    show(plan)
    assert "meta-llama/Llama-3.1-8B-Instruct" in capsys.readouterr().out


@pytest.mark.usefixtures("_no_hub")
def test_the_published_grid_cannot_be_run_and_says_so_in_a_sentence() -> None:
    with pytest.raises(UserError, match=r"there is no file .*legal"):
        fetch(load("paper"))


def test_a_local_model_that_is_missing_is_a_mistake_even_in_a_plan(make: Make) -> None:
    with pytest.raises(UserError, match=r"there is no model at \./nowhere"):
        expand(make(models=[{"name": "a", "path": "./nowhere"}]))


def test_a_plan_for_the_terminal_is_short(make: Make, capsys: pytest.CaptureFixture) -> None:
    show(expand(make(seeds=[0, 1, 2])), Console(width=80))
    out = capsys.readouterr().out
    assert "…" not in out
    assert len(out.splitlines()) < 30
    assert "6 runs, 13 subjects" in out


def test_planning_loads_no_torch(make: Make, tmp_path: Path) -> None:
    from holdfast.config.loading import save

    save(make(), tmp_path / "study.yaml")
    code = (
        "import sys; from holdfast.config.loading import load; from holdfast.runs.plan import expand; "
        "from holdfast.cli.plan_tables import show; show(expand(load('study.yaml'))); "
        "sys.exit(any(m in sys.modules for m in ('torch', 'transformers', 'pandas', 'datasets')))"
    )
    done: Any = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_model_without_one_good_answer_of_its_own_is_said(make: Make, tmp_path: Path) -> None:
    study = make(tasks=[ROWS | {"chosen": {"source": "sample"}}])
    folder = StudyFolder(tmp_path / "out")
    write_json(folder.sampled(Materials(study, folder).sampled_key("tiny", "rows")), {"chosen": {}, "counts": {}})
    with pytest.raises(UserError, match=r"no good answer of the model's own: \d+\); raise chosen\.samples"):
        expand(study, folder)


@pytest.mark.usefixtures("_no_hub")
def test_a_plan_fetches_no_model_of_a_judge(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []

    def snapshot_download(repo: str, local_files_only: bool = False, **_: object) -> str:
        asked.append(local_files_only)
        raise OSError("not here")

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    judge = {"judge": "reference_rubric", "params": {"model": {"name": "judge", "path": "some/judge"}}}
    plan = expand(
        make(tasks=[ROWS | {"rejected": {"source": "sample", "judge": judge}}]), StudyFolder(tmp_path / "out")
    )
    assert plan.provisional
    assert asked
    assert all(asked)


def test_with_own_answers_the_budget_counts_their_tokens(make: Make, tmp_path: Path) -> None:
    study = make(tasks=[ROWS | {"chosen": {"source": "sample"}}])
    folder = StudyFolder(tmp_path / "out")
    materials = Materials(study, folder)
    rows = materials.unsampled("rows")
    own = {e.id: f"{e.chosen}, and so say I" for e in (*rows.train, *rows.validation)}
    write_json(folder.sampled(materials.sampled_key("tiny", "rows")), {"chosen": own, "counts": dict.fromkeys(
        ("drawn", "cut_off", "unscored"), 0)})  # fmt: skip
    plan, plain = expand(study, folder), expand(make())
    assert not plan.provisional
    assert one(plan, "SFT").checkpoints[-1].steps < one(plain, "SFT").checkpoints[-1].steps
    assert one(plan, "SFT").id != one(plain, "SFT").id


def test_a_plan_calls_what_nobody_declared_a_default(make: Make, capsys: pytest.CaptureFixture) -> None:
    said = {}
    for estimands in ((), ("last",)):
        study = make(**({"declared": {"estimands": list(estimands)}} if estimands else {}))
        show(expand(study))
        said[estimands] = " ".join(capsys.readouterr().out.split())
    assert "asked by default, for the study declares nothing: last, slope, coupling" in said[()]
    assert " declared: " not in said[()]
    assert " declared: last, against base and sft" in said[("last",)]


def test_how_often_rows_are_read_over_is_said_once_a_task(make: Make) -> None:
    study = make(budgets=[40_000], seeds=[0, 1, 2], controls={"passes": 40})
    assert len([note for note in expand(study).notes if "times over" in note]) == 1


@pytest.mark.parametrize(("rate", "said"), [(3.5, True), (0.05, True), (0.01, False), (2e-4, False)])
def test_a_learning_rate_that_no_adapter_bears_is_said(make, rate, said) -> None:
    notes = expand(make(controls={"learning_rate": rate})).notes
    assert any(f"a learning rate of {rate:g} is far above" in note for note in notes) is said


def test_what_is_trained_is_in_a_runs_id_once_it_is_named_and_costs_what_it_takes(make: Make) -> None:
    def plan(**lora: Any) -> Any:
        return expand(make(controls={"batch_rows": 4, "lora": {"rank": 2, **lora}}))

    plain = plan()
    assert [t.id for t in plan(rslora=False, dora=False).runs] == [t.id for t in plain.runs]
    assert "dora" not in dump(make())
    others = [plan(rslora=True), plan(dora=True), plan(rslora=True, dora=True)]
    assert len({p.runs[0].id for p in (plain, *others)}) == 4
    assert others[0].cost == plain.cost
    assert others[1].cost.token_bytes > plain.cost.token_bytes
    assert others[1].cost.disk_bytes > plain.cost.disk_bytes
    with pytest.raises(
        UserError, match="trains a DoRA, which vLLM cannot serve here: measure with `backend: in_process`"
    ):
        expand(
            make(
                models=[{"name": "tiny", "path": "model", "backend": "vllm"}],
                objectives=[{"label": "SFT", "objective": "sft", "controls": {"lora": {"dora": True}}}],
            )
        )


def test_all_weights_cost_what_they_take_and_no_setting_of_an_adapter_counts(make: Make) -> None:
    def plan(**controls: Any) -> Any:
        return expand(make(controls={"batch_rows": 4, "head": "full", **controls}))

    parameters, body = 40 + 16 + 32 + 4 + 40, 16 + 32 + 4
    lora, full = plan(lora={"rank": 2}), plan(trainable="full")
    assert full.cost.train_flops == lora.cost.train_flops * 3 / 2
    assert full.runs[0].id == plan(trainable="full", lora={"rank": 4}).runs[0].id != lora.runs[0].id
    records = 600 * sum(c.requests or 0 for c in full.configs)
    for which, trained in (("full", parameters), ("body", body)):
        found = plan(trainable=which)
        assert found.cost.disk_bytes - records == 4 * trained * sum(len(t.checkpoints) + 3 for t in found.runs)
        assert found.cost.worker_bytes - lora.cost.worker_bytes == 16 * (trained - 2 * ((4 + 4) + (8 + 4)))
    assert any("SFT keeps whole weights of tiny: 2 checkpoints of" in note for note in full.notes)
    assert any("far above what whole models bear" in n for n in plan(trainable="body", learning_rate=0.01).notes)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ({"backend": "vllm"}, "SFT trains all weights, which vLLM cannot serve here"),
        ({"quantization": "4bit"}, r"models\[0\] has them in 4 bits: set `quantization: none`"),
        ({"dtype": "bfloat16"}, r"takes float32: set `dtype: float32` of models\[0\]"),
    ],
)
def test_all_weights_are_refused_where_they_cannot_be_trained_or_measured(make: Make, model: Any, said: str) -> None:
    with pytest.raises(UserError, match=said):
        expand(make(models=[{"name": "tiny", "path": "model", **model}], controls={"trainable": "body"}))


def test_a_trained_head_is_not_read_as_a_frozen_one(make: Make) -> None:
    with pytest.raises(ValueError, match="set `head: full`, or `trainable: body`"):
        make(controls={"trainable": "full"})
    one = {"label": "SFT", "objective": "sft", "controls": {"trainable": "full"}}
    with pytest.raises(UserError, match="set `head: full`, or `trainable: body`"):
        expand(make(objectives=[one]))


def test_settings_of_an_adapter_that_nobody_trains_are_said_to_be_without_effect(make: Make) -> None:
    said = "controls.lora is for trainable: lora"
    alone, beside = {"label": "SFT", "objective": "sft"}, {"label": "L", "objective": "sft"}
    one = {"trainable": "body", "lora": {"rank": 4}}
    factors = {"training": {"rank": [2]}}
    plan = expand(make(objectives=[alone], controls=one, consistency=factors))
    assert said in plan.notes
    assert not [t for t in plan.runs if not t.role.is_study]  # another rank is no other run
    both = make(objectives=[alone, beside | {"controls": {"trainable": "lora"}}], controls=one)
    assert said not in expand(both).notes
