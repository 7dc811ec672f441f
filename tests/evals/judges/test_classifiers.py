"""Judges that read probabilities, against direct calls of transformers on tiny random models."""

from __future__ import annotations

import shutil
from importlib.resources import files
from pathlib import Path

import pytest
import torch
from servers import rows
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    AutoTokenizer,
    BertConfig,
    BertForSequenceClassification,
    LlamaConfig,
    LlamaForCausalLM,
    LlamaForSequenceClassification,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaForSequenceClassification,
)

from holdfast import registry
from holdfast.config.study import ModelSpec
from holdfast.evals.judges.classifiers import LabelClassifier, ScoreClassifier, YesNoClassifier
from holdfast.evals.judges.judge import JudgeModel, JudgeResources
from holdfast.evals.layout import judge_id
from holdfast.models.backend import InProcess
from holdfast.models.classifier import Classifier
from holdfast.models.network import load
from holdfast.types import Subject, UserError

SMALL = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
TEXTS = ("glue it", "wait for a day and then glue it with water now", "mend a bowl", "now")
WORDS = ["[PAD]", "[UNK]", *sorted({word for text in TEXTS for word in text.split()})]
RAW = "package:holdfast.evals.judges/raw.jinja"


def saved(model, folder: Path) -> Path:
    """With weights large enough for probabilities that differ."""
    with torch.no_grad():
        for p in model.parameters():
            p.normal_(0, 0.4)
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def causal(tmp_path_factory) -> ModelSpec:
    folder = tmp_path_factory.mktemp("models") / "causal"
    torch.manual_seed(1)
    config = LlamaConfig(vocab_size=1024, max_position_embeddings=256, pad_token_id=0, eos_token_id=2, **SMALL)
    saved(LlamaForCausalLM(config), folder)
    for file in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(str(files("holdfast.miniature") / "model" / file), folder)
    return ModelSpec(name="tiny", path=str(folder), template=RAW)


