"""Answers of two backends are two things: neither stands in for the other."""

import json

import pytest
from pydantic import ValidationError

from holdfast.config.study import ModelSpec, Study
from holdfast.evals.eval_config import configs
from holdfast.evals.judges.asking import local_identity
from holdfast.evals.respond import rows

PLAIN = {"name": "tiny", "path": "x"}
VLLM = PLAIN | {"backend": "vllm"}


@pytest.fixture
def study(tmp_path):
    facts = tmp_path / "facts.jsonl"
    facts.write_text("\n".join(json.dumps({"statement": f"Fact {n}.", "answer": n % 2 == 0}) for n in range(6)))
    measure = {"measure": "true_false", "params": {"path": str(facts)}, "own_conditions": False}

    def made(*models):
        return Study.model_validate({"name": "s", "models": models, "measures": [measure]})

    return made


def test_another_backend_is_another_evaluation_with_other_records(study, kit):
    ((first,), (same,), (other,)) = (configs(study(model), {}) for model in (PLAIN, PLAIN, VLLM))
    assert first.id == same.id != other.id
    assert (first.about()["backend"], other.about()["backend"]) == ("in_process", "vllm")
    speaker = kit.base.speaker(None)
    ids = [{row.id for row in rows(config, speaker, None)} for config in (first, other)]
    assert ids[0]
    assert not ids[0] & ids[1]


def test_one_backend_answers_for_all_models(study):
    with pytest.raises(ValidationError, match="the same `backend`"):
        study(PLAIN, VLLM | {"name": "other"})
    assert study(VLLM, VLLM | {"name": "other"}).backend == "vllm"


def test_what_an_engine_cannot_load_is_refused_with_the_file(study):
    with pytest.raises(ValidationError, match="`quantization: 4bit`"):
        study(VLLM | {"quantization": "4bit"})


def test_a_judge_s_model_is_another_with_another_backend():
    mini = {"name": "m", "path": "package:holdfast.miniature/model"}
    one, other = (local_identity(ModelSpec(**mini, backend=backend)) for backend in ("in_process", "vllm"))
    assert one != other
