"""With too little memory for the defaults a study trains all the same, or ends in a sentence."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from holdfast.store.files import read_json
from holdfast.store.folder import StudyFolder

GIB = 2**30
# In the process that is limited, and those that it starts.
LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[1]),) * 2)
from holdfast.cli.app import main
sys.argv = ["holdfast", *sys.argv[2:]]
main()
"""
WIDE = {"hidden_size": 512, "intermediate_size": 1408, "num_hidden_layers": 8, "num_attention_heads": 8}


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Llama that keeps some 0.3 MB a token, with the miniature's tokenizer and template."""
    import torch
    from transformers import AutoConfig, AutoTokenizer, LlamaForCausalLM

    from holdfast.store.sources import model_folder

    miniature, folder = model_folder("package:holdfast.miniature/model"), tmp_path_factory.mktemp("wide")
    config = AutoConfig.from_pretrained(miniature)
    config.update({**WIDE, "num_key_value_heads": 4, "head_dim": 64})
    torch.manual_seed(0)
    LlamaForCausalLM(config).save_pretrained(folder)
    AutoTokenizer.from_pretrained(miniature).save_pretrained(folder)
    return folder


def train(study: Path, out: Path, limit: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", LIMITED, str(limit), "train", str(study), "--out", str(out), "--workers", "1"]
    return subprocess.run(command, capture_output=True, text=True, timeout=600, cwd=out.parent)


@pytest.mark.slow
def test_a_limit_of_memory_makes_batches_smaller_or_ends_in_a_sentence(
    wide: Path, small_study: str, tmp_path: Path
) -> None:
    text = small_study.replace("package:holdfast.miniature/model", str(wide)).replace("[600, 1200]", "[3000]")
    text = text.replace("batch_rows: 4", "batch_rows: 32").replace("warmup_steps: 2", "warmup_steps: 0")
    used = {}
    for name, more, limit in (
        ("free", "", 64 * GIB),
        ("auto", "", 6 * GIB),
        ("none", "", 5 * GIB // 4),
    ):
        (study := tmp_path / f"{name}.yaml").write_text(text.replace("controls: {", f"controls: {{{more}"))
        out = tmp_path / name
        done = train(study, out, limit)
        if name == "none":
            assert done.returncode == 2, done.stderr
            assert "Traceback" not in done.stderr
            assert "memory" in done.stderr
            continue
        assert done.returncode == 0, done.stderr[-2000:]
        proofs = read_json(StudyFolder(out).controls_json)["trajectories"]
        used[name] = (
            {p["controlled"]["computation"]["micro_tokens"] for p in proofs},
            [p.get("less_memory") for p in proofs],
        )
    print(json.dumps({k: str(v) for k, v in used.items()}))
    assert used["free"] == ({8192}, [None] * len(used["free"][1]))
    assert max(used["auto"][0]) < 8192
