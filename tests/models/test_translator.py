"""Translation by an encoder–decoder model: languages chosen, lines kept apart, what fails is no translation."""

from __future__ import annotations

import pytest

from holdfast.models.translator import Seq2Seq
from holdfast.types import UserError

torch = pytest.importorskip("torch")
LETTERS = "abcdefghijklmnopqrstuvwxyz"
TEXTS = ["how do i brew tea", "one\n\n two", "tea"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny random model of NLLB's kind, which ends every line after eight tokens."""
    from transformers import M2M100Config, M2M100ForConditionalGeneration, NllbTokenizer

    words = ["<s>", "<pad>", "</s>", "<unk>", "▁", *LETTERS, *(f"▁{c}" for c in LETTERS)]
    vocab = {w: i for i, w in enumerate(words)}
    merges = [("▁", c) for c in LETTERS]
    tokenizer = NllbTokenizer(vocab=vocab, merges=merges, extra_special_tokens=["eng_Latn", "zul_Latn"])
    size = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 16, "decoder_ffn_dim": 16}
    heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2, "max_position_embeddings": 64}
    ids = {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2, "decoder_start_token_id": 2}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = M2M100Config(vocab_size=len(tokenizer), **size, **heads, **ids, init_std=1.0)
        model = M2M100ForConditionalGeneration(config)
    model.generation_config.forced_eos_token_id = 2
    path = tmp_path_factory.mktemp("nllb")
    tokenizer.save_pretrained(path)
    model.save_pretrained(path)
    return path


def model(folder, source="eng_Latn", target="zul_Latn", **how):
    how = {"max_new_tokens": 8, "beams": 2, "threads": 1} | how
    return Seq2Seq(str(folder), source=source, target=target, **how)


def test_each_text_has_its_translation_whatever_stands_beside_it(folder):
    translator = model(folder)
    together = translator.translate(TEXTS)
    assert together == [translator.translate([text])[0] for text in TEXTS]
    assert all(text for text in together)
    assert together[1].split("\n")[1] == ""
    assert together[1].split("\n")[2] == translator.translate(["two"])[0]


def test_it_says_what_the_model_says_itself(folder):
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    tokenizer, own = AutoTokenizer.from_pretrained(folder), AutoModelForSeq2SeqLM.from_pretrained(folder)
    tokenizer.src_lang = "zul_Latn"
    start = tokenizer.convert_tokens_to_ids("eng_Latn")
    ids = own.generate(
        **tokenizer("brew tea", return_tensors="pt"), forced_bos_token_id=start, max_new_tokens=8, num_beams=2
    )
    assert ids[0, 1] == start
    expected = tokenizer.decode(ids[0], skip_special_tokens=True)
    assert model(folder, "zul_Latn", "eng_Latn").translate(["brew tea"]) == [expected]
    assert model(folder).translate(["brew tea"]) != [expected]


def test_a_line_that_is_too_long_or_does_not_end_is_no_translation(folder):
    translator = model(folder)
    long = "tea " * 70
    assert translator.translate([long, "tea", f"tea\n{long}"]) == [None, *translator.translate(["tea"]), None]
    translator.model.generation_config.forced_eos_token_id = None
    unended = translator.translate(["tea", "brew"])
    assert unended == [None, None]
    assert translator.translate([]) == []


def test_a_language_or_model_that_is_not_there_is_a_clear_error(folder, tmp_path):
    with pytest.raises(UserError, match="knows no language 'zu'"):
        model(folder, target="zu")
    with pytest.raises(UserError, match="there is no model at"):
        model(tmp_path / "none")
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    (tmp_path / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes())
    with pytest.raises(UserError, match=r"the translation model .* cannot be loaded"):
        model(tmp_path)


def test_a_model_of_one_pair_of_languages_reads_its_prefix(tmp_path):
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast, T5Config, T5ForConditionalGeneration

    vocab = {w: i for i, w in enumerate(["<pad>", "</s>", "<unk>", *LETTERS, "▁", ":"])}
    tokenizer = Tokenizer(models.BPE(vocab, [], unk_token="<unk>"))
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    special = {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special, model_max_length=64).save_pretrained(tmp_path)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        config = T5Config(
            vocab_size=len(vocab), d_model=16, d_ff=16, d_kv=8, num_layers=1, num_heads=2, decoder_start_token_id=0
        )
        t5 = T5ForConditionalGeneration(config)
        for weight in t5.parameters():
            weight.data.mul_(3)
    t5.generation_config.forced_eos_token_id = 1
    t5.save_pretrained(tmp_path)
    seen = []
    translator = model(tmp_path, prefix="to zulu: ")
    inner = translator.tokenizer
    translator.tokenizer = type(
        "Seen",
        (),
        {
            "__call__": lambda self, texts, **k: (seen.extend(texts), inner(texts, **k))[1],
            "__getattr__": lambda self, name: getattr(inner, name),
        },
    )()
    translator.translate(["tea"])
    assert set(seen) == {"to zulu: tea"}
