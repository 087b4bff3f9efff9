# `make study`: set up .venv and run the default study. `make test`: the same set-up, then every check.
# Variables: PYTHON (an interpreter >= 3.11), TORCH_INDEX (an index of CPU-only torch wheels), ARGS (more for snakemake).
export PYTHON TORCH_INDEX
PYTHON ?= python3
BIN := $(CURDIR)/.venv/bin
export PATH := $(BIN):$(PATH)
PINS := pyproject.toml envs/constraints.txt envs/install.sh

.PHONY: study test clean
study: .venv/study-installed
	@"$(BIN)/python" workflow/scripts/study.py $(ARGS)

test: .venv/test-installed
	ruff check .
	ruff format --check .
	snakefmt --check Snakefile workflow
	mypy
	pytest -n auto --dist loadgroup

.venv/study-installed: $(PINS)
	@sh envs/install.sh .
	@touch $@

.venv/test-installed: $(PINS)
	@sh envs/install.sh '.[dev]'
	@touch $@ .venv/study-installed

clean:
	rm -rf .venv
