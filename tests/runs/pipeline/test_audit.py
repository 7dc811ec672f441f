"""Audits: what was trained elsewhere is measured as a checkpoint of a study would be, and the gate decides the exit."""

from __future__ import annotations

import html
import json
import re
import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from holdfast.analysis import estimates_file
from holdfast.analysis.estimates_file import measured
from holdfast.cli.app import app
from holdfast.config import loading
from holdfast.config.study import MeasureSpec, Study
from holdfast.runs import audit, checks, pipeline
from holdfast.store import tables
from holdfast.store.folder import StudyFolder
from holdfast.store.sources import model_folder
from holdfast.types import UserError

BASE = "package:holdfast.miniature/model"
MEASURES = """
- {measure: miniature_robustness, items: 2, max_new_tokens: 12}
- {measure: miniature_dark_triad, items: 6}
"""


@pytest.fixture(scope="module")
def tuned(tmp_path_factory) -> Path:
    """A whole model that was tuned: the base with other weights."""
    folder = tmp_path_factory.mktemp("whole") / "tuned"
    shutil.copytree(model_folder(BASE), folder)
    tensors = {k: v * (1.05 if "mlp" in k else 1.0) for k, v in load_file(folder / "model.safetensors").items()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@pytest.fixture(scope="module")
def audited(two_adapters, tuned, tmp_path_factory):
    """An audit of two adapters and a whole model, by the command, with a gate that fails; and its output."""
    at = tmp_path_factory.mktemp("audit")
    (at / "measures.yaml").write_text(MEASURES)
    (at / "fails.yaml").write_text(
        "- {measure: miniature_robustness, max: 1.0}\n- {measure: miniature_dark_triad, min: 1}"
    )
    one, two = two_adapters
    spec = audit.study(BASE, [f"one={one}", f"two={two}"], measures=at / "measures.yaml")
    whole = audit.study(str(tuned), against=BASE, measures=at / "measures.yaml").given
    loading.save(spec.model_copy(update={"given": (*spec.given, *whole)}), at / "grid.yaml")
    words = ["audit", str(at / "grid.yaml"), "--workers", "1", "--out", str(at / "out"), "--json"]
    return at, words, CliRunner().invoke(app, [*words, "--gate", str(at / "fails.yaml")])


def test_a_gate_that_is_not_kept_is_exit_code_3_and_says_which(audited):
    at, _, done = audited
    assert done.exit_code == 3, done.output
    found = json.loads(done.stdout)
    assert found["gate"]["passed"] is False
    assert {(c["measure"], c["label"], c["passed"]) for c in found["gate"]["checks"]} == {
        ("miniature_robustness", "one", True),
        ("miniature_robustness", "two", True),
        ("miniature_robustness", "tuned", True),
        ("miniature_dark_triad", "one", False),
        ("miniature_dark_triad", "two", False),
        ("miniature_dark_triad", "tuned", False),
    }
    kept = json.loads((at / "out/gate.json").read_text())
    assert {k: kept[k] for k in found["gate"]} == found["gate"]
    assert [b["measure"] for b in kept["bounds"]] == ["miniature_robustness", "miniature_dark_triad"]
    assert (at / "out/report/index.html").stat().st_size > 100_000


def visible(page: Path) -> str:
    text = re.sub(r"<(script|style).*?</\1>", "", page.read_text(encoding="utf-8"), flags=re.S)
    return html.unescape(re.sub(r"<[^>]*>", " ", text))


def test_a_failed_audit_looks_failed_on_the_first_screen(audited):
    at, _, _ = audited
    page = (at / "out/report/index.html").read_text(encoding="utf-8")
    assert "<title>FAILED · " in page
    first = page[: page.index("<h2>The answer</h2>")]
    assert '<div class="gate failed" role="alert">' in first
    assert "The gate FAILED: 3 of " in first
    for label in ("one", "two", "tuned"):
        row = (
            rf'<th scope="row">{label}</th><td>FAILED</td><td[^>]*>0\.\d+</td><td>≥ 1</td><td[^>]*>miniature_dark_triad'
        )
        assert re.search(row, first)


def test_the_page_of_an_audit_is_about_subjects(audited):
    at, _, _ = audited
    said = visible(at / "out/report/index.html")
    for word in ("objective", "training seed", "Recommendation", "learning_rate", "trajectory"):
        assert word.lower() not in said.lower(), re.findall(rf".{{60}}{word}.{{40}}", said, flags=re.I | re.S)[:3]
    assert "subject" in said
    assert "learn at different rates" not in said, "nothing here is compared in capability"
    assert "The frontier" not in said
    for file in (at / "out/report").rglob("*.md"):
        assert "objective" not in file.read_text(encoding="utf-8"), file.name


def test_a_gate_that_names_what_is_not_there_ends_before_anything_is_measured(audited, tmp_path):
    at, words, _ = audited
    (tmp_path / "gate.yaml").write_text("- {measure: miniature_robustness, metric: joy, max: 1.0}")
    words = [w if w != str(at / "out") else str(tmp_path / "out") for w in words]
    done = CliRunner().invoke(app, [*words, "--gate", str(tmp_path / "gate.yaml")])
    assert "metric 'joy'" in str(done.exception)
    assert not (tmp_path / "out").exists()


def test_a_gate_that_is_kept_is_exit_code_0_and_measures_nothing_again(audited):
    at, words, _ = audited
    (at / "passes.yaml").write_text("- {measure: miniature_robustness, max: 1.0}")
    before = {p: p.stat().st_mtime_ns for p in (at / "out/records").rglob("*.parquet") if p.name != "items.parquet"}
    done = CliRunner().invoke(app, [*words, "--gate", str(at / "passes.yaml")])
    assert done.exit_code == 0, done.output
    assert {p: p.stat().st_mtime_ns for p in before} == before


def test_what_is_given_is_measured_against_its_base(audited):
    at, _, _ = audited
    folder = StudyFolder(at / "out")
    subjects = tables.read(folder.subjects, "subjects")
    assert list(subjects["label"]) == ["base", "one", "two", "tuned"]
    assert list(subjects["weights"]) == ["", "", "", "tuned"]
    assert subjects["subject"].nunique() == 4
    e = measured(estimates_file.read(folder))
    compared = e[(e["against"] == "base") & (e["condition"] == "macro") & (e["metric"] == "p_match")]
    assert set(compared["label"]) == {"one", "two", "tuned"}
    assert (compared["value"].abs() > 1e-6).all(), "an adapter that is live, and other weights, move the log-probs"


def test_two_folders_with_the_same_weights_are_refused(two_adapters, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(two_adapters[0], copy)
    (tmp_path / "m.yaml").write_text(MEASURES)
    spec = audit.study(BASE, [f"a={two_adapters[0]}", f"b={copy}"], measures=tmp_path / "m.yaml")
    with pytest.raises(UserError, match=r"^b has the same weights as a: leave one of them out$"):
        pipeline.run(spec, tmp_path / "out", 1, quiet=True)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ([{"label": "x"}], "either an adapter or weights"),
        ([{"label": "base", "adapter": "a"}], "another meaning"),
        ([{"label": "x", "adapter": "a", "model": "other"}], "not among `models`"),
    ],
)
def test_what_is_given_badly_is_refused(given, says):
    with pytest.raises(ValueError, match=says):
        Study(name="a", models=({"name": "m", "path": BASE},), given=given, measures=({"measure": "xstest"},))


