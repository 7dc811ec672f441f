"""The model ``holdfast`` of lm-eval against lm-eval's own ``hf`` model, on a real pretrained network."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest

pytest.importorskip("lm_eval")
pytestmark = pytest.mark.data

from lm_eval.api.instance import Instance  # noqa: E402
from lm_eval.api.model import CachingLM  # noqa: E402
from lm_eval.models.huggingface import HFLM  # noqa: E402

from holdfast.interop.lm_eval import Holdfast  # noqa: E402
from holdfast.models.backend import NotLive  # noqa: E402
from holdfast.types import UserError  # noqa: E402

STORY = "Once upon a time there was a little dog who liked to"
PAIRS = [
    (STORY, " run in the park"),
    (STORY, " sleep"),
    (STORY, " run"),
    (STORY, " play"),
    ("", "The sun was warm."),
    ("It was cold. ", "She said"),  # lm-eval gives the space to the continuation
    ("\n\nLily", " and her mom went home to eat the big red apple"),
    ("x " * 600, " end"),  # longer than the context: its beginning goes
]
GREEDY = {"until": ["."], "max_gen_toks": 12, "do_sample": False}


def asked(kind, arguments):
    return [Instance(kind, {}, args, n) for n, args in enumerate(arguments)]


@pytest.fixture(scope="module")
def both(stories, adapter):
    """lm-eval's model and holdfast's, base and adapter."""

    def made(peft):
        hf = HFLM(pretrained=str(stories), device="cpu", dtype="float32", batch_size=4, peft=peft)
        return hf, Holdfast.create_from_arg_obj({"pretrained": str(stories), "adapter": peft}, {"batch_size": 4})

    return {"base": made(None), "adapter": made(str(adapter))}


@pytest.mark.parametrize("who", ["base", "adapter"])
def test_log_probs_and_greediness_are_lm_eval_s(both, who):
    theirs, ours = (lm.loglikelihood(asked("loglikelihood", PAIRS), disable_tqdm=True) for lm in both[who])
    assert [x[0] for x in ours] == pytest.approx([x[0] for x in theirs], abs=1e-5, rel=1e-6)
    assert [x[1] for x in ours] == [x[1] for x in theirs]
    assert who == "adapter" or {greedy for _, greedy in ours} == {True, False}


@pytest.mark.parametrize("who", ["base", "adapter"])
def test_rolling_log_probs_are_lm_eval_s_beyond_the_context_too(both, who):
    texts = [("The cat sat on the mat. " * n,) for n in (1, 40, 90)]
    theirs, ours = (
        lm.loglikelihood_rolling(asked("loglikelihood_rolling", texts), disable_tqdm=True) for lm in both[who]
    )
    assert ours == pytest.approx(theirs, rel=1e-6)


@pytest.mark.parametrize("who", ["base", "adapter"])
def test_greedy_responses_are_lm_eval_s(both, who):
    prompts = [(text, dict(GREEDY)) for text in (STORY, "Tom had a ball. He", "One day, Lily", "x " * 600)]
    theirs, ours = (lm.generate_until(asked("generate_until", prompts), disable_tqdm=True) for lm in both[who])
    assert ours == theirs
    assert all("." not in text for text in ours)


def test_another_adapter_or_template_is_another_name(both, stories, tmp_path):
    template = tmp_path / "shout.jinja"
    template.write_text("{{ messages[0]['content'] | upper }}")
    other = Holdfast(str(stories), template=str(template))
    base, tuned = both["base"][1], both["adapter"][1]
    assert len({lm.tokenizer_name for lm in (base, tuned, other)}) == 3
    assert other.apply_chat_template([{"role": "user", "content": "run"}]) == "RUN"
    assert base.apply_chat_template([{"role": "user", "content": "run"}]) == "<s>run"
    begun = [{"role": "user", "content": "run"}, {"role": "assistant", "content": "I"}]
    assert base.apply_chat_template(begun, add_generation_prompt=False) == "<s>runI"
    assert base.tok_encode("<s>run") == base.tok_encode("run")  # one BOS


def test_lm_eval_s_cache_never_gives_one_subject_the_answers_of_another(both, tmp_path):
    base, tuned = both["base"][1], both["adapter"][1]
    requests = asked("loglikelihood", PAIRS[:2])
    path = str(tmp_path / "cache.db")
    try:
        first = CachingLM(base, path).loglikelihood(requests)
        assert CachingLM(base, path).loglikelihood(requests) == first
        with pytest.raises(UserError, match="another model or adapter"):
            CachingLM(tuned, path)
    finally:
        for lm in (base, tuned):
            lm.cache_hook = type(lm.cache_hook)(None)


def test_samples_of_one_prompt_differ_and_come_back_the_same(both):
    ours = both["base"][1]
    how = {"do_sample": True, "temperature": 1.0, "max_gen_toks": 10, "until": []}
    twice = [(STORY, how), ("Tom", how), (STORY, how)]
    first = ours.generate_until(asked("generate_until", twice))
    assert first == ours.generate_until(asked("generate_until", twice))
    assert first[0] != first[2]
    assert first[:1] == ours.generate_until(asked("generate_until", twice[:1]))  # whatever it shares a batch with


def test_unsupported_arguments_are_refused_in_a_sentence(both, stories, adapter, tmp_path):
    ours = both["base"][1]
    with pytest.raises(UserError, match="without repetition_penalty"):
        ours.generate_until(asked("generate_until", [(STORY, {"repetition_penalty": 2})]))
    with pytest.raises(UserError, match="leave no room"):
        ours.generate_until(asked("generate_until", [(STORY, {"max_gen_toks": 5000})]))
    with pytest.raises(UserError, match="beyond the 512 positions"):
        Holdfast(str(stories), max_length=4096)
    dead = tmp_path / "dead"
    _with_zeros(adapter, dead)
    with pytest.raises(NotLive):
        Holdfast(str(stories), adapter=str(dead))


def _with_zeros(adapter, to):
    from safetensors.torch import load_file, save_file

    shutil.copytree(adapter, to)
    weights = to / "adapter_model.safetensors"
    save_file({name: tensor * 0 for name, tensor in load_file(weights).items()}, weights, {"format": "pt"})


TASK = """
task: teapots
dataset_path: json
dataset_kwargs: {data_files: {test: DOCS}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{text}}"
doc_to_choice: [" cold", " hot"]
doc_to_target: 1
metric_list: [{metric: acc}]
"""


@pytest.mark.slow
def test_lm_eval_s_command_line_knows_the_model(stories, adapter, tmp_path):
    docs = tmp_path / "docs.jsonl"
    docs.write_text("".join(json.dumps({"text": f"Lily had {n} cups. The tea was"}) + "\n" for n in range(3)))
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "teapots.yaml").write_text(TASK.replace("DOCS", str(docs)))
    done = subprocess.run(
        [sys.executable, "-m", "holdfast.interop.lm_eval", "run", "--model", "holdfast", "--tasks", "teapots",
         "--model_args", f"pretrained={stories},adapter={adapter}", "--include_path", str(tmp_path / "tasks"),
         "--output_path", str(tmp_path / "out")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    (file,) = (tmp_path / "out").rglob("results_*.json")
    found = json.loads(file.read_text())
    assert 0 <= found["results"]["teapots"]["acc,none"] <= 1
    assert len(found["config"]["holdfast_subject"]) == 64
    wrong = subprocess.run(
        [sys.executable, "-m", "holdfast.interop.lm_eval", "run", "--model", "holdfast", "--tasks", "teapots",
         "--model_args", "pretrained=/nowhere", "--include_path", str(tmp_path / "tasks")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert wrong.returncode == 2
    assert "holdfast: there is no model at /nowhere" in wrong.stderr
    assert "Traceback" not in wrong.stderr
