# What one can do here; needs Python 3.11 or newer, make and a package index.
PYTHON ?= python3
PY = .venv/bin/python

help:     ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

setup: .venv/.installed  ## make .venv and install everything into it (once, a few minutes, 6 GB)

course: setup  ## run every notebook; the executed copies go to build/
	@$(PY) -m tools notebooks

test: setup  ## all tests: the library's, then every notebook
	$(PY) -m pytest tests
	@$(PY) -m tools notebooks --test

test-browser: setup  ## the tests in a real browser; fetches Chromium where there is none
	@command -v chromium >/dev/null || $(PY) -m playwright install chromium || echo \
	  "Chromium is missing and could not be fetched: install it (Debian: apt install chromium)" >&2
	DIGITLAB_BROWSER=required $(PY) -m pytest tests/browser

lab: setup  ## open JupyterLab at the first notebook
	$(PY) -m jupyterlab $(firstword $(sort $(wildcard notebooks/*.ipynb)))

outputs: setup  ## run the notebooks on MNIST and write their outputs back
	@$(PY) -m tools notebooks --write
	@$(PY) -m tools overview

figures: setup  ## draw everything under figures/ anew
	@$(PY) -m tools figures

stress: setup  ## make thousands of faults and count what is survived (needs Linux, half an hour)
	$(PY) -m studies stress --out digitlab/results/stress.json

lint: setup  ## style, types and spelling
	$(PY) -m ruff check
	$(PY) -m ruff format --check
	$(PY) -m codespell_lib
	$(PY) -m mypy

clean:  ## remove build/ and caches (the environment too: rm -rf .venv)
	rm -rf build .pytest_cache .mypy_cache .ruff_cache
	find . -path ./.venv -prune -o \( -name __pycache__ -o -name .ipynb_checkpoints \) -prune -exec rm -rf {} +

# The stamp holds what was installed, so that a new date on these files alone installs nothing.
# Without it .venv may be half made: start afresh (pip keeps its downloads).
.venv/.installed: pyproject.toml constraints.txt
	@if cat $^ | cmp -s - $@; then touch $@; else $(MAKE) --no-print-directory install; fi

install:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "digitlab needs Python 3.11 or newer, and '$(PYTHON)' is not: install it from" \
	    "python.org, then name it, for example: make setup PYTHON=python3.13" >&2; exit 1; }
	@echo "setting up .venv: a few minutes the first time"
	@test -f .venv/.installed || $(PYTHON) -m venv --clear .venv
	@$(PY) -m pip --disable-pip-version-check install -q -e ".[course,test]" -c constraints.txt
	@cat pyproject.toml constraints.txt > .venv/.new && mv .venv/.new .venv/.installed

.PHONY: help setup course test test-browser lab outputs figures stress lint clean install
