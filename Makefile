# Every command a person types; `make` alone lists them.
#
# The tools live in .venv, which is made on first use and remade when pyproject.toml changes.
# PY=/path/to/python uses another interpreter that has the dependencies, and makes no .venv.

ROOT    := $(CURDIR)
VENV    := .venv
CC      ?= cc
CORE    := $(wildcard csrc/*.c csrc/*.h emu/isa/*.py) emu/core/build.py
SETUP    = $(PY) -W ignore -c 'from setuptools import setup; setup()' --quiet

ifdef PY
ENVIRONMENT :=
BUILT       := build/.built-$(subst /,_,$(PY))
else
PY          := $(VENV)/bin/python
ENVIRONMENT := $(VENV)/.ready
BUILT       := build/.built
endif

# Two workers: the tests are CPU-bound, and a laptop or a CI machine has at least two cores.
PYTEST = $(PY) -m pytest -n 2 $(ARGS)

.DEFAULT_GOAL := help
.PHONY: help build demo test lint lint-c sanitize manual bench check clean

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: $(BUILT) ## make .venv and compile the core (the other commands do so themselves)

demo: $(BUILT) ## four virtual threads pass a token round by doorbells
	$(PY) -m emu run guests/token_ring.s --smt 4 --stats

test: $(BUILT) ## the tests; ARGS='-k doorbell' passes options to pytest
	$(PYTEST)

lint: $(BUILT) lint-c ## ruff, mypy --strict, the import layers, and the C warnings as errors
	$(PY) -m ruff check
	$(PY) -m mypy
	$(PY) -c 'from importlinter.cli import lint_imports_command as main; main()'

# The core compiled once more in a directory of its own, so that the ordinary build stays.
lint-c: $(BUILT)
	EMU_CFLAGS=-Werror $(SETUP) build_ext --force --build-temp build/lint/temp --build-lib build/lint/lib

# -O1 -g1: the interpreter's loops are large functions, and gcc takes long over them otherwise.
# The tests import the copy of emu that this builds; gcc's run-time library must come first.
SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=undefined -O1 -g1
sanitize: $(BUILT) ## the tests on a core built with address and undefined-behaviour sanitizers
	EMU_SEQUENCES=60 EMU_CFLAGS='$(SANITIZE)' EMU_LDFLAGS='$(SANITIZE)' \
	    $(SETUP) build --build-base build/sanitize --build-lib build/sanitize/lib
	PYTHONPATH=$(ROOT)/build/sanitize/lib PYTHONSAFEPATH=1 ASAN_OPTIONS=detect_leaks=0 \
	LD_PRELOAD="$$($(CC) -print-file-name=libasan.so)" $(PYTEST) --timeout 1500 -p no:cacheprovider

manual: $(BUILT) ## the manual of every instruction, SPR, interrupt and hcall, in build/manual.md
	$(PY) -m emu isa --all > build/manual.md

bench: $(BUILT) ## the benchmarks; each prints its own table
	for program in benchmarks/bench_*.py; do $(PY) $$program || exit 1; done

check: lint test ## what CI runs

clean: ## remove what these commands made, .venv included
	rm -rf build dist $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	rm -rf *.egg-info emu/core/_emu.*.so
	find emu tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.ready: pyproject.toml
	@python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	    || { echo "emu needs python 3.11 or later as python3"; exit 1; }
	python3 -m venv --clear $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

$(BUILT): $(ENVIRONMENT) $(CORE)
	$(SETUP) build_ext --inplace
	@mkdir -p $(@D) && touch $@
