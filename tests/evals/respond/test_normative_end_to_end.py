"""Normative measures all the way on real rows, with a real pretrained network: items to estimates."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from holdfast.analysis.estimates import estimates
from holdfast.analysis.load import configs as read_configs
from holdfast.analysis.load import load_records as read_frame
from holdfast.config.study import ModelSpec, Study
from holdfast.evals.eval_config import configs
from holdfast.evals.judges.judge import JudgeResources
from holdfast.evals.judging import judge_subject, wanted
from holdfast.evals.layout import write_configs
from holdfast.evals.respond import respond_subject
from holdfast.evals.subject import SubjectRow
from holdfast.models.identity import subject_id
from holdfast.store import tables
from holdfast.store.folder import StudyFolder

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.data


@pytest.fixture(scope="module")
def real(need):
    return lambda path: str(need(path))


def jsonl(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


@pytest.fixture(scope="module")
def network(real, tmp_path_factory):
    """stories260K, whose positions are rotary, with room for EQ-Bench's dialogues and a judge's rubric."""
    from holdfast.models.network import load

    folder = tmp_path_factory.mktemp("models") / "stories"
    shutil.copytree(real("models/stories260K"), folder)
    config = json.loads((folder / "config.json").read_text()) | {"max_position_embeddings": 4096}
    (folder / "config.json").write_text(json.dumps(config))
    template = Path(__file__).parents[3] / "studies" / "stories260k.jinja"
    return load(ModelSpec(name="stories", path=str(folder), template=str(template)), threads=1)


@pytest.fixture(scope="module")
def classifier(real, tmp_path_factory):
    """A folder with an untrained head over two labels: what it says is nonsense, but the way there is real."""
    from transformers import AutoTokenizer, LlamaConfig, LlamaForSequenceClassification

    folder = tmp_path_factory.mktemp("classifier")
    AutoTokenizer.from_pretrained(real("models/stories260K")).save_pretrained(folder)
    config = LlamaConfig(
        vocab_size=512, hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=2, max_position_embeddings=256, pad_token_id=2,
        id2label={0: "harmless", 1: "toxic"}, label2id={"harmless": 0, "toxic": 1},
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        LlamaForSequenceClassification(config).save_pretrained(folder)
    return ModelSpec(name="classifier", path=str(folder))


def test_every_normative_measure_from_real_rows_to_estimates(real, network, classifier, tmp_path):
    from holdfast.models.backend import InProcess
    from holdfast.models.classifier import Classifier

    statements = jsonl(
        tmp_path / "annotated_test.jsonl",
        [{"text": f"teapot {n} sings", "target_group": "pots", "toxicity_ai": 1 + n % 5, "toxicity_human": 3.0}
         for n in range(6)],
    )  # fmt: skip
    prompts = jsonl(tmp_path / "prompts.jsonl", [{"prompt": f"The teapot said {n}"} for n in range(4)])
    judge = {"judge": "label_classifier", "params": {"model": classifier.model_dump()}}
    few = {"items": 6, "max_new_tokens": 8}
    measures = [
        {"measure": "eq_bench", "params": {"path": real("eq_bench")}, **few, "items": 3},
        {"measure": "truthfulqa", "params": {"path": real("truthfulqa")}, **few, "items": 3},
        {"measure": "truthfulqa_mc1", "params": {"path": real("truthfulqa")}, **few},
        {"measure": "truthfulqa_mc2", "params": {"path": real("truthfulqa")}, **few},
        {"measure": "winogender", "params": {"path": real("winogender")}, **few, "items": 24},
        {"measure": "toxigen", "params": {"path": statements}, **few},
        {"measure": "toxic_continuations", "params": {"path": prompts}, "judges": [judge], **few},
    ]
    study = Study.model_validate(
        {
            "name": "s",
            "models": [{"name": "stories", "path": network.spec.path}],
            "tasks": [{"name": "sums", "task": "jsonl"}],
            "objectives": [{"label": "sft", "objective": "sft"}],
            "budgets": [1000],
            "measures": measures,
        }
    )
    found = configs(study, {})
    folder = StudyFolder(tmp_path / "study")
    write_configs(folder, found)
    row = SubjectRow(subject_id(network.digest, network.renderer.digest), "stories")
    backend = InProcess(network)
    respond_subject(backend, network.renderer, row, found, folder)
    for wants in wanted(found):
        resources = JudgeResources(backend, row.speaker(folder.root), Classifier(classifier))
        judge_subject(row, found, folder, wants=wants, resources=resources)
    tables.write(folder.subjects, "subjects", [row])

    table = estimates(read_frame(folder), read_configs(folder), study)
    level = table.set_index(["measure", "judge", "metric", "condition"]).sort_index()
    assert level.loc[("eq_bench", "own", "parseable", "macro"), "value"] == 0  # it tells stories
    assert level.loc[("eq_bench", "own", "unscored", "macro"), "value"] == 1
    assert level.loc[("eq_bench", "own", "with_zeros", "macro"), "value"] == 0
    for measure, metric in (("truthfulqa_mc1", "accuracy"), ("truthfulqa_mc2", "p_true"), ("toxigen", "accuracy")):
        assert 0 <= level.loc[(measure, "own", metric, "macro"), "value"] <= 1
        assert level.loc[(measure, "own", metric, "macro"), "n_unscored"] == 0
    women, men, gap = (
        level.loc[("winogender", "own", *key), "value"]
        for key in (("accuracy", "female"), ("accuracy", "male"), ("gap", "macro"))
    )
    assert gap == pytest.approx(women - men)
    assert level.loc[("winogender", "own", "gotcha", "macro"), "n_prompts"] > 0
    assert level.loc[("truthfulqa", "own", "truthful", "macro"), "n_records"] == 3
    assert ("truthfulqa", "reference_rubric", "unscored", "macro") in level.index
    assert 0 < level.loc[("toxic_continuations", "label_classifier", "toxicity", "macro"), "value"] < 1
