"""What a model or adapter brings along that is not used, or is another's, is said before anything is measured."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from holdfast.runs import audit
from holdfast.runs.plan import Plan, expand
from holdfast.store.sources import local
from holdfast.types import UserError

MEASURES = "- {measure: miniature_facts, items: 2}\n"


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return Path(shutil.copytree(local("package:holdfast.miniature/model"), tmp_path / "base"))


def edit(file: Path, **changes: object) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def planned(tmp_path: Path, base: Path, *adapters: Path) -> Plan:
    (tmp_path / "m.yaml").write_text(MEASURES)
    return expand(audit.study(str(base), [f"mine={a}" for a in adapters], measures=tmp_path / "m.yaml"))


def test_settings_of_generation_that_are_not_used_are_said_once(tmp_path: Path, base: Path) -> None:
    assert planned(tmp_path, base).of_models == ()
    edit(base / "generation_config.json", do_sample=True, temperature=0.6, repetition_penalty=1.1, top_p=1.0)
    (note,) = planned(tmp_path, base).of_models
    assert "generation_config.json of base sets do_sample: True, temperature: 0.6, repetition_penalty: 1.1," in note
    assert "top_p" not in note


def test_an_adapter_of_another_base_is_recognised_by_name_and_by_shape(
    tmp_path: Path, base: Path, two_adapters: list[Path]
) -> None:
    adapter = Path(shutil.copytree(two_adapters[0], tmp_path / "adapter"))
    edit(adapter / "adapter_config.json", base_model_name_or_path="someone/base")
    assert planned(tmp_path, base, adapter).of_models == ()
    edit(adapter / "adapter_config.json", base_model_name_or_path="someone/other")
    (note,) = planned(tmp_path, base, adapter).of_models
    assert note.startswith("the adapter mine says that it was trained on someone/other, and is measured on base")
    config = json.loads((base / "config.json").read_text())
    from transformers import LlamaConfig, LlamaForCausalLM

    wider = LlamaForCausalLM(LlamaConfig(**config | {"hidden_size": 160, "num_hidden_layers": 4}))
    wider.save_pretrained(base)
    with pytest.raises(UserError, match=r"does not fit .*base: .* is made for 128 numbers, where \S+ has (\d+ × )?160"):
        planned(tmp_path, base, adapter)


def test_a_plan_made_before_there_were_such_notes_is_read(tmp_path: Path, base: Path) -> None:
    plain = planned(tmp_path, base).as_json()
    del plain["of_models"]
    assert Plan.from_json(plain).of_models == ()
