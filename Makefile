# Two commands do all the set-up: `make up` and `make test`. Everything is installed below this folder.
SHELL := /bin/bash
# Python keeps its bytecode, whatever the environment says: a process of ours then starts in three quarters of the time.
export PYTHONDONTWRITEBYTECODE :=
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -q
SOURCES := realtime loadtest tests scripts setup.py
CHECKS := lint types layers lua types-js lint-js test-js collect
# A file of tests stays in one process, in the order of tests/conftest.py.
# More processes than cores, because tests wait a lot.
PARALLEL := --numprocesses 6 --dist loadscope --no-loadscope-reorder
PACKAGES := chromium-headless-shell faketime gcc lua-check redis-server

PAGES := $(filter-out static/built/%, $(shell find static -name '*.js' -o -name '*.css' -o -name '*.html'))

.PHONY: help up test check packages lint format types layers lua types-js lint-js test-js collect tests coverage audit bench install install-dev wheel clean
.DEFAULT_GOAL := help

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /  \1|/' | column -t -s '|'

up: install ## start the whole system on this machine (UP="--wan --nodes-per-region 5 --fresh")
	@exec $(BIN)/tickingtickets up $(UP)

test: ## everything that the CI runs: checks, then all tests (SYSTEM_PACKAGES=no: installs nothing outside this folder)
	@PACKAGES="$(PACKAGES)" MAKE="$(MAKE)" bash scripts/steps.sh "packages install-dev" "$(CHECKS)" tests

check: ## the checks without the tests
	@PACKAGES="lua-check" MAKE="$(MAKE)" bash scripts/steps.sh install-dev "$(CHECKS)"

packages: ## Debian packages of the checks and tests; names the missing ones, installs them as root
	@bash scripts/debian.sh $(PACKAGES)

lint: .venv/dev.stamp ## style and format
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)

format: .venv/dev.stamp static/vendor/socket.io.esm.min.js ## write the format
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)
	bash scripts/npm.sh run --silent format

types: .venv/dev.stamp ## strict types
	$(BIN)/mypy

layers: .venv/dev.stamp ## imports go down only
	$(BIN)/lint-imports

lua: .venv/run.stamp ## mistakes in the Lua functions
	@bash scripts/luacheck.sh

types-js: static/vendor/socket.io.esm.min.js ## types of the pages (JSDoc)
	bash scripts/npm.sh run --silent types

lint-js: static/vendor/socket.io.esm.min.js ## style and format of the pages (biome)
	bash scripts/npm.sh run --silent lint

test-js: static/vendor/socket.io.esm.min.js ## unit tests of the page modules that need no browser
	bash scripts/npm.sh run --silent test

collect: .venv/dev.stamp ## every test can be imported; keeps the bytecode for the processes that run them
	@out=$$($(BIN)/pytest --collect-only -qq 2>&1) || { echo "$$out"; exit 1; }

tests: install-dev ## all tests, on real servers and a real browser, in parallel
	$(BIN)/pytest $(PARALLEL)

coverage: install-dev ## all tests, and which lines and branches they don't reach; a third slower
	$(BIN)/pytest $(PARALLEL) --cov --cov-report=
	@bash scripts/coverage.sh

install: .venv/run.stamp static/built/manifest.json ## what `make up` and the load tester need

install-dev: .venv/dev.stamp static/built/manifest.json ## what the checks and tests need

audit: install-dev .venv/audit.stamp ## known vulnerabilities of all dependencies, from the public indexes
	$(BIN)/python scripts/audit.py

bench: install ## fan-out, joins, storms, writes beside Node.js and the kernel; ten minutes (BENCH="--json run.json")
	$(BIN)/python -m loadtest bench $(BENCH)

wheel: install ## a wheel with the pages in it, in dist/
	rm -rf build
	$(PIP) wheel --no-deps -w dist .

clean: ## forget everything installed and all data
	rm -rf .venv .node node_modules static/vendor static/built realtime/tickets/fonts var build dist *.egg-info

$(BIN)/python:
	bash scripts/venv.sh $(PYTHON)

.venv/run.stamp: pyproject.toml constraints.txt | $(BIN)/python
	bash scripts/install.sh -e '.[loadtest]'
	touch $@

.venv/dev.stamp: pyproject.toml constraints.txt | $(BIN)/python
	bash scripts/install.sh -e '.[loadtest,dev]'
	touch .venv/run.stamp $@

.venv/audit.stamp: .venv/run.stamp
	bash scripts/install.sh -e '.[audit]'
	touch $@

static/vendor/socket.io.esm.min.js: package-lock.json Makefile | $(BIN)/python
	bash scripts/npm.sh ci --ignore-scripts --no-audit --no-fund
	mkdir -p static/vendor
	cp node_modules/qr/index.js static/vendor/qr.js
	sed 's#\./index\.js#./qr.js#' node_modules/qr/decode.js > static/vendor/qr-decode.js
	cp node_modules/uplot/dist/uPlot.esm.js static/vendor/uplot.js
	cp node_modules/uplot/dist/uPlot.min.css static/vendor/uplot.css
	mkdir -p realtime/tickets/fonts
	cp node_modules/@expo-google-fonts/noto-sans/{400Regular/*.ttf,700Bold/*.ttf,LICENSE_FONT} realtime/tickets/fonts/
	cp node_modules/socket.io-client/dist/socket.io.esm.min.js static/vendor/
	touch $@

static/built/manifest.json: static/vendor/socket.io.esm.min.js scripts/bundle.mjs $(PAGES)
	bash scripts/npm.sh run --silent bundle
