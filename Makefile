# `make study`: set up .venv and run the default study. `make test`: the same set-up, then every check.
# `make setup`: the set-up alone. `make site`: the documents as a site, build/site/index.html.
# Variables: PYTHON (an interpreter >= 3.11), TORCH_INDEX (an index of CPU-only torch wheels), ARGS (more for snakemake).
export PYTHON TORCH_INDEX
export PYTHONUTF8 := 1
PYTHON ?= python3
# One set-up at a time, where flock is there: a second `make` waits instead of installing into the same .venv.
ALONE := $(shell command -v flock >/dev/null 2>&1 && echo flock Makefile)
PINS := pyproject.toml envs/constraints.txt envs/install.sh
# A .venv that runs the code of another folder, from which this one was copied or moved, or none: set up again.
PINS += $(shell .venv/bin/python -I -X utf8 envs/serves.py 2>/dev/null || echo again)

.PHONY: study setup site test clean again
study: .venv/study-installed
	@.venv/bin/python workflow/scripts/study.py $(ARGS)

setup: .venv/study-installed

site: .venv/site-installed
	@.venv/bin/python docs/website.py

test: .venv/test-installed
	.venv/bin/python -m ruff check .
	.venv/bin/python -m ruff format --check .
	.venv/bin/python -m snakefmt --check Snakefile workflow
	.venv/bin/python -m mypy & types=$$!; .venv/bin/python -m pytest -n auto; tests=$$?; wait $$types && exit $$tests

.venv/study-installed: $(PINS)
	@$(ALONE) sh envs/install.sh '.[study]'
	@touch $@

.venv/site-installed: $(PINS)
	@$(ALONE) sh envs/install.sh '.[site]'
	@touch $@

.venv/test-installed: $(PINS)
	@$(ALONE) sh envs/install.sh '.[dev]'
	@touch $@ .venv/study-installed .venv/site-installed

clean:
	rm -rf .venv
