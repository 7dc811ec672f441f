#!/usr/bin/env bash
# What holdfast does on a GPU, in at most ten minutes (fourteen with two cards): an 8B-shaped random Llama in bfloat16 with a real tokenizer.
#
#     benchmarks/gpu.sh TOKENIZER OUT     TOKENIZER: a folder with tokenizer.json and a chat template
#     TINY=1 benchmarks/gpu.sh …          a tiny shape on the CPU: does it run?
#
# Figures go to OUT, one file a part, and from there to docs/benchmarks.md with date and card.
set -eu
tokenizer=$1 out=$2
python=${PYTHON:-.venv/bin/python}
mkdir -p "$out"
if [ "${TINY:-}" ]; then shape=tiny device=cpu dtype=float32; else shape=8b device=cuda dtype=bfloat16; fi

part() { # NAME SECONDS COMMAND…: one part that fails or is slow does not take the others with it
    local name=$1 most=$2
    shift 2
    echo "== $name"
    timeout "$most" "$@" >"$out/$name.txt" 2>&1 && tail -n 30 "$out/$name.txt" || { echo "$name: exit $?"; tail -n 5 "$out/$name.txt"; }
}

part model 150 "$python" benchmarks/shaped.py --shape "$shape" --device "$device" --tokenizer "$tokenizer" --to "$out/model"
# Each objective beside TRL: tokens a second, memory in steps.
part training 300 "$python" benchmarks/training.py --model "$out/model" --device "$device" --dtype "$dtype" --repeats 1
# What the defaults take: the tokens of a micro-batch that memory has room for, the speeds of a step and of a batch.
part defaults 150 "$python" benchmarks/shaped.py --defaults "$out/model" --device "$device" --dtype "$dtype"
# A model over two cards: equal to one card? Nothing where there are fewer.
if [ "$("$python" -c 'import torch; print(torch.cuda.device_count())')" -ge 2 ]; then
    part two_gpus 240 "$python" benchmarks/two_gpus.py "$out/model" --device "$device" --dtype "$dtype"
fi
