# Everything happens in .venv, made from the exact pins of requirements.lock.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
# One thread a process: the work is in many small matrices, and tests run side by side.
export OMP_NUM_THREADS := 1
export OPENBLAS_NUM_THREADS := 1
# What is compiled is kept: kernels and commands of their own import everything again and again.
unexport PYTHONDONTWRITEBYTECODE
# The tests of a file run in one worker, so that what they share is made once; tests/conftest.py puts the longest first.
WORKERS := -n 2 --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help install report test lint types layers pytest bench lab oracles agreement simulations sample-data lock clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1|/' | awk -F'|' '{printf "  make %-12s %s\n", $$1, $$2}'

$(STAMP): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info < (3, 14) else f"Python 3.11, 3.12 or 3.13 is needed; this is {sys.version.split()[0]}. Try: make PYTHON=python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $(STAMP)

install: $(STAMP) ## set everything up in .venv (the other targets do it too)

report: $(STAMP) ## the main job on the sample data; says where the report lies
	$(BIN)/pwiq report sample_data/baseline.csv sample_data/followup.csv --out report --force

test: lint types layers pytest ## all checks

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy

layers: $(STAMP)
	$(BIN)/lint-imports

pytest: $(STAMP)
	$(BIN)/pytest $(WORKERS)

bench: $(STAMP) ## how long the statistics take, side by side with R where R is there
	$(BIN)/python tests/bench.py

lab: $(STAMP) ## open the notebooks in JupyterLab
	$(BIN)/pwiq lab

oracles: $(STAMP) ## rewrite what R says and docs/agreement.md (needs R, see .ci/run)
	cd tests/oracles && rm -f *.json && for script in *.R; do Rscript --vanilla $$script || exit 1; done
	$(BIN)/python tests/oracles/made_from.py
	$(MAKE) agreement

agreement: $(STAMP) ## rewrite docs/agreement.md from what R said
	rm -rf .agreement && mkdir .agreement
	PWIQ_AGREEMENT=$(CURDIR)/.agreement $(BIN)/pytest -q $(WORKERS) tests/analysis
	$(BIN)/python tests/agreement.py .agreement && rm -rf .agreement

simulations: $(STAMP) ## rewrite the simulations behind intervals and tests (some hours; goes on where it stopped)
	$(BIN)/python tests/simulations/run.py

sample-data: $(STAMP) ## rewrite the sample data from its population
	$(BIN)/pwiq simulate sample_data/population.toml --out sample_data --force

lock: $(STAMP) ## pin the dependencies anew
	$(BIN)/uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-emit-find-links --no-header --no-annotate --quiet --upgrade -o requirements.lock

clean: ## remove what was made
	rm -rf .venv report .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
