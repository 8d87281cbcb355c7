# Every target does its own set-up: with Python 3.11, 3.12 or 3.13 and make on
# the machine, `make demo` or `make test` is all there is to type.

VENV := .venv
PYTHON := $(VENV)/bin/python
SOURCES := discrete_lvm experiments tests setup.py

# More arguments of the program behind a target, for instance
# `make test PYTEST_ARGS=tests/ops` or `make demo DEMO_ARGS=--seed=2`.
PYTEST_ARGS ?=
DEMO_ARGS ?=
BENCHMARK_ARGS ?=

# TensorFlow's start-up messages would bury our own; its errors still show.
export TF_CPP_MIN_LOG_LEVEL ?= 2

# The npm package ships the binary, so that Bazel is not needed.
BUILDIFIER := npx --yes --loglevel=error @bazel/buildifier@8.2.1

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test test-slow lint types format benchmark clean

help:  ## Lists the targets.
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1	\2/p' Makefile | expand -t 20

demo: $(VENV)/installed  ## Trains on 8x8 digits, under 3 minutes: runs/demo.
	rm -rf runs/demo
	$(PYTHON) -m experiments.gumbel_softmax_vae --dataset=digits \
	    --output_dir=runs/demo $(DEMO_ARGS)

test: $(VENV)/installed  ## Runs the tests, but for the slow ones.
	$(PYTHON) -m pytest -n auto --dist=worksteal $(PYTEST_ARGS)

test-slow: $(VENV)/installed  ## Runs the slow tests alone.
	$(PYTHON) -m pytest -m slow $(PYTEST_ARGS)

lint: $(VENV)/installed-dev  ## Checks format and style, BUILD too.
	$(PYTHON) -m pyink --quiet --check --diff $(SOURCES)
	$(PYTHON) -m ruff check --quiet $(SOURCES)
	@if command -v npx >/dev/null; then \
	  echo $(BUILDIFIER) --mode=check --lint=warn BUILD; \
	  $(BUILDIFIER) --mode=check --lint=warn BUILD; \
	else \
	  echo 'npm is not installed: the format of BUILD is not checked.'; \
	fi

types: $(VENV)/installed-dev  ## Checks the type hints.
	$(PYTHON) -m mypy

format: $(VENV)/installed-dev  ## Formats the code and mends what ruff can.
	$(PYTHON) -m ruff check --quiet --fix $(SOURCES)
	$(PYTHON) -m pyink --quiet $(SOURCES)
	@if command -v npx >/dev/null; then $(BUILDIFIER) BUILD; fi

benchmark: $(VENV)/installed-benchmark  ## Prints our speed beside our peers'.
	$(PYTHON) -m experiments.benchmarks.gumbel_softmax $(BENCHMARK_ARGS)
	$(PYTHON) -m experiments.benchmarks.vae_step $(BENCHMARK_ARGS)
	$(PYTHON) -m experiments.benchmarks.trainer $(BENCHMARK_ARGS)
	$(PYTHON) -m experiments.benchmarks.modular $(BENCHMARK_ARGS)
	$(PYTHON) -m experiments.benchmarks.sampling $(BENCHMARK_ARGS)
	$(PYTHON) -m experiments.benchmarks.gaussian_ar1 $(BENCHMARK_ARGS)
	$(PYTHON) -m experiments.benchmarks.likelihood $(BENCHMARK_ARGS)
	$(PYTHON) -m experiments.benchmarks.estimators $(BENCHMARK_ARGS)
	$(PYTHON) -m experiments.benchmarks.semisupervised $(BENCHMARK_ARGS)

clean:  ## Removes the virtual environment and the caches, not runs/.
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis

# A stamp is written only after pip has succeeded, so that an interrupted
# set-up is taken up again.
$(VENV)/installed: setup.py | $(VENV)/created
	@echo 'Installing into $(VENV); the first time takes some minutes.'
	@$(PYTHON) -m pip install -qq --disable-pip-version-check \
	    --editable '.[experiments,test]'
	@touch $@

$(VENV)/installed-dev: EXTRA := dev
$(VENV)/installed-benchmark: EXTRA := benchmark
$(VENV)/installed-dev $(VENV)/installed-benchmark: $(VENV)/installed
	@echo 'Installing the $(EXTRA) tools into $(VENV).'
	@$(PYTHON) -m pip install -qq --disable-pip-version-check \
	    --editable '.[$(EXTRA)]'
	@touch $@

# Each name is tried, not only looked up: a `python3.12` on the PATH may be a
# shim of a version manager with nothing behind it, or lack `venv`.
$(VENV)/created:
	@for python in python3 python3.13 python3.12 python3.11; do \
	  if $$python -c 'import ensurepip, sys; \
	      sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
	      >/dev/null 2>&1; then \
	    $$python -m venv $(VENV) && touch $@ && exit; \
	  fi; \
	done; \
	echo 'Expected Python 3.11, 3.12 or 3.13, with venv, on the PATH;' \
	    'found none. Install one and run make again.' >&2; exit 1
