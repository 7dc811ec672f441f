"""A GGUF file is a model path like any other: what is read from it has the logits of the model that it was made of."""

from __future__ import annotations

import gguf
import pytest
import torch
from tiny_models import CONFIGS
from transformers import AutoModelForCausalLM

from holdfast.config.study import ModelSpec
from holdfast.models.gguf import write_out
from holdfast.models.network import load
from holdfast.store import gguf_files
from holdfast.store.gguf_files import gguf_folder
from holdfast.store.model_files import model_digest
from holdfast.store.sources import model_folder
from holdfast.types import Turn, UserError

TEMPLATE = (
    "{% for m in messages %}<s>{{ m.role }}\n{{ m.content }}</s>\n{% endfor %}"
    "{% if add_generation_prompt %}<s>assistant\n{% endif %}"
)
ALPHABET = [chr(n + 256) if n < 33 or 126 < n < 161 or n == 173 else chr(n) for n in range(256)]


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """A user's cache of our own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def made(tmp_path_factory, cache):
    """A tiny Llama, and a GGUF file of it as llama.cpp writes them."""
    config = CONFIGS["llama"]()
    config.update({"vocab_size": 260, "tie_word_embeddings": True})
    with torch.random.fork_rng():
        torch.manual_seed(3)
        model = AutoModelForCausalLM.from_config(config).eval()
    file = tmp_path_factory.mktemp("gguf") / "tiny.gguf"
    write(model, file)
    return model, file


def write(model, file, arch="llama"):
    config, w = model.config, gguf.GGUFWriter(file, arch)
    w.add_name("tiny")
    w.add_context_length(config.max_position_embeddings)
    w.add_embedding_length(config.hidden_size)
    w.add_block_count(config.num_hidden_layers)
    w.add_feed_forward_length(config.intermediate_size)
    w.add_head_count(config.num_attention_heads)
    w.add_head_count_kv(config.num_key_value_heads)
    w.add_layer_norm_rms_eps(config.rms_norm_eps)
    w.add_rope_dimension_count(config.head_dim)
    w.add_rope_freq_base(10000.0)
    w.add_vocab_size(config.vocab_size)
    w.add_tokenizer_model("gpt2")
    w.add_token_list(["<unk>", "<s>", "</s>", *ALPHABET, "he"])
    w.add_token_types([3, 3, 3, *[1] * 257])
    w.add_token_merges(["h e"])
    w.add_bos_token_id(1)
    w.add_eos_token_id(2)
    w.add_chat_template(TEMPLATE)
    heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config.num_hidden_layers)
    for name, tensor in model.state_dict().items():
        part = name.split(".")[-2]
        if name == "lm_head.weight":
            continue
        if part in heads:  # llama.cpp turns pairs of neighbours, Hugging Face halves
            tensor = tensor.view(heads[part], 2, -1, tensor.shape[1]).transpose(1, 2).reshape(tensor.shape)
        w.add_tensor(names.get_name(name, (".weight",)), tensor.float().numpy())
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def test_a_gguf_file_has_the_logits_of_the_model_that_it_was_made_of(made):
    model, file = made
    network = load(ModelSpec(name="tiny", path=str(file), dtype="float32", device="cpu"), threads=1)
    ids = torch.tensor([network.renderer.prompt_ids((Turn("user", "hello there"),))])
    with torch.no_grad():
        torch.testing.assert_close(network.model(ids).logits, model(ids).logits, rtol=1e-5, atol=1e-5)
    assert "user\nhello there" in network.renderer.decode(ids[0].tolist())


def test_a_gguf_file_is_converted_once_and_its_digest_is_that_of_the_folder(made):
    _, file = made
    folder = model_folder(str(file))
    before = (folder / "model.safetensors").stat().st_mtime_ns
    assert model_folder(str(file)) == folder
    assert (folder / "model.safetensors").stat().st_mtime_ns == before
    assert model_digest(folder) == model_digest(model_folder(str(file)))


@pytest.fixture
def at_once(monkeypatch):
    """Without a process of its own for each file: that takes seconds to start."""
    monkeypatch.setattr(gguf_files, "_write", write_out)


def test_a_copy_that_was_altered_is_written_anew(made, at_once):
    _, file = made
    folder = gguf_folder(file)
    right = model_digest(folder)
    weights = folder / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    assert model_digest(gguf_folder(file)) == right


def test_what_cannot_be_read_is_one_sentence(made, at_once, tmp_path):
    model, file = made
    text = tmp_path / "text.gguf"
    text.write_text("no weights")
    with pytest.raises(UserError, match="is no GGUF file"):
        model_folder(str(text))
    short = tmp_path / "short.gguf"
    short.write_bytes(file.read_bytes()[:3000])
    with pytest.raises(UserError, match=r"short\.gguf cannot be (loaded|written out as a model)"):
        model_folder(str(short))
    unknown = tmp_path / "unknown.gguf"
    write(model, unknown, arch="plm")
    with pytest.raises(UserError, match=r"unknown\.gguf cannot be (loaded|written out as a model)"):
        model_folder(str(unknown))
