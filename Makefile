# Everything happens in .venv; a target installs what it needs, once.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
EXTRAS := dev
TORCH := $(shell sed -n 's/^torch==/torch==/p' constraints.txt)
PACKAGES := idto3d eval baselines dashboard protocols tests
WEIGHTS := weights
VALIDATOR := tests/gltf/node_modules/.installed
AXE := tests/dashboard/a11y/node_modules/.installed
VIEWER := dashboard/idto3d_dashboard/viewer
# In the order in which they need each other.
NETWORKS := recogniser_a recogniser_b reader_methods reader_scoring base words geometry texture

.PHONY: help install system browser bench-dashboard bench-runner load-study screenshots demo unseen test lint format types pytest test-slow kill-test selfcheck train clean fuzz hashes install-hashed audit

help: ## what the targets do
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 24

install: $(STAMP) ## the environment, once per change of what it is made from

# torch goes first and alone, so that no other package's dependency chooses its build.
$(STAMP): pyproject.toml constraints.txt hatch_build.py $(wildcard $(VIEWER)/src/* $(VIEWER)/*.json $(VIEWER)/*.mjs)
	@$(MAKE) --no-print-directory system
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Found $$($(BIN)/python -V), expected Python 3.11 or newer; run make PYTHON=python3.11 after removing $(VENV)." >&2; exit 2; }
	@echo "Installing into $(VENV) (once; some minutes) …"
	@$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt $(TORCH)
	@$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt -e '.[$(EXTRAS)]'
	@touch $@

# What open3d and opencv load and wheels do not bring.
system:
	@bash .ci/system-packages

demo: install ## three people from photos to a report, in minutes
	@$(BIN)/idto3d-eval run --protocol quickstart

unseen: install ## the twelve held-out people
	@$(BIN)/idto3d-eval run --protocol unseen_ids

test: lint types pytest ## lint, types and tests

lint: install
	@$(BIN)/ruff check $(PACKAGES)
	@$(BIN)/ruff format --check $(PACKAGES)

format: install ## rewrite the sources as lint wants them
	@$(BIN)/ruff check --fix --quiet $(PACKAGES)
	@$(BIN)/ruff format $(PACKAGES)

types: install
	@$(BIN)/mypy

pytest: install browser $(VALIDATOR) $(AXE)
	@$(BIN)/python -m pytest -n 2 --dist loadfile

# Khronos' glTF validator, and axe-core. Without npm, or where npm cannot reach its registry, their tests say why
# they skip.
$(VALIDATOR) $(AXE): %/node_modules/.installed: %/package.json %/package-lock.json %/.npmrc
	@if command -v npm >/dev/null; then \
	  cd $(<D) && npm ci --silent --no-audit --no-fund && touch node_modules/.installed \
	    || echo "npm could not install what $(<D) names; the tests with it are skipped." >&2; \
	fi

browser:
	@bash .ci/browser

bench-dashboard: install browser ## seconds until a run of 50 methods and 200 people is open, and each of its pages
	@$(BIN)/python -m tests.dashboard.bench_dashboard

bench-runner: install ## what the runner itself costs, locally and by Ray, and how large a plan it carries
	@$(BIN)/idto3d-eval bench runner

load-study: install browser ## fifty raters at once for five minutes, the server killed five times, on SQLite and PostgreSQL
	@command -v pg_ctlcluster >/dev/null || { apt-get update -qq && apt-get install -y -qq postgresql >/dev/null; }
	@$(BIN)/python -m tests.dashboard.load_study
	@$(BIN)/python -m tests.dashboard.load_study --postgres

screenshots: install browser ## every page of a run at two widths and in both themes, into docs/dashboard
	@$(BIN)/python -m tests.dashboard.take_screenshots $(RUN) --out docs/dashboard

test-slow: install ## the tests that take minutes: kills, whole runs
	@$(BIN)/python -m pytest -m slow

kill-test: install ## twenty kills of a run, each followed by the same command: the same scores to the byte
	@$(BIN)/python tests/slow/kill_runs.py --protocol smoke --kills 20

MINUTES := 10
fuzz: install ## changed files into every reader, MINUTES of each; what breaks one is kept in tests/hostile/found
	@$(BIN)/python -m tests.hostile.fuzz --minutes $(MINUTES) $(READERS)

hashes: install ## constraints.hashes.txt: every package with version and sha256, for this platform
	@$(BIN)/python .ci/hashes.py constraints.txt constraints.hashes.txt '.[$(EXTRAS)]'

# In an environment of its own. torch comes by version, from wherever this machine gets its build; all else must
# have the hash that is written down, what builds the package included.
HASHED := .venv-hashed
install-hashed: ## a second environment from nothing but the listed files
	@rm -rf $(HASHED)
	@$(PYTHON) -m venv $(HASHED)
	@$(HASHED)/bin/python -m pip install --disable-pip-version-check --quiet --no-deps $(TORCH)
	@$(HASHED)/bin/python -m pip install --disable-pip-version-check --quiet --no-deps --require-hashes -r constraints.hashes.txt
	@PATH="$$PWD/$(HASHED)/bin:$$PATH" $(HASHED)/bin/python -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation -e .
	@$(HASHED)/bin/python -m pip check
	@$(HASHED)/bin/idto3d-eval protocols ls >/dev/null && echo "Installed into $(HASHED) with every hash as listed."

AUDIT := .venv-audit
audit: ## known vulnerabilities of what is listed; 3 where the database cannot be reached
	@test -x $(AUDIT)/bin/pip-audit || { $(PYTHON) -m venv $(AUDIT) && $(AUDIT)/bin/python -m pip install --disable-pip-version-check --quiet pip-audit; }
	@bash .ci/audit $(AUDIT)/bin/pip-audit constraints.hashes.txt

selfcheck: install ## prove every metric again; renews the shipped record and docs/metrics.md
	@$(BIN)/idto3d-eval metrics selfcheck --ship --docs docs

train: $(NETWORKS:%=train-%) ## all networks into $(WEIGHTS)/, each resumable; hours on two cores

train-%: install
	@$(BIN)/idto3d-eval train $* --out $(WEIGHTS)

clean: ## remove caches; runs and the environment stay
	@rm -rf .mypy_cache .pytest_cache .ruff_cache .hypothesis
