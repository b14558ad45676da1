# `make help` lists the targets. What is set up lies in .venv; `make clean` takes it away.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
READY_DEV := $(VENV)/.ready-dev
READY_DOCS := $(VENV)/.ready-docs
READY_REAL := $(VENV)/.ready-real
PEFT_VENV := .venv-peft
PEFT_BIN := $(PEFT_VENV)/bin
READY_PEFT := $(PEFT_VENV)/.ready
SOURCES := farense_tui worker scripts benchmarks tests

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-14s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: $(READY) ## open the app; without a terminal train the demo and ask its adapter
	@if [ -t 0 ] && [ -t 1 ]; then $(BIN)/farense-tui; else sh scripts/demo.sh $(BIN)/farense-tui; fi

.PHONY: test
test: $(READY_DEV) ## run the tests
	$(BIN)/python -m pytest -n auto

.PHONY: check
check: $(READY_DEV) ## lint, types and import walls
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

.PHONY: format
format: $(READY_DEV) ## format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: snapshots
snapshots: $(READY_DEV) ## take the tests' SVG pictures anew, after looking at the difference
	$(BIN)/python -m pytest tests/ui --snapshot-update

.PHONY: translations
translations: $(READY_DEV) ## collect the strings of the code and compile their translations
	$(BIN)/python scripts/translations.py

.PHONY: templates
templates: $(READY_DEV) ## fetch chat templates, test them, make the table of docs/templates.md
	$(BIN)/python scripts/chat_templates.py
	$(BIN)/python -m pytest -m templates

.PHONY: against-peft
against-peft: $(READY_PEFT) ## train beside torch and peft, step by step, and print the differences
	$(PEFT_BIN)/python benchmarks/exactness/against_peft.py

.PHONY: real
real: $(READY_REAL) $(READY_PEFT) ## take a real model through the whole job, beside mlx_lm and torch
	$(BIN)/python benchmarks/real_model/real_model.py

.PHONY: soak
soak: $(READY_DEV) ## an hour of kills, errors of the disk and damaged files; MINUTES=5 for less
	$(BIN)/python -m benchmarks.faults.soak --minutes $(or $(MINUTES),60)

.PHONY: hashes
hashes: $(READY) ## take down the SHA-256 of all that is installed, for every system (needs uv)
	@sed -n '/^#/p' requirements-hashed.txt > .hashed
	uv pip compile pyproject.toml -c constraints.txt --generate-hashes --universal \
	  --python-version 3.11 --no-header --no-annotate --no-emit-index-url --quiet >> .hashed
	@mv .hashed requirements-hashed.txt
	$(BIN)/python scripts/make_sbom.py

.PHONY: docs
docs: $(READY_DOCS) ## build the docs as a site in site/; a link that leads nowhere fails
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo 'site/index.html'

.PHONY: clean
clean: ## remove what was set up and built; runs are kept
	rm -rf $(VENV) $(PEFT_VENV) build dist site *.egg-info .pytest_cache .mypy_cache .ruff_cache

# uv is used if it is there: it is faster, and it brings a Python of its own if need be.
$(VENV)/bin/python $(PEFT_BIN)/python: %/bin/python:
	@if command -v uv >/dev/null 2>&1; then uv venv --quiet --python '>=3.11' $*; \
	else $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	    || { echo 'farense-tui needs Python 3.11 or newer: make PYTHON=python3.12 ...'; exit 1; }; \
	  $(PYTHON) -m venv $*; fi


TRANSLATIONS := $(wildcard worker/farense_worker/protocol/locale/*/LC_MESSAGES/*.po)

$(READY): pyproject.toml constraints.txt hatch_build.py $(TRANSLATIONS) | $(VENV)/bin/python
	@echo 'Setting up in $(VENV) ...'
	@$(call install,-c constraints.txt -e .)
	@touch $@

$(READY_DEV): $(READY)
	@$(call install,-c constraints.txt -e '.[dev]')
	@touch $@

$(READY_DOCS): $(READY)
	@$(call install,-c constraints.txt -e '.[docs]')
	@touch $@

$(READY_REAL): $(READY_DEV)
	@$(call install,-c constraints.txt -e '.[dev$(,)fast-cpu]')
	@touch $@

# torch beside transformers would change what the tests import: it has an environment of its own.
$(READY_PEFT): pyproject.toml constraints.txt | $(PEFT_BIN)/python
	@echo 'Setting up in $(PEFT_VENV) ...'
	@$(call install,-c constraints.txt -e '.[peft]',$(PEFT_VENV))
	@touch $@

# A comma that $(call) does not take for its own.
, := ,

# An environment that uv made has no pip, and uv may be gone since.
define install
if command -v uv >/dev/null 2>&1; then VIRTUAL_ENV=$(or $(2),$(VENV)) uv pip install --quiet $(1); \
else python=$(or $(2),$(VENV))/bin/python; \
  $$python -m pip --version >/dev/null 2>&1 || $$python -m ensurepip >/dev/null; \
  $$python -m pip install --quiet --disable-pip-version-check $(1); fi
endef