def test_a_measure_of_a_task_is_left_out_and_said_or_refused():
    spec = audit.study(BASE, measures=Path("miniature"))
    assert "task_accuracy" in spec.about
    assert "task_accuracy" not in {m.measure for m in spec.measures}
    asked = spec.model_copy(update={"measures": (*spec.measures, MeasureSpec(measure="task_accuracy"))})
    with pytest.raises(UserError, match="task_accuracy is of a task, and this study has none"):
        checks.check(asked)


def test_a_study_with_tasks_and_no_objectives_is_refused(small_study):
    import yaml

    plain = yaml.safe_load(small_study) | {"objectives": []}
    with pytest.raises(ValueError, match="objectives must have at least one entry"):
        Study.model_validate(plain)


@pytest.mark.parametrize("adapters", [["a=x", "a=y"], ["one/final", "two/final"], ["final=x", "two/final"]])
def test_two_adapters_under_one_label_are_refused(adapters):
    with pytest.raises(UserError, match=r"two subjects are given as .*, seed 0, budget 0, and would be averaged"):
        audit.study(BASE, adapters)


def test_an_adapter_that_is_none_is_one_sentence(tmp_path):
    (tmp_path / "m.yaml").write_text(MEASURES)
    spec = audit.study(BASE, [str(tmp_path)], measures=tmp_path / "m.yaml")
    with pytest.raises(UserError, match=r"holds no adapter: it needs adapter_config\.json"):
        pipeline.run(spec, tmp_path / "out", 1, quiet=True)
    assert not (tmp_path / "out").exists()


def test_four_bits_without_their_package_are_refused_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr("holdfast.runs.materials.find_spec", lambda name: None)
    (tmp_path / "m.yaml").write_text(MEASURES)
    spec = audit.study(BASE, measures=tmp_path / "m.yaml")
    four = spec.model_copy(update={"models": (spec.models[0].model_copy(update={"quantization": "4bit"}),)})
    with pytest.raises(UserError, match="bitsandbytes"):
        pipeline.run(four, tmp_path / "out", 1, quiet=True)
    assert not (tmp_path / "out").exists()


def test_four_bits_on_a_processor_are_refused_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr("holdfast.runs.materials.find_spec", lambda name: object())
    (tmp_path / "m.yaml").write_text(MEASURES)
    spec = audit.study(BASE, measures=tmp_path / "m.yaml")
    model = spec.models[0].model_copy(update={"quantization": "4bit", "device": "cpu"})
    with pytest.raises(UserError, match="needs a CUDA GPU"):
        pipeline.run(spec.model_copy(update={"models": (model,)}), tmp_path / "out", 1, quiet=True)
    assert not (tmp_path / "out").exists()
