# Two commands do all the set-up: `make up` and `make test`. Everything is installed below this folder.
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -q
SOURCES := realtime loadtest tests scripts setup.py

.PHONY: help up test check lint format types layers types-js tests bench install install-dev browser wheel clean
.DEFAULT_GOAL := help

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /  \1|/' | column -t -s '|'

up: install ## start the whole system on this machine (UP="--wan --nodes-per-region 5 --fresh")
	@exec $(BIN)/tickingtickets up $(UP)

test: check tests ## everything that the CI runs: checks, then all tests

check: lint types layers types-js ## lint, format, types, layers, types of the pages

lint: .venv/dev.stamp ## style and format
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)

format: .venv/dev.stamp ## put the format right
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

types: .venv/dev.stamp ## strict types
	$(BIN)/mypy

layers: .venv/dev.stamp ## imports go down only
	$(BIN)/lint-imports

types-js: static/vendor/socket.io.esm.min.js ## types of the pages (JSDoc)
	bash scripts/npm.sh exec -- tsc -p jsconfig.json

tests: install-dev browser ## all tests, on real servers and a real browser
	$(BIN)/pytest

install: .venv/run.stamp static/vendor/socket.io.esm.min.js ## what running needs

install-dev: install .venv/dev.stamp ## what testing needs

browser: ## Chromium and Redis for the tests; installed by apt when missing and root
	bash scripts/debian.sh chromium redis-server

bench: install ## fan-out, joins, storms, writes beside Node.js and the kernel; ten minutes (BENCH="--json run.json")
	$(BIN)/python -m loadtest bench $(BENCH)

wheel: install ## a wheel with the pages in it, in dist/
	rm -rf build
	$(PIP) wheel --no-deps -w dist .

clean: ## forget everything installed and all data
	rm -rf .venv .node node_modules static/vendor var build dist *.egg-info

$(BIN)/python:
	bash scripts/venv.sh $(PYTHON)

.venv/run.stamp: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install -c constraints.txt -e .
	touch $@

.venv/dev.stamp: .venv/run.stamp
	$(PIP) install -c constraints.txt -e '.[dev]'
	touch $@

static/vendor/socket.io.esm.min.js: package-lock.json | $(BIN)/python
	bash scripts/npm.sh ci --ignore-scripts --no-audit --no-fund
	mkdir -p static/vendor
	cp node_modules/qr/index.js static/vendor/qr.js
	cp node_modules/uplot/dist/uPlot.esm.js static/vendor/uplot.js
	cp node_modules/uplot/dist/uPlot.min.css static/vendor/uplot.css
	cp node_modules/socket.io-client/dist/socket.io.esm.min.js static/vendor/
	touch $@
