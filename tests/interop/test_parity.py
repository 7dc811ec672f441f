"""holdfast's normative and persona measures against lm-eval's tasks, both whole, on a real pretrained network.

lm-eval's own ``hf`` model runs lm-eval's own task definitions, read from the installed package, over the real rows.
"""

from __future__ import annotations

import csv
import importlib.util
import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("lm_eval")
pytestmark = pytest.mark.data

import lm_eval  # noqa: E402
from lm_eval.models.huggingface import HFLM  # noqa: E402
from lm_eval.tasks import TaskManager  # noqa: E402
from lm_eval.tasks._yaml_loader import load_yaml  # noqa: E402

from holdfast.config.study import ModelSpec  # noqa: E402
from holdfast.evals.eval_config import EvalConfig  # noqa: E402
from holdfast.evals.measures.dark_triad import DarkTriad  # noqa: E402
from holdfast.evals.measures.eq_bench import EQBench  # noqa: E402
from holdfast.evals.measures.toxigen import ToxiGen  # noqa: E402
from holdfast.evals.measures.truthfulqa import MC1, MC2, Generation  # noqa: E402
from holdfast.evals.measures.winogender import Winogender  # noqa: E402
from holdfast.evals.respond import rows as planned  # noqa: E402
from holdfast.interop.lm_eval import PLAIN, Holdfast  # noqa: E402
from holdfast.models.backend import InProcess  # noqa: E402
from holdfast.models.network import load  # noqa: E402
from holdfast.types import Record, Sampling, Subject  # noqa: E402

TASKS = Path(lm_eval.__file__).parent / "tasks"
FEW = 8


@pytest.fixture(scope="module", autouse=True)
def _datasets_here(tmp_path_factory):
    import datasets

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def hf(stories):
    return theirs(stories)


def theirs(folder, template=None):
    lm = HFLM(pretrained=str(folder), device="cpu", dtype="float32", batch_size=8)
    lm.tokenizer.chat_template = template or lm.tokenizer.chat_template
    return lm


@pytest.fixture(scope="module")
def backend(stories):
    return speaking(stories)


def speaking(folder, template=PLAIN):
    return InProcess(load(ModelSpec(name="stories", path=str(folder), template=str(template)), threads=1))


def run_task(lm, yaml, docs, tmp_path, chat=False, config=None, **gen_kwargs):
    """Results of a task of lm-eval and its samples, over these rows."""
    config = load_yaml(TASKS / yaml) | (config or {})
    data = tmp_path / "docs.jsonl"
    data.write_text("".join(json.dumps(doc) + "\n" for doc in docs))
    split = config.get("test_split") or config["validation_split"]
    config |= {"dataset_path": "json", "dataset_kwargs": {"data_files": {split: str(data)}}}
    config |= {"dataset_name": None, "training_split": None}
    found = lm_eval.simple_evaluate(
        model=lm,
        tasks=[config],
        task_manager=TaskManager(include_defaults=False),  # an index of all of lm-eval's tasks takes half a minute
        log_samples=True,
        bootstrap_iters=0,
        gen_kwargs=gen_kwargs or None,
        apply_chat_template=chat,
    )
    (name,) = found["samples"]
    return found["results"][name], found["samples"][name]


def answered(backend, measure, items, max_new_tokens=24):
    """Judgements of the measure's own rule and log-probs, for each item."""
    base = backend.identity(Subject("", "stories"))
    config = EvalConfig("c", measure.name, "", measure, tuple(items), Sampling(max_new_tokens), {}, False)
    asked = list(planned(config, Subject(base, "stories"), None))
    requests = [row.request for row in asked]
    found = []
    if asked[0].prompt.continuations:
        said = {s.key: s for s in backend.score(requests)}
        for row in asked:
            logps = said[row.request.key].logps
            finish = "scored" if logps else "overlong"
            record = Record(row.id, base, "m", row.item.id, "none", "default", 0, "", "", 0, finish,
                            row.prompt.continuations if logps else (), logps)  # fmt: skip
            found.append((measure.score(row.item, record), logps))
    else:
        said = {s.key: s for s in backend.generate(requests)}
        for row in asked:
            text = said[row.request.key].text
            record = Record(row.id, base, "m", row.item.id, "none", "default", 0, text, text, 9, "stop")
            found.append((measure.score(row.item, record), text))
    return found


def mean(values):
    return sum(values) / len(values)


def likelihoods(sample):
    return [logp for logp, _ in sample["filtered_resps"]]


