# `make study`: set up .venv and run the default study. `make test`: the same set-up, then every check.
# Variables: PYTHON (an interpreter >= 3.11), TORCH_INDEX (an index of CPU-only torch wheels), ARGS (more for snakemake).
export PYTHON TORCH_INDEX
PYTHON ?= python3
BIN := $(CURDIR)/.venv/bin
export PATH := $(BIN):$(PATH)
# One set-up at a time, where flock is there: a second `make` waits instead of installing into the same .venv.
ALONE := $(shell command -v flock >/dev/null 2>&1 && echo flock Makefile)
PINS := pyproject.toml envs/constraints.txt envs/install.sh

.PHONY: study test clean
study: .venv/study-installed
	@"$(BIN)/python" workflow/scripts/study.py $(ARGS)

test: .venv/test-installed
	ruff check .
	ruff format --check .
	snakefmt --check Snakefile workflow
	mypy
	pytest -n auto

.venv/study-installed: $(PINS)
	@$(ALONE) sh envs/install.sh .
	@touch $@

.venv/test-installed: $(PINS)
	@$(ALONE) sh envs/install.sh '.[dev]'
	@touch $@ .venv/study-installed

clean:
	rm -rf .venv
