# The doors of the project; `make` alone lists them.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
IMAGES ?=
WEIGHTS ?=
ELSEWHERE ?=
PORT ?=
SECONDS ?= 3600
SEED ?= 1
SEEDS ?= 100
# Files of tests are dealt to so many processes.
JOBS ?= 2

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-medium test-all lint audit sbom format fuzz chaos year docs bench dist serve serve-crawls clean

help:  ## list these doors
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.dev  ## everything for working on STJ, in .venv

demo: $(VENV)/.demo  ## the whole road on a practice shop: crawl, export, train, report (IMAGES=folder WEIGHTS=file PORT=number)
	$(BIN)/python -m stj_demo.walk $(if $(IMAGES),--images $(IMAGES)) $(if $(WEIGHTS),--weights $(WEIGHTS)) $(if $(ELSEWHERE),--elsewhere $(ELSEWHERE)) $(if $(PORT),--port $(PORT))

test: $(VENV)/.browser lint  ## lint, types and the fast tests
	$(BIN)/python -m pytest -q -n $(JOBS) --dist loadfile

test-medium: $(VENV)/.browser  ## the tests that take some seconds each
	$(BIN)/python -m pytest -q -m 'medium and not slow' -n $(JOBS) --dist loadfile

test-all: $(VENV)/.browser lint  ## all tests, those of minutes too
	$(BIN)/python -m pytest -q -m '' -n $(JOBS) --dist loadfile

lint: $(VENV)/.dev  ## ruff, mypy and the import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

audit: $(VENV)/.dev  ## bandit over all rooms, and whether the installed packages fit each other; needs no network
	$(BIN)/python -m tests.security.audit

sbom: $(VENV)/.dev  ## sbom.json: the installed packages as CycloneDX
	$(BIN)/cyclonedx-py environment $(VENV) --pyproject pyproject.toml --output-reproducible -o sbom.json

format: $(VENV)/.dev  ## bring the code into its usual form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

fuzz: $(VENV)/.dev  ## ask every reader of foreign bytes about bad inputs (SECONDS=3600 SEED=1)
	$(BIN)/python -m tests.fuzz --seconds $(SECONDS) --seed $(SEED)

chaos: $(VENV)/.dev  ## a lying shop and a failing machine, and laws that must hold (SEEDS=100 SEED=1 SECONDS=3600)
	$(BIN)/python -m tests.chaos --seeds $(SEEDS) --first $(SEED) --seconds $(SECONDS)

year: $(VENV)/.dev  ## a simulated year of nightly crawls, and docs/performance/year.md
	$(BIN)/python -m bench.year --report docs/performance

docs: $(VENV)/.dev  ## write docs/cli.md from --help and docs/catalog.md from the schema
	$(BIN)/python -m docs.make

bench: $(VENV)/.dev  ## measure beside peers at small sizes, and write docs/performance (bench-NAME: one at full size)
	$(BIN)/python -m bench

bench-%: $(VENV)/.dev
	$(BIN)/python -m bench $* --full

dist: $(VENV)/.dev  ## dist/: a wheel and an sdist, checked for a registry
	rm -rf dist
	$(BIN)/python -m build --no-isolation
	$(BIN)/twine check --strict dist/*

serve: $(VENV)/.dev  ## the studio in the browser
	$(BIN)/stj-web

serve-crawls: $(VENV)/.dev  ## scrapyd on 127.0.0.1:6800: schedule, watch and cancel crawls over HTTP
	$(BIN)/scrapyd --pidfile=

clean:  ## remove what demo and tests leave behind; .venv stays
	rm -rf demo-out .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist *.egg-info

# A crawl, a dataset and a model need no linters and no database servers: the demo installs only what it uses.
$(VENV)/.demo: pyproject.toml constraints.txt | $(VENV)/bin/python
	@test -e $(VENV)/.dev || $(PIP) -e '.[spiders,model]'
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) -e '.[dev]'
	@touch $@ $(VENV)/.demo

# Some tests look through a real browser: what is on the PATH, else a package of the system's, else Playwright's own.
$(VENV)/.browser: | $(VENV)/.dev
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null \
	  || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
	       && apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium >/dev/null; } \
	  || $(BIN)/playwright install chromium \
	  || echo "No browser can be had here: the tests that need one are skipped, and say so."
	@touch $@

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)