def same(ours, likelihoods):
    """To the rounding of fp32: an answer of many tokens has a log-prob of many nats."""
    assert list(ours) == pytest.approx(likelihoods, abs=1e-5, rel=2e-6)


# This tokenizer puts the space before a word itself, so that an answer has none of its own.
QA = {"question": "Q: {question}\nA:", "answer": "{answer}"}


def primer(tmp_path):
    """The solved examples of lm-eval's task, from its own definition."""
    form = load_yaml(TASKS / "truthfulqa/truthfulqa_mc1.yaml")["doc_to_text"]
    text = lm_eval.utils.apply_template(form, {"question": "MARK"}).partition("\n\nQ: MARK")[0]
    (tmp_path / "primer.txt").write_text(text)
    return str(tmp_path / "primer.txt")


@pytest.mark.parametrize("kind", [MC1, MC2])
def test_truthfulqa_multiple_choice_scores_equal_lm_eval(patient, need, tmp_path, kind):
    found = json.loads(need("truthfulqa/mc_task.json").read_text())[: FEW // 4]
    file = tmp_path / "mc_task.json"
    file.write_text(json.dumps(found))
    measure = kind(path=str(file), primer=primer(tmp_path), **QA)
    names = ("mc1_targets", "mc2_targets")
    # Right answers first, as the measure asks them: MC2's sums do not depend on the order.
    docs = [
        {"question": row["question"]}
        | {n: {"choices": sorted(row[n], key=lambda c: -row[n][c]), "labels": sorted(row[n].values(), reverse=True)}
           for n in names}
        for row in found
    ]  # fmt: skip
    results, samples = run_task(theirs(patient), f"truthfulqa/{measure.name}.yaml", docs, tmp_path)
    ours = answered(speaking(patient), measure, measure.items())
    for (verdict, logps), sample in zip(ours, samples, strict=True):
        same(logps, likelihoods(sample))
        assert verdict.score == pytest.approx(sample["acc"], abs=1e-5)
    assert mean([verdict.score for verdict, _ in ours]) == pytest.approx(results["acc,none"], abs=1e-5)


def winogender(need, **how):
    """The measure in lm-eval's words with its first items, and the rows that lm-eval has of them."""
    form = load_yaml(TASKS / "winogender/winogender.yaml")["doc_to_text"]
    form = form.replace("{{sentence}}", "{sentence}").replace("{{pronoun.capitalize()}}", "{Pronoun}")
    measure = Winogender(path=str(need("winogender")), question=form, **how)
    items = measure.items()[: 2 * FEW]
    with (need("winogender") / "all_sentences.tsv").open() as file:
        sentences = [row["sentence"] for row in csv.DictReader(file, delimiter="\t")][: 2 * FEW]
    docs = []
    for item, sentence in zip(items, sentences, strict=True):
        occupation, participant = json.loads(item.fields["choices"])
        pronoun = next(w for w in item.prompt[0].content.removeprefix(sentence).split() if w[1:-1].isalpha())[1:-1]
        docs.append(
            {"sentence": sentence, "pronoun": pronoun.lower(), "occupation": occupation, "participant": participant}
            | {"gender": item.fields["gender"], "label": int(item.fields["right"] == "participant")}
        )
    return measure, items, docs


def test_winogender_scores_equal_lm_eval(hf, backend, need, tmp_path):
    measure, items, docs = winogender(need)
    results, samples = run_task(hf, "winogender/winogender.yaml", docs, tmp_path)
    ours = answered(backend, measure, items)
    for (verdict, logps), sample in zip(ours, samples, strict=True):
        same(logps, likelihoods(sample))
        assert verdict.score == sample["acc"]
    assert mean([verdict.score for verdict, _ in ours]) == pytest.approx(results["acc,none"], abs=1e-5)


def test_persona_scores_equal_lm_eval(hf, backend, need, tmp_path):
    measure = DarkTriad(path=str(need("anthropic_persona")), traits=("narcissism",), yes=("Yes",), no=("No",))
    items = measure.items()[: 2 * FEW]
    lines = (need("anthropic_persona") / "narcissism.jsonl").read_text().splitlines()
    docs = [json.loads(line) for line in lines[: 2 * FEW]]
    results, samples = run_task(hf, "model_written_evals/persona/narcissism.yaml", docs, tmp_path)
    for (verdict, logps), item, sample in zip(answered(backend, measure, items), items, samples, strict=True):
        matching, other = likelihoods(sample)
        yes, no = (matching, other) if item.reference == "Yes" else (other, matching)
        same(logps, [yes, no])
        assert verdict.score == pytest.approx(1 / (1 + math.exp(other - matching)), abs=1e-5)
        assert (verdict.score >= 0.5) == bool(sample["acc"])
    assert mean([sample["acc"] for sample in samples]) == pytest.approx(results["acc,none"])


# -- with a chat template: lm-eval then puts no space before a choice of its own ------------------------------------


@pytest.fixture(scope="module", params=[">", ">\n"], ids=["header", "header and newline"])
def chat(request, stories, tmp_path_factory):
    """lm-eval's model and holdfast's, with a chat template whose header this tokenizer must not begin a word after."""
    template = (
        "{{ bos_token }}{% for m in messages %}<{{ m.role }}END{{ m.content }}{{ eos_token }}{% endfor %}"
        "{% if add_generation_prompt %}<assistantEND{% endif %}"
    ).replace("END", request.param)
    file = tmp_path_factory.mktemp("template") / "chat.jinja"
    file.write_text(template)
    return theirs(stories, template), speaking(stories, file)


def alike(ours, likelihoods):
    """lm-eval counts a newline at a prompt's end to each answer; it is the prompt's, and the same for all."""
    more = likelihoods[0] - ours[0]
    assert more < 1e-4
    same([logp + more for logp in ours], likelihoods)


def test_winogender_scores_equal_lm_eval_after_a_chat_header(chat, need, tmp_path):
    """Its choices as they are, without a space: the default."""
    measure, items, docs = winogender(need)
    results, samples = run_task(chat[0], "winogender/winogender.yaml", docs, tmp_path, chat=True)
    ours = answered(chat[1], measure, items)
    for (verdict, logps), sample in zip(ours, samples, strict=True):
        alike(logps, likelihoods(sample))
        assert verdict.score == sample["acc"]
    assert mean([verdict.score for verdict, _ in ours]) == pytest.approx(results["acc,none"], abs=1e-5)
    spaced = answered(chat[1], replace(measure, answer=" {answer}"), items)
    assert [logps for _, logps in spaced] != [logps for _, logps in ours]


def test_persona_scores_equal_lm_eval_after_a_chat_header(chat, need, tmp_path):
    """Its answers bring their space along."""
    measure = DarkTriad(path=str(need("anthropic_persona")), traits=("narcissism",), yes=(" Yes",), no=(" No",))
    items = measure.items()[:FEW]
    lines = (need("anthropic_persona") / "narcissism.jsonl").read_text().splitlines()
    docs = [json.loads(line) for line in lines[:FEW]]
    _, samples = run_task(chat[0], "model_written_evals/persona/narcissism.yaml", docs, tmp_path, chat=True)
    for (verdict, logps), item, sample in zip(answered(chat[1], measure, items), items, samples, strict=True):
        matching, other = likelihoods(sample)
        alike(logps, [matching, other] if item.reference == "Yes" else [other, matching])
        assert verdict.score == pytest.approx(1 / (1 + math.exp(other - matching)), abs=1e-5)


def test_truthfulqa_scores_equal_lm_eval_after_a_chat_header(chat, need, tmp_path):
    row = json.loads(need("truthfulqa/mc_task.json").read_text())[0]
    (tmp_path / "mc_task.json").write_text(json.dumps([row]))
    measure = MC2(path=str(tmp_path / "mc_task.json"), question="Q: {question}\nA:")
    targets = row["mc2_targets"]
    ordered = sorted(targets, key=lambda c: -targets[c])
    docs = [{"question": row["question"], "mc2_targets": {"choices": ordered, "labels": [targets[c] for c in ordered]}}]
    config = {"doc_to_text": "Q: {{question}}\nA:"}
    _, (sample,) = run_task(chat[0], "truthfulqa/truthfulqa_mc2.yaml", docs, tmp_path, chat=True, config=config)
    ((verdict, logps),) = answered(chat[1], measure, measure.items())
    alike(logps, likelihoods(sample))
    assert verdict.score == pytest.approx(sample["acc"], abs=1e-5)


def test_toxigen_scores_equal_lm_eval_on_rows_in_its_schema(hf, backend, tmp_path):
    form = load_yaml(TASKS / "toxigen/toxigen.yaml")["doc_to_text"].replace("{{text}}", "{text}")
    rows = [
        {"text": f"the {w} of teapot {n}", "target_group": w, "toxicity_ai": 1 + n % 5, "toxicity_human": 1.0 + n % 4}
        for n, w in enumerate(["lid", "spout", "handle", "song"] * 2)
    ]
    file = tmp_path / "annotated_test.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    measure = ToxiGen(path=str(file), question=form, yes=("Yes",), no=("No",))
    results, samples = run_task(hf, "toxigen/toxigen.yaml", rows, tmp_path)
    ours = answered(backend, measure, measure.items())
    for (verdict, logps), sample in zip(ours, samples, strict=True):
        same(logps[::-1], likelihoods(sample))  # lm-eval asks No first
        assert verdict.score == sample["acc"]
    assert mean([verdict.score for verdict, _ in ours]) == pytest.approx(results["acc,none"], abs=1e-5)


def test_eq_bench_scores_equal_lm_eval(patient, need, tmp_path):
    """Greedy answers are the same text; both find them unparseable."""
    folder = need("eq_bench")
    measure = EQBench(path=str(folder))
    items = measure.items()[:3]
    rows = list(json.loads((folder / "eq_bench_v2_questions_171.json").read_text()).values())[:3]
    docs = [
        {"prompt": item.prompt[0].content, "reference_answer_fullscale": str(row["reference_answer_fullscale"])}
        for item, row in zip(items, rows, strict=True)
    ]
    results, samples = run_task(theirs(patient), "eq_bench/default.yaml", docs, tmp_path, max_gen_toks=8, until="</s>")
    ours = answered(speaking(patient), measure, items, max_new_tokens=8)
    assert [text for _, text in ours] == [sample["filtered_resps"][0] for sample in samples]
    assert 100 * mean([v.details["with_zeros"] for v, _ in ours]) == pytest.approx(results["eqbench,none"])
    assert 100 * mean([v.details["parseable"] for v, _ in ours]) == pytest.approx(results["percent_parseable,none"])


def test_eq_bench_scores_given_answers_as_lm_eval_does(need):
    utils = _utils("eq_bench")
    measure = EQBench(path=str(need("eq_bench")))
    for n, item in enumerate(measure.items()):
        reference = json.loads(item.fields["emotions"])
        said = {e: (7 * n + 3 * k * n + k) % 11 for k, e in enumerate(reference)}
        text = "\n".join(f"{e}: {score}" for e, score in said.items())
        named = {f"emotion{k}": e for k, e in enumerate(reference, 1)}
        named |= {f"emotion{k}_score": s for k, s in enumerate(reference.values(), 1)}
        want = utils.calculate_score_fullscale({"reference_answer_fullscale": repr(named)}, [text])
        record = Record("r", "s", "m", "i", "none", "default", 0, text, text, 9, "stop")
        assert 100 * measure.score(item, record).score == pytest.approx(want["eqbench"], abs=1e-5)


def test_truthfulqa_generation_scores_as_lm_eval_s_rouge1(need):
    pytest.importorskip("rouge_score")
    utils = _utils("truthfulqa")
    measure = Generation(path=str(need("truthfulqa")))
    item = measure.items()[0]
    right, wrong = (item.fields[f"{side}_answers"].split("\n")[:2] for side in ("correct", "incorrect"))
    item = replace(item, fields={"correct_answers": "\n".join(right), "incorrect_answers": "\n".join(wrong)})
    for said in (wrong[0], f"{right[-1]} {wrong[0]}!"):
        want = utils.process_results_gen({"correct_answers": right, "incorrect_answers": wrong}, [said])
        record = Record("r", "s", "m", "i", "none", "default", 0, said, said, 9, "stop")
        verdict = measure.score(item, record)
        assert verdict.score == want["rouge1_acc"]
        assert 100 * verdict.details["rouge1_max"] == pytest.approx(want["rouge1_max"], abs=1e-5)
        assert 100 * verdict.details["rouge1_diff"] == pytest.approx(want["rouge1_diff"], abs=1e-5)


def test_the_model_of_the_harness_gives_a_task_the_same_results(hf, stories, tmp_path):
    rows = [
        {"text": f"the lid of teapot {n}", "target_group": "x", "toxicity_ai": n % 5, "toxicity_human": 3}
        for n in range(8)
    ]
    other, ours = (run_task(lm, "toxigen/toxigen.yaml", rows, tmp_path) for lm in (hf, Holdfast(str(stories))))
    for key in ("acc,none", "acc_norm,none"):
        assert ours[0][key] == pytest.approx(other[0][key], abs=1e-5)
    for mine, sample in zip(ours[1], other[1], strict=True):
        same(likelihoods(mine), likelihoods(sample))


def _utils(task):
    spec = importlib.util.spec_from_file_location(f"{task}_utils", TASKS / task / "utils.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
