# README's two commands. Each does its own set-up; PIP_ARGS is passed through to pip.
PYTHON ?= python3
PIP_ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check -q $(PIP_ARGS) -c constraints.txt

.PHONY: demo test lint bench clean

demo: $(VENV)/.run
	$(BIN)/holdfast run miniature --out runs/miniature

test: $(VENV)/.dev
	$(BIN)/python -m pytest -n 2

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

clean:
	rm -rf $(VENV) runs
