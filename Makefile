# Set-up in one step, and shortcuts. Every results/... target hands over to snakemake.
#
#   make results/table8.csv                              CPU, minutes, no download
#   make results/table8.csv SCALE=gpu RAW_DIR=/data      one GPU, real data from your folder

PYTHON  ?= python3
SCALE   ?=
FLAVOUR ?=
RAW_DIR ?=
DATASETS ?=
EXTEND  ?=
CORES   ?= all

VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
CONFIG := $(strip $(if $(SCALE),scale=$(SCALE)) $(if $(FLAVOUR),flavour=$(FLAVOUR)) \
          $(if $(RAW_DIR),raw_dir=$(RAW_DIR)) $(if $(DATASETS),datasets=$(DATASETS)) $(if $(EXTEND),extend=$(EXTEND)))
RUN    := PATH="$(CURDIR)/$(BIN):$$PATH"

.PHONY: help setup site test test-all test-gpu lint format lock bench clean FORCE

help:  ## this list
	@grep -hE '^[a-z/%_-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 24
	@echo "results/ARTIFACT.csv    build one table or figure (SCALE=quick|gpu|paper, RAW_DIR=FOLDER, DATASETS=cifar10, FLAVOUR=released)"

setup: $(READY)  ## make .venv and install what is locked in requirements.txt

$(READY): requirements.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip sync --quiet --python $(BIN)/python --compile-bytecode --require-hashes requirements.txt
	@touch $@

results/%: $(READY) FORCE
	@$(RUN) snakemake $@ --cores $(CORES) $(if $(CONFIG),--config $(CONFIG))

all: $(READY)  ## every artifact of the scale
	@$(RUN) snakemake --cores $(CORES) $(if $(CONFIG),--config $(CONFIG))

plan: $(READY)  ## what every artifact of the scale needs, and how long it would take
	@$(BIN)/python -m pipeline plan $(if $(CONFIG),--config $(CONFIG))

site: $(READY)  ## a static site of everything that is built, in site/
	@$(BIN)/python -m pipeline site $(if $(CONFIG),--config $(CONFIG))

test: $(READY)  ## the test suite
	@$(RUN) pytest -n 2 --dist loadfile

test-all: $(READY)  ## the test suite with what takes minutes
	@$(RUN) pytest -n 2 --dist loadfile -m "slow or not slow"

test-gpu: $(READY)  ## the tests that need a GPU, on one
	@$(RUN) pytest -m gpu

lint: $(READY)  ## what the formatters and snakemake say
	@$(RUN) ruff check . && $(BIN)/ruff format --check . && $(BIN)/snakefmt --check Snakefile rules
	@$(RUN) snakemake --lint

format: $(READY)  ## format everything
	@$(RUN) ruff check --fix . && $(BIN)/ruff format . && $(BIN)/snakefmt Snakefile rules

lock:  ## compile requirements.txt from pyproject.toml
	$(BIN)/uv pip compile --quiet --all-extras --generate-hashes --no-emit-index-url --no-emit-find-links \
	    --no-header --python-version 3.11 --upgrade pyproject.toml -o requirements.txt

bench: $(READY)  ## measure what the README claims about speed
	@$(RUN) python bench/spine.py
	@$(RUN) python bench/provenance.py
	@$(RUN) python bench/site.py
	@$(RUN) python bench/theory.py
	@$(RUN) python bench/views.py
	@$(RUN) python bench/ntk.py
	@$(RUN) python bench/pretrain.py
	@$(RUN) python bench/probe.py

clean:  ## remove what can be had again: keys, logs, scratch, snakemake's own notes
	rm -rf keys jobs logs .scratch .snakemake

FORCE:
