# Set-up in one step, and shortcuts. Every results/... target hands over to snakemake.
#
#   make results/table8.csv                              CPU, minutes, no download
#   make results/table8.csv SCALE=gpu RAW_DIR=/data      one GPU, real data from your folder

PYTHON  ?= python3
SCALE   ?=
FLAVOUR ?=
RAW_DIR ?=
DATASETS ?=
ARTIFACTS ?=
EXTEND  ?=
EXTRAS  ?=
DEVICE  ?=
TORCH   ?=
CORES   ?= all

# Make tells a variable by its letters, and would let these pass unseen.
SMALL := scale flavour raw_dir datasets artifacts extend extras device torch cores
LOWER := $(firstword $(foreach name,$(SMALL),$(if $(filter command,$(firstword $(origin $(name)))),$(name))))
ifneq ($(LOWER),)
$(error $(LOWER)=: variables are upper case here; type: make ... $(shell echo $(LOWER) | tr a-z A-Z)=$($(LOWER)))
endif

VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
CHOSEN := $(VENV)/.extras
WANTED  = $(sort $(EXTRAS) $(shell cat $(CHOSEN) 2>/dev/null))
THERE  := $(filter-out docs,$(patsubst requirements-%.txt,%,$(wildcard requirements-*.txt)))
ifneq ($(filter-out $(THERE),$(EXTRAS)),)
$(error EXTRAS=$(EXTRAS): there is no such extra; there are: $(THERE))
endif
ADDED   = $(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --require-hashes $(WANTED:%=-r requirements-%.txt)
DOCS   := $(VENV)/.docs
CONFIG := $(strip $(if $(SCALE),scale=$(SCALE)) $(if $(FLAVOUR),flavour=$(FLAVOUR)) \
          $(if $(RAW_DIR),raw_dir=$(RAW_DIR)) $(if $(DATASETS),datasets=$(DATASETS)) \
          $(if $(ARTIFACTS),artifacts=$(ARTIFACTS)) $(if $(EXTEND),extend=$(EXTEND)) $(if $(DEVICE),device=$(DEVICE)))
# Another build of torch than that of the last set-up, or none of which is known which: then it is set up anew.
OTHER  := $(filter-out $(shell cat $(VENV)/.torch 2>/dev/null),$(TORCH))
RUN    := PATH="$(CURDIR)/$(BIN):$$PATH"

.PHONY: help setup extras site docs reference test test-all test-gpu slurm test-slurm lint format lock bench clean FORCE

help:  ## this list
	@grep -hE '^[a-z/%_-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 24
	@echo "results/ARTIFACT.csv    build one table or figure (SCALE=quick|laptop|gpu|paper, RAW_DIR=FOLDER, DATASETS=cifar10)"

setup: $(if $(EXTRAS),extras,$(READY))  ## make .venv and install what is locked (TORCH=cpu or cuda; EXTRAS=timm, slurm, tensorboard: and that)

extras: $(READY)  # from then on kept whenever the environment is set up again
	@echo $(WANTED) > $(CHOSEN)
	$(ADDED)

$(READY): requirements.txt $(if $(OTHER),FORCE)
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@$(BIN)/python -m pipeline.install --torch "$(TORCH)" --environment $(VENV)
	$(if $(WANTED),$(ADDED))
	@git config --get merge.dvc.driver >/dev/null 2>&1 || \
	    echo "in a team, once per clone: $(BIN)/dvc install   (merges .dvc files; moves payload with git checkout and git push)"
	@echo "ready; to type snakemake and ssl yourself: source $(VENV)/bin/activate"
	@touch $@

results/%: $(READY) FORCE
	@$(RUN) snakemake $@ --cores $(CORES) $(if $(CONFIG),--config $(CONFIG))

.DEFAULT:  # a name alone is no target: files of that name are nobody's
	$(error there is no target $@; a table or figure: make results/$@.csv, everything else: make help)

all: $(READY)  ## every artifact of the scale
	@$(RUN) snakemake --cores $(CORES) $(if $(CONFIG),--config $(CONFIG))

plan: $(READY)  ## what every artifact of the scale needs, and how long it would take
	@$(BIN)/python -m pipeline plan $(if $(CONFIG),--config $(CONFIG))

site: $(READY)  ## a static site of everything that is built, in site/
	@$(BIN)/python -m pipeline site $(if $(CONFIG),--config $(CONFIG))

docs: $(DOCS)  ## the documentation, in docs/_build/html
	@echo "documentation: pages, then every link in them; a minute or two where nothing is built yet"
	@$(BIN)/python docs/generate.py --api
	@$(BIN)/python -m sphinx -q -W --keep-going -b html -d docs/_build/doctrees docs docs/_build/html
	@$(BIN)/python docs/check_links.py docs/_build/html
	@echo docs/_build/html/index.html

reference: $(READY)  ## what is committed of the documentation and written from the source: schemas, reference
	@$(BIN)/python docs/generate.py

$(DOCS): requirements-docs.txt $(READY)
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements-docs.txt
	@touch $@

test: $(READY)  ## the test suite
	@$(RUN) pytest -n 2 --dist loadfile --no-loadscope-reorder

test-all: $(READY)  ## the test suite with what takes minutes
	@$(RUN) pytest -n 2 --dist loadfile --no-loadscope-reorder -m "slow or not slow"

test-gpu: $(READY)  ## the tests that need a GPU, on one
	@$(RUN) pytest -m gpu

slurm:  ## Debian's SLURM, and Snakemake's executor for it; as root
	@$(MAKE) --no-print-directory setup EXTRAS=slurm
	@command -v slurmctld slurmd munged >/dev/null || \
	    (apt-get update -q && apt-get install -q -y --no-install-recommends slurmctld slurmd slurm-client munge)

test-slurm: slurm  ## the tests that need a SLURM, on one of two nodes that is started here; as root
	@$(RUN) pytest -n 0 tests/engine/test_slurm.py -m "slow or not slow" -rs

lint: $(READY)  ## what linters, formatters and the type checker say, and the advice of snakemake
	@$(RUN) ruff check . && $(BIN)/ruff format --check . && $(BIN)/snakefmt --check Snakefile rules && $(BIN)/mypy
	-@$(RUN) snakemake --lint  # advice, with a status that says so: ARCHITECTURE has what is left of it, and why

format: $(READY)  ## format everything
	@$(RUN) ruff check --fix . && $(BIN)/ruff format . && $(BIN)/snakefmt Snakefile rules

LOCK := pip compile --quiet --generate-hashes --no-emit-index-url --no-emit-find-links --no-header \
        --python-version 3.11 --upgrade

OPTIONAL = $(BIN)/python -c "import sys, tomllib; \
           print('\n'.join(tomllib.load(open('pyproject.toml', 'rb'))['project']['optional-dependencies'][sys.argv[1]]))"
LOCKED   = $(shell sed -nE 's/^([A-Za-z0-9._-]+)==.*/--no-emit-package \1/p' requirements.txt)
EXTRA    = $(OPTIONAL) $(1) | $(BIN)/uv $(LOCK) --constraint requirements.txt $(LOCKED) - -o requirements-$(1).txt  # the rest is there

lock: $(READY)  ## compile requirements.txt, and those of the documentation and of extras, from pyproject.toml
	$(BIN)/uv $(LOCK) --extra dev pyproject.toml -o requirements.txt
	$(OPTIONAL) docs | $(BIN)/uv $(LOCK) --constraint requirements.txt - -o requirements-docs.txt
	$(call EXTRA,timm)
	$(call EXTRA,slurm)
	$(call EXTRA,tensorboard)

bench: $(READY)  ## measure what docs/speed.md and docs/scale.md claim
	@$(RUN) python bench/spine.py
	@$(RUN) python bench/jobs.py
	@$(RUN) python bench/provenance.py
	@$(RUN) python bench/tracking.py
	@$(RUN) python bench/site.py
	@$(RUN) python bench/theory.py
	@$(RUN) python bench/views.py
	@$(RUN) python bench/ntk.py
	@$(RUN) python bench/pretrain.py
	@$(RUN) python bench/many_views.py
	@$(RUN) python bench/probe.py
	@$(RUN) python bench/scale.py
	@$(RUN) python bench/reading.py

clean:  ## remove what can be had again: keys, logs, scratch, snakemake's own notes, built documentation
	rm -rf keys jobs logs .scratch .snakemake docs/_build docs/api

FORCE:
