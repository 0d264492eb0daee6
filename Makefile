# make invert | test | lab | docs. Each sets itself up in $(VENV), once; remove that folder to start over.
#   make invert IMAGES="cat.jpg dog.png"      make test PYTHON=python3.12 VENV=.venv-3.12
PYTHON ?= python3
VENV ?= .venv
IMAGES ?= $(wordlist 1,8,$(sort $(wildcard $(addprefix data/samples/*.,jpg jpeg png webp))))
OUT ?= out
# CPU threads; empty: as many as PyTorch takes by itself.
THREADS ?=
LAB_ARGS ?=

BIN := $(VENV)/bin
CONFIG := settings.ini setup.py pyproject.toml

.PHONY: help invert test lab docs
.DELETE_ON_ERROR:

help:
	@echo 'make invert   what the network sees in IMAGES="a.jpg b.png" (or in 8 sample photos): $(OUT)/inversions.png, $(OUT)/report.csv'
	@echo 'make test     everything that CI checks'
	@echo 'make lab      JupyterLab on nbs/tutorials'
	@echo 'make docs     the site, from the notebooks as they are saved: _docs/index.html'

invert: $(BIN)/.installed
	$(BIN)/featinv invert $(IMAGES) --model lite --model lite-last $(if $(THREADS),--threads $(THREADS)) --out $(OUT)

test: $(BIN)/.installed-dev
	$(BIN)/python .ci/check.py

lab: $(BIN)/.installed-dev
	$(BIN)/jupyter lab --ServerApp.root_dir="$(CURDIR)/nbs" --LabApp.default_url=/lab/tree/tutorials \
	    $(if $(filter 0,$(shell id -u)),--allow-root) $(LAB_ARGS)

docs: $(BIN)/.installed-docs
	$(BIN)/python docs/build.py

# The stamps say that $(VENV) holds what settings.ini asks for: a second run of any command starts at once.
$(BIN)/.installed: $(CONFIG)
	@echo "Setting up $(VENV): this downloads PyTorch and takes minutes, once."
	@$(PYTHON) -c 'import sys; v = "%d.%d" % sys.version_info[:2]; sys.exit(0 if v in ("3.10", "3.11", "3.12", "3.13") else \
	    "$(PYTHON) is Python %s; featinv_nb needs 3.10 to 3.13: name one, e.g. make PYTHON=python3.12 ..." % v)'
	test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check --editable .
	@touch $@

$(BIN)/.installed-dev: $(BIN)/.installed
	@echo "Adding the tools for tests and notebooks (nbdev, JupyterLab, pytest, ...) to $(VENV)."
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

$(BIN)/.installed-docs: $(BIN)/.installed
	@echo "Adding the tools for the site (nbdev, Sphinx, MyST-NB, furo) to $(VENV)."
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[docs]'
	@touch $@
