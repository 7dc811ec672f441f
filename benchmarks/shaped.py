"""A random Llama of a given shape with a real tokenizer; and what the defaults make of it on this machine.

python benchmarks/shaped.py --shape 8b --device cuda --tokenizer FOLDER --to FOLDER
python benchmarks/shaped.py --defaults FOLDER --device cuda --dtype bfloat16
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from pathlib import Path

SHAPES = {
    "8b": {"hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32},
    "tiny": {"hidden_size": 64, "intermediate_size": 224, "num_hidden_layers": 2, "num_attention_heads": 8},
}


def make(shape: str, device: str, tokenizer: Path, to: Path) -> None:
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    to.mkdir(parents=True, exist_ok=True)
    for file in tokenizer.iterdir():
        shutil.copy(file, to / file.name)
    spoken = AutoTokenizer.from_pretrained(to)
    ids = {"pad_token_id": spoken.pad_token_id, "eos_token_id": spoken.eos_token_id, "bos_token_id": None}
    size = {**SHAPES[shape], "vocab_size": len(spoken), "num_key_value_heads": 8, "max_position_embeddings": 8192}
    torch.manual_seed(0)
    torch.set_default_dtype(torch.bfloat16 if device == "cuda" else torch.float32)
    with torch.device(device):
        model = LlamaForCausalLM(LlamaConfig(**size, **ids))
    model.save_pretrained(to)
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters")


def defaults(folder: Path, device: str, dtype: str) -> None:
    """Tokens of a micro-batch by ``micro_tokens: auto``, and a step of 16 rows with it, of SFT."""
    import torch

    from holdfast import machine
    from holdfast.config.study import Controls, ModelSpec
    from holdfast.models.network import load
    from holdfast.objectives.sft import SFT
    from holdfast.training.prepared import fits, timed_step
    from holdfast.types import Example, Turn

    spec = ModelSpec(name="shaped", path=str(folder), device=device, dtype=dtype)  # type: ignore[arg-type]
    network, settings = load(spec), Controls()
    free = torch.cuda.mem_get_info()[0] if device == "cuda" else machine.free()
    tokens = fits(network, settings)
    text = " ".join(f"word{k * 7919 % 1000}" for k in range(120))
    rows = [Example(str(k), (Turn("user", f"{k} {text}"),), f"{text} {k}") for k in range(settings.batch_rows)]
    began = time.perf_counter()
    read, seconds, _ = timed_step(network, SFT(), rows, settings)
    peak = torch.cuda.max_memory_allocated() if device == "cuda" else machine.taken()
    found = {"free_bytes": free, **tokens._asdict(), "step_tokens": read, "tokens_per_second": read / seconds}
    print(json.dumps(found | {"peak_bytes": peak, "seconds_in_all": time.perf_counter() - began}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", choices=SHAPES, default="8b")
    parser.add_argument("--tokenizer", type=Path)
    parser.add_argument("--to", type=Path)
    parser.add_argument("--defaults", type=Path, help="the model's folder")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--dtype", default="bfloat16")
    args = parser.parse_args()
    if args.defaults:
        defaults(args.defaults, args.device, args.dtype)
    else:
        make(args.shape, args.device, args.tokenizer, args.to)


if __name__ == "__main__":
    main()
