# `make run`: the whole chain on recorded commands. `make test`: every check. `make bench`: the figures of docs/benchmarks.md; `make bench-listen`: those of listening.

PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11 python3.10; do \
	$$python -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo $$python && break; done)
VENV ?= .venv
# A CPU build from elsewhere: make test TORCH="torch==2.13.0 --index-url …"
TORCH ?= torch==2.13.0
WORKERS ?= 2
BIN := $(VENV)/bin
# Bytecode is written when a module is first used: compiling all that is installed costs more than it saves.
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile -c constraints.txt

.PHONY: run test lint types unit bench bench-listen system-packages clean

run: $(VENV)/.base
	@$(BIN)/otto demo

test: $(VENV)/.test system-packages
	@for step in lint types unit; do \
		$(MAKE) --no-print-directory $$step || failed="$$failed $$step"; \
	done; \
	if [ -n "$$failed" ]; then echo "make test: FAILED:$$failed"; exit 1; fi; \
	echo "make test: all passed (ruff, mypy --strict, pytest)"

lint: $(VENV)/.test
	$(BIN)/ruff check .

types: $(VENV)/.test
	$(BIN)/mypy

# A file stays with one worker, so that what its tests share is made once. One thread a worker: they are as many as the cores.
unit: $(VENV)/.test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

bench: $(VENV)/.test
	$(BIN)/python -m tests.bench

bench-listen: $(VENV)/.test system-packages
	$(BIN)/python -m tests.bench.listening

# What tests/system-packages.txt lists, where this may install it; what is missing is named, and the tests that need it are skipped.
system-packages:
	@missing=; for package in $$(sed 's/#.*//' tests/system-packages.txt); do \
		dpkg -s $$package >/dev/null 2>&1 || missing="$$missing $$package"; \
	done; \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
		(apt-get update && apt-get install -y --no-install-recommends $$missing) >/dev/null 2>&1 && exit 0; \
	fi; \
	echo "make test: not on this machine:$$missing. The tests that need them are skipped; see tests/system-packages.txt."

$(VENV)/.python:
	@if [ -z "$(PYTHON)" ]; then echo "make: Otto needs Python 3.10 to 3.13; name one with: make run PYTHON=/path/to/python3"; exit 2; fi
	@$(PYTHON) -m venv $(VENV) || { echo "make: $(PYTHON) cannot make a virtual environment; on Debian: apt-get install python3-venv"; exit 2; }
	@touch $@

$(VENV)/.base: pyproject.toml constraints.txt $(VENV)/.python
	@echo "Installing Otto into $(VENV) …"
	@$(INSTALL) -e .
	@touch $@

$(VENV)/.test: pyproject.toml constraints.txt $(VENV)/.python
	@echo "Installing Otto and what its tests need into $(VENV) …"
	@$(INSTALL) $(TORCH)
	@$(INSTALL) -e '.[test]'
	@touch $(VENV)/.base $@

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
