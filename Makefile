# The project's commands. `make` alone lists them. Nothing here needs root, Docker or a Redis server.
#
#   PYTHON=python3.12 make test      another Python (3.11 or newer) for the virtual environment
#   make test ARGS="-k listing -x"   arguments for the command itself
#   make test WORKERS=0              all tests in one process, as --pdb and -s want it

PYTHON ?= python3
VENV   ?= .venv
ARGS   ?=
# Processes that share the tests, file by file; tests/parallel.py says how many auto is.
WORKERS ?= auto

BIN := $(VENV)/bin
PY  := $(BIN)/python
PIP := PYTHONUNBUFFERED=1 $(PY) -m pip --disable-pip-version-check install --progress-bar off
PYTEST = $(PY) -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder
# What an installation depends on: when one of these changes, the next target installs again.
INSTALL_INPUTS := setup.cfg pyproject.toml $(PY)
SOURCES := api benchmarks docs examples jobqueue tests workers

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

.PHONY: help
help: ## list the commands
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# --- virtual environment -------------------------------------------------------------------------------------------

$(PY):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "jobqueue needs Python 3.11 or newer; choose one with PYTHON=python3.x make ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "$(PYTHON) cannot create virtual environments. On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@echo "creating $(VENV) ($$($(PYTHON) --version))"
	@$(PYTHON) -m venv --clear $(VENV) || { rm -rf $(VENV); exit 1; }

# One stamp per set of extras; a larger set marks the smaller ones in it as done too.
HOLDS_dev   := -test -bench -flower -all
HOLDS_test  := -bench -flower -all
HOLDS_bench := -flower -all

# $(1): what to install. A line for each package that pip fetches, since it takes a minute; the exit code is pip's.
define install
	@{ $(PIP) --editable '$(1)'; echo "pip-exit $$?"; } | awk ' \
	  $$1 == "pip-exit" {code = $$2; next} \
	  $$1 == "Collecting" {sub(/[^A-Za-z0-9._-].*/, "", $$2); print "  package " $$2; fflush()} \
	  /^ *Installing build dependencies: started/ {print "  preparing to build jobqueue"; fflush()} \
	  /^Installing collected packages/ {print "  installing " NF - 3 " packages"; fflush()} \
	  END {exit code}'
endef

$(VENV)/.installed: $(INSTALL_INPUTS)
	@echo "installing jobqueue into $(VENV)"
	$(call install,.)
	@touch $@

$(VENV)/.installed-%: $(INSTALL_INPUTS)
	@echo "installing jobqueue[$*] into $(VENV)"
	$(call install,.[$*])
	@touch $(addprefix $(VENV)/.installed,$(HOLDS_$*)) $(VENV)/.installed $@

.PHONY: venv
venv: $(VENV)/.installed-dev ## create .venv with everything that development needs

# --- run -----------------------------------------------------------------------------------------------------------

.PHONY: demo
demo: $(VENV)/.installed-all ## start everything on free ports, run real jobs, show the answers, stop everything
	@$(PY) -m jobqueue demo $(ARGS)

.PHONY: up
up: $(VENV)/.installed-all ## start everything on this machine and stay up until Ctrl-C
	@$(PY) -m jobqueue up $(ARGS)

.PHONY: procfile
procfile: $(VENV)/.installed-all $(VENV)/.installed-flower ## start the Procfile's processes (needs a Redis: JOBQUEUE_REDIS_URL)
	@PATH="$(abspath $(BIN)):$$PATH" $(PY) -m honcho start $(ARGS)

# --- check ---------------------------------------------------------------------------------------------------------

# Tests start hundreds of processes, which would each compile the sources where PYTHONDONTWRITEBYTECODE is set.
.PHONY: test
test: $(VENV)/.installed-test ## run every test, with Redis servers of its own
	@$(PY) -m compileall -q api jobqueue workers
	@$(PYTEST) $(ARGS)

.PHONY: unit
unit: $(VENV)/.installed-test ## run the tests that start no server (seconds)
	@$(PYTEST) tests/unit $(ARGS)

.PHONY: format
format: $(VENV)/.installed-dev ## format the code, and fix what ruff can fix
	@$(PY) -m ruff check --fix-only --quiet .
	@$(PY) -m ruff format .

.PHONY: format-check
format-check: $(VENV)/.installed-dev
	@$(PY) -m ruff format --check .

.PHONY: lint
lint: $(VENV)/.installed-dev ## lint with ruff
	@$(PY) -m ruff check .

.PHONY: types
types: $(VENV)/.installed-dev ## check the types with mypy --strict
	@$(PY) -m mypy

.PHONY: imports
imports: $(VENV)/.installed-dev ## check the layers with import-linter
	@$(BIN)/lint-imports

.PHONY: audit
audit: $(VENV)/.installed-dev ## look the dependencies up among known vulnerabilities
	@$(PY) .ci/audit.py

# In this order, the quick ones first and one at a time, so that pytest's summary is the last thing to read.
.PHONY: check
check: ## everything: format, lint, types, imports, vulnerabilities, tests
	@$(MAKE) static
	@$(MAKE) test

.PHONY: static
static: ## every check but the tests: format, lint, types, imports, vulnerabilities
	@$(MAKE) $(VENV)/.installed-dev
	@$(MAKE) format-check
	@$(MAKE) lint
	@$(MAKE) types
	@$(MAKE) imports
	@$(MAKE) audit

.PHONY: reference
reference: $(VENV)/.installed-test ## write those parts of docs/ anew that are made from the code
	@$(PY) -m docs.generate

.PHONY: docs
docs: $(VENV)/.installed-test ## build the documentation as a site, in build/site
	@$(PY) -m mkdocs build --strict --quiet $(ARGS)
	@echo "build/site/index.html"

.PHONY: dist
dist: $(VENV)/.installed ## build the wheel that other machines install, in dist
	@$(PY) -m pip --disable-pip-version-check wheel --quiet --no-deps --wheel-dir dist .
	@ls dist/*.whl

.PHONY: packages
packages: ## build the Debian and RPM packages for the version of PYTHON, in dist (needs nfpm)
	@deploy/packages/build $(PYTHON)

.PHONY: bench
bench: $(VENV)/.installed-bench ## measure the speed against Celery and Flower (minutes)
	@$(PY) -m benchmarks $(ARGS)

.PHONY: chaos
chaos: $(VENV)/.installed-test ## break things for MINUTES=10 with SEED=1
	@$(PY) -m tests.chaos --minutes $(or $(MINUTES),10) --seed $(or $(SEED),1)
	@CHAOS_ROUNDS=100 $(PY) -m pytest tests/chaos/test_start_stop.py

.PHONY: clean
clean: ## remove the virtual environment, caches and build output
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .coverage
	find $(SOURCES) -name __pycache__ -type d -prune -exec rm -rf {} +
