# noctule's verbs. On a fresh Debian machine `make demo` and `make test` set up what they need.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
BIN := .venv/bin
PRODUCT := .venv/product-is-set-up
LAB := .venv/lab-is-set-up
SOUND_SERVERS := .venv/tests-are-set-up
# two cores: more BLAS threads than that only wait for each other
export OPENBLAS_NUM_THREADS := 1

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint types arch bench reality docs fmt lock clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 16

setup: $(PRODUCT) ## Python environment in .venv, PortAudio

$(PRODUCT): constraints.txt pyproject.toml scripts/setup.sh
	@scripts/setup.sh product

$(LAB): $(PRODUCT)
	@scripts/setup.sh lab

# Not a file target: where the sound servers cannot be installed there is no stamp, and no failure either.
.PHONY: sound-servers
sound-servers: $(PRODUCT)
	@[ $(SOUND_SERVERS) -nt scripts/setup.sh ] || scripts/setup.sh tests

demo: $(PRODUCT) ## the whole app on a simulated room, in the browser; no hardware needed
	@$(BIN)/noctule demo

test: $(PRODUCT) $(LAB) sound-servers lint types arch ## everything CI checks
	@if [ "$${CI:-}" = true ] || [ -e $(SOUND_SERVERS) ]; then export NOCTULE_REQUIRE_SOUNDSERVERS=1; fi; \
	$(BIN)/python -m pytest -n 2 --no-loadscope-reorder $(PYTEST)

lint: $(PRODUCT) ## ruff: style and likely mistakes
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(PRODUCT) $(LAB) ## mypy
	$(BIN)/mypy

arch: $(PRODUCT) ## import layers, and what tests/test_project.py promises about the project
	$(BIN)/lint-imports --no-logo
	$(BIN)/python -m pytest -q tests/test_project.py

bench: $(PRODUCT) ## speed and memory of the chain; BENCH="--live --hour --write" for all of it
	$(BIN)/python -m benchmarks.chain $(BENCH)

reality: $(PRODUCT) ## compare the simulator with real recordings: docs/explanation/simulator-against-reality.md
	$(BIN)/python -m scripts.reality

docs: $(PRODUCT) ## write the generated pages, check every link
	$(BIN)/python -m scripts.docs

fmt: $(PRODUCT) ## format, and fix what can be fixed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: ## write constraints.txt anew from a fresh environment
	scripts/lock.sh

clean: ## remove everything made, .venv too
	rm -rf .venv build dist out .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	rm -rf src/*.egg-info
	find src tests scripts benchmarks -name __pycache__ -prune -exec rm -rf {} +