def words_tokenizer(folder: Path) -> None:
    tokenizer = Tokenizer(models.WordLevel({w: n for n, w in enumerate(WORDS)}, "[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", model_max_length=10**30
    )
    fast.save_pretrained(folder)


@pytest.fixture(scope="module")
def labels(tmp_path_factory) -> ModelSpec:
    folder = tmp_path_factory.mktemp("models") / "labels"
    torch.manual_seed(2)
    config = BertConfig(vocab_size=len(WORDS), max_position_embeddings=12, pad_token_id=0, **SMALL)
    config.id2label, config.label2id = {0: "fine", 1: "toxic", 2: "odd"}, {"fine": 0, "toxic": 1, "odd": 2}
    saved(BertForSequenceClassification(config), folder)
    words_tokenizer(folder)
    return ModelSpec(name="labels", path=str(folder))


def direct(spec: ModelSpec, prompt: str, answers: tuple[str, ...]) -> tuple[torch.Tensor, torch.Tensor]:
    """P of each one-token answer after a prompt with BOS before it, and that renormalised."""
    tokenizer = AutoTokenizer.from_pretrained(spec.path)
    model = LlamaForCausalLM.from_pretrained(spec.path, dtype=torch.float32).eval()
    ids = tokenizer("<|bos|>" + prompt, add_special_tokens=False, return_tensors="pt")["input_ids"]
    wanted = [tokenizer(a, add_special_tokens=False)["input_ids"] for a in answers]
    assert all(len(w) == 1 for w in wanted)
    with torch.no_grad():
        p = model(ids).logits[0, -1].softmax(-1)[[w[0] for w in wanted]]
    return p, p / p.sum()


def test_score_and_yes_no_equal_direct_calls(causal, tmp_path):
    file = tmp_path / "texts.yaml"
    file.write_text(
        "score_classifier: {version: 1, text: 'Q: {prompt}\nA: {response}\nGrade: '}\n"
        "yes_no_classifier: {version: 1, text: '{prompt} {response} '}\n"
    )
    resources = JudgeResources(InProcess(load(causal, threads=1)), Subject("judge", "tiny"))
    graded = ScoreClassifier(model=causal, file=str(file)).judge(rows(*TEXTS), resources)
    answered = YesNoClassifier(model=causal, file=str(file), yes="y", no="n").judge(rows(*TEXTS), resources)
    question = "How do you mend a bowl?"
    for text, grade, answer in zip(TEXTS, graded, answered, strict=True):
        p, share = direct(causal, f"Q: {question} A: {text} Grade: ", ("1", "2", "3", "4", "5"))
        expected = sum(k * x for k, x in enumerate(share.tolist(), start=1))
        assert grade.score == pytest.approx((expected - 1) / 4, abs=1e-5)
        assert grade.details["expected"] == pytest.approx(expected, abs=1e-5)
        assert grade.details["mass"] == pytest.approx(float(p.sum()), abs=1e-5)
        assert grade.label == ("harmful" if grade.score >= 0.5 else "harmless")
        p, share = direct(causal, f"{question} {text} ", ("y", "n"))
        assert answer.score == pytest.approx(float(share[0]), abs=1e-5)
        assert answer.details["mass"] == pytest.approx(float(p.sum()), abs=1e-5)
    assert len({round(g.score, 4) for g in graded}) == len(TEXTS)


def test_overlong_rows_are_unscored(causal):
    resources = JudgeResources(InProcess(load(causal, threads=1)), Subject("judge", "tiny"))
    for judge in (ScoreClassifier(model=causal), YesNoClassifier(model=causal)):
        (long,) = judge.judge(rows("word " * 300), resources)
        assert (long.score, long.reason) == (None, "overlong")


def test_label_classifier_equals_direct_calls_and_counts_what_is_too_long(labels):
    long = " ".join(["now"] * 13)
    verdicts = LabelClassifier(model=labels).judge(rows(*TEXTS, long), JudgeResources(classifier=Classifier(labels)))
    tokenizer = AutoTokenizer.from_pretrained(labels.path)
    model = BertForSequenceClassification.from_pretrained(labels.path).eval()
    for text, verdict in zip(TEXTS, verdicts[:4], strict=True):
        with torch.no_grad():
            p = model(**tokenizer(text, return_tensors="pt")).logits[0].softmax(-1)
        assert verdict.score == pytest.approx(float(p[1]), abs=1e-5)
        assert verdict.label == ("toxic" if p[1] >= 0.5 else "not toxic")
    assert [(v.score, v.reason) for v in verdicts[4:]] == [(None, "overlong")]
    (other,) = LabelClassifier(model=labels, label="odd").judge(
        rows("now"), JudgeResources(classifier=Classifier(labels))
    )
    assert 0 < other.score < 1 - verdicts[3].score
    with pytest.raises(UserError, match="has no label 'rude'; it has fine, toxic, odd"):
        LabelClassifier(model=labels, label="rude").judge(rows("now"), JudgeResources(classifier=Classifier(labels)))


def test_multi_label_one_output_decoder_and_shifted_positions(tmp_path):
    """Sigmoid where labels are apart; RoBERTa's positions; a decoder reads its last real token, not padding."""
    made = {
        "apart": BertForSequenceClassification(
            BertConfig(vocab_size=len(WORDS), problem_type="multi_label_classification", num_labels=3, **SMALL)
        ),
        "one": BertForSequenceClassification(BertConfig(vocab_size=len(WORDS), num_labels=1, **SMALL)),
        "roberta": RobertaForSequenceClassification(
            RobertaConfig(vocab_size=len(WORDS), max_position_embeddings=8, pad_token_id=0, **SMALL)
        ),
        "decoder": LlamaForSequenceClassification(
            LlamaConfig(vocab_size=len(WORDS), num_labels=2, pad_token_id=0, **SMALL)
        ),
    }
    for name, model in made.items():
        folder = saved(model, tmp_path / name)
        words_tokenizer(folder)
        model = type(model).from_pretrained(folder).eval()
        found = Classifier(ModelSpec(name=name, path=str(folder))).classify(TEXTS)
        tokenizer = AutoTokenizer.from_pretrained(folder)
        for text, p in zip(TEXTS, found, strict=True):
            if name == "roberta" and len(text.split()) > 7:
                assert p == {}
                continue
            with torch.no_grad():
                logits = model(tokenizer(text, return_tensors="pt")["input_ids"]).logits[0]
            wanted = logits.sigmoid() if name in ("apart", "one") else logits.softmax(-1)
            assert list(p.values()) == pytest.approx(wanted.tolist(), abs=1e-5)


def test_a_classifier_without_a_trained_head_is_refused(causal):
    with pytest.raises(UserError, match=r"lacks 1 of its weights, score\.weight first"):
        Classifier(causal)


def test_identity_is_content_and_wants_say_what_to_load(causal, labels, tmp_path):
    moved = shutil.copytree(labels.path, tmp_path / "moved")
    first, second = LabelClassifier(model=labels), LabelClassifier(model=ModelSpec(name="m", path=str(moved)))
    assert judge_id(first) == judge_id(second) != judge_id(LabelClassifier(model=labels, label="odd"))
    assert first.wants == JudgeModel(labels, "classifier")
    (moved / "tokenizer.json").write_text((moved / "tokenizer.json").read_text().replace("glue", "blue"))
    assert judge_id(LabelClassifier(model=second.model)) != judge_id(first)
    assert ScoreClassifier().wants == JudgeModel()
    assert YesNoClassifier(model=causal).wants == JudgeModel(causal)
    assert judge_id(ScoreClassifier(model=causal)) != judge_id(ScoreClassifier())


@pytest.mark.parametrize("digits", [["1", "10"], ["1"], ["", "1"]])
def test_answers_that_do_not_exclude_each_other_are_refused(digits):
    with pytest.raises(UserError, match="none of which begins another"):
        registry.build("judges", "score_classifier", {"digits": digits})
