"""Which adapters are taken, and that what changes an adapter's output changes its digest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from folders import model, safetensors

from holdfast.store.adapter_files import adapter_config, adapter_digest, check_adapter, foreign
from holdfast.store.sources import adapter_folder
from holdfast.types import UserError

LORA = {"peft_type": "LORA", "r": 8, "lora_alpha": 16, "target_modules": ["q", "v"], "task_type": "CAUSAL_LM"}
A, B = "base_model.model.model.q.lora_A.weight", "base_model.model.model.q.lora_B.weight"


def adapter(folder: Path, weights: bytes | None = None, **config: Any) -> Path:
    folder.mkdir(exist_ok=True)
    whole = safetensors(**{A: (8, 3), B: (2, 8)})
    (folder / "adapter_model.safetensors").write_bytes(whole if weights is None else weights)
    (folder / "adapter_config.json").write_text(json.dumps(LORA | config))
    return folder


def test_an_adapter_is_its_weights_and_what_changes_its_output(tmp_path: Path) -> None:
    def of(name: str, weights: bytes = b"w", **config: Any) -> str:
        return adapter_digest(adapter(tmp_path / name, weights, **config))

    a = of("a", base_model_name_or_path="x")
    assert a == of("b", target_modules=["v", "q"], base_model_name_or_path="y", inference_mode=True, lora_dropout=0.1)
    assert of("x", exclude_modules=["k", "o"]) == of("y", exclude_modules=["o", "k"])
    changed: list[dict[str, Any]] = [
        {"lora_alpha": 32},
        {"r": 4},
        {"target_modules": "q|v"},
        {"exclude_modules": ["k"]},
        {"rank_pattern": {"q": 4}},
        {"alpha_pattern": {"q": 4}},
        {"use_rslora": True},
        {"use_dora": True},
        {"fan_in_fan_out": True},
        {"layers_to_transform": [0]},
        {"layers_to_transform": [0], "layers_pattern": "layers"},
    ]
    assert len({a, of("c", b"v"), *(of(f"d{n}", **c) for n, c in enumerate(changed))}) == 2 + len(changed)


def test_the_digest_of_a_plain_adapter_is_what_it_was(tmp_path: Path) -> None:
    """Ids of subjects, and with them of records, rest on it."""
    assert adapter_digest(adapter(tmp_path / "a", b"w")) == (
        "34d83c217860c69c0b3c3bfc21ce7e3afeae6d6e1f9d06315b6870eb8cae3075"
    )


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"alora_invocation_tokens": [1, 2]}, "acts only after its own tokens"),
        ({"layer_replication": [[0, 2], [1, 3]]}, "changes the base itself"),
        ({"kasa_config": {"beta": 0.1}}, "changes the base itself"),
        ({"modules_to_save": ["lm_head"]}, r"more than LoRA layers \(modules_to_save.*merge_and_unload"),
        ({"bias": "all"}, "more than LoRA layers"),
        ({"lora_bias": True}, "more than LoRA layers"),
        ({"trainable_token_indices": [1]}, "more than LoRA layers"),
        ({"target_parameters": ["experts.w"]}, "more than LoRA layers"),
        ({"use_qalora": True}, "use_qalora"),
        ({"use_bdlora": {"nblocks": 2}}, "use_bdlora"),
        ({"arrow_config": {"top_k": 2}}, "arrow_config"),
        ({"megatron_config": {"x": 1}, "megatron_core": "os"}, "megatron_config"),
        ({"ensure_weight_tying": True}, "ensure_weight_tying"),
        ({"setting_of_tomorrow": 0.5}, "what holdfast does not know .setting_of_tomorrow: 0.5"),
        ({"lora_alpha": -8}, "lora_alpha: -8"),
        ({"lora_alpha": 8e300}, "lora_alpha: 8e"),
        ({"lora_alpha": 0}, "lora_alpha: 0"),
        ({"lora_alpha": True}, "lora_alpha: True"),
        ({"lora_alpha": "16"}, "lora_alpha: 16"),
        ({"r": 0}, "r: 0"),
        ({"r": -4}, "r: -4"),
        ({"r": 4.0}, "r: 4.0"),
        ({"r": True}, "r: True"),
        ({"r": 10**30}, "r: 10"),
        ({"r": None}, "does not say r"),
        ({"target_modules": None}, "does not say target_modules"),
        ({"target_modules": []}, "target_modules"),
        ({"target_modules": "(q"}, "target_modules"),
        ({"target_modules": [1]}, "target_modules"),
        ({"rank_pattern": {"q": 0}}, "rank_pattern"),
        ({"rank_pattern": [4]}, "rank_pattern"),
        ({"alpha_pattern": {"q": -1.0}}, "alpha_pattern"),
        ({"alpha_pattern": {"(q": 1.0}}, "alpha_pattern"),
        ({"layers_to_transform": [-1]}, "layers_to_transform"),
        ({"use_rslora": "yes"}, "use_rslora"),
        ({"use_dora": 1}, "use_dora"),
        ({"peft_type": "IA3"}, "only LORA"),
        ({"task_type": "SEQ_CLS"}, "not for a causal language model"),
        ({"init_lora_weights": "pissa_niter_4"}, "path_initial_model_for_weight_conversion"),
        ({"init_lora_weights": "lora_ga"}, "begun with lora_ga"),
        ({"init_lora_weights": "mica"}, "begun with mica"),
    ],
)
def test_a_setting_that_was_not_checked_is_refused_by_name(tmp_path: Path, setting: dict[str, Any], said: str) -> None:
    folder = adapter(tmp_path / "a", **setting)
    for read in (adapter_config, adapter_digest, check_adapter):
        with pytest.raises(UserError, match=said):
            read(folder)


@pytest.mark.parametrize("nothing", [None, False, [], {}, ""])
def test_a_setting_that_a_later_peft_writes_and_leaves_off_is_no_setting(tmp_path: Path, nothing: Any) -> None:
    plain = adapter_digest(adapter(tmp_path / "a"))
    assert adapter_digest(adapter(tmp_path / "b", future_option=nothing)) == plain


def test_all_that_peft_writes_of_a_plain_adapter_is_taken(tmp_path: Path) -> None:
    peft = pytest.importorskip("peft")
    config = peft.LoraConfig(r=4, target_modules=["q"], task_type="CAUSAL_LM", init_lora_weights="gaussian").to_dict()
    adapter_config(adapter(tmp_path / "a", **json.loads(json.dumps(config, default=sorted))))


def test_broken_files_of_an_adapter_are_named(tmp_path: Path) -> None:
    folder = adapter(tmp_path / "a")
    whole = (folder / "adapter_model.safetensors").read_bytes()
    (folder / "adapter_model.safetensors").write_bytes(whole[:-3])
    with pytest.raises(UserError, match=r"adapter_model\.safetensors is cut off"):
        adapter_folder(str(folder))
    (folder / "adapter_model.safetensors").write_bytes(safetensors())
    with pytest.raises(UserError, match="holds no weights"):
        adapter_folder(str(folder))
    (folder / "adapter_model.safetensors").write_bytes(whole.replace(b'"F32"', b'"I32"', 1))
    with pytest.raises(UserError, match="as I32, which is no weight of a LoRA"):
        adapter_folder(str(folder))
    for text in ("", "{", "[]", '{"lora_alpha": NaN}', "[" * 9999):
        (folder / "adapter_config.json").write_text(text)
        with pytest.raises(UserError, match=r"adapter_config\.json(: not | must hold a JSON object)"):
            adapter_folder(str(folder))


def test_what_is_given_in_place_of_an_adapter_is_called_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="it is a whole model; give it as the model, and its base with `--against`"):
        adapter_folder(str(model(tmp_path / "m")))
    folder = adapter(tmp_path / "a")
    (folder / "adapter_model.safetensors").rename(folder / "adapter_model.bin")
    with pytest.raises(UserError, match=r"adapter_model\.bin is not read"):
        adapter_folder(str(folder))
    (tmp_path / "e").mkdir()
    with pytest.raises(UserError, match="holds no adapter: it needs"):
        adapter_folder(str(tmp_path / "e"))


def test_an_adapter_of_other_shapes_is_refused_before_anything_is_loaded(tmp_path: Path) -> None:
    folder = adapter(tmp_path / "a")
    adapter_folder(str(folder), model(tmp_path / "fits", safetensors(**{"model.q.weight": (2, 3)})))
    adapter_folder(str(folder), model(tmp_path / "packed", safetensors(**{"model.q.other": (7, 7)})))
    with pytest.raises(UserError, match=r"does not fit .*made for 3 numbers, where model\.q has 2 × 5"):
        adapter_folder(str(folder), model(tmp_path / "other", safetensors(**{"model.q.weight": (2, 5)})))


@pytest.mark.parametrize(
    ("recorded", "said"),
    [
        ("meta-llama/Llama-3.1-8B", "meta-llama/Llama-3.1-8B"),
        ("someone/llama", None),
        ("/home/ann/models/Llama/", None),
        ("C:\\models\\llama", None),
        ("hub-name", None),
        (None, None),
        ("", None),
    ],
)
def test_another_bases_adapter_is_recognised_by_the_name_it_records(
    tmp_path: Path, recorded: Any, said: str | None
) -> None:
    folder = model(tmp_path / "m", _name_or_path="x/hub-name")
    assert foreign({"base_model_name_or_path": recorded}, "llama", "models/llama", folder) == said
