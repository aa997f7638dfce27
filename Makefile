# Everything here works from a clean clone: each target installs what it needs into .venv first.
SHELL := /bin/sh
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
FLAGS ?=
ARGS ?=
SPECS ?= ../shared/specs
# images of containers often set it; the processes that are started here by the dozen would each compile Dagster anew
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo up test contract faults bench screenshots lint lock clean help

help:  ## this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

demo: .venv/installed  ## start everything, onboard "Acme Training", show progress (FLAGS="--exit --json")
	@$(BIN)/tenant-provisioning demo $(FLAGS)

up: .venv/installed  ## start everything and stay up (FLAGS="--latency instant")
	@$(BIN)/tenant-provisioning up $(FLAGS)

test: .venv/installed  ## run every test (ARGS="-k lifecycle")
	@# three workers on two processors: the journeys wait more than they compute
	@$(BIN)/pytest -n 3 --no-loadscope-reorder $(ARGS)

contract: .venv/installed  ## check requests and answers against the vendors' OpenAPI documents (SPECS=../shared/specs)
	@test -d "$(SPECS)" || { echo "The contract check is not carried out: no vendors' documents in $(SPECS). Set SPECS=DIR." >&2; exit 1; }
	@$(BIN)/pytest tenant_provisioning_tests/contract --specs "$(SPECS)" $(ARGS)

screenshots: .venv/installed  ## a picture of every page of the portal, into .data/screenshots
	@$(BIN)/python -m tenant_provisioning_tests.portal.screenshots .data/screenshots

faults: .venv/installed  ## every vendor call and every commit x every fault, processes killed for real, hostile input (FLAGS="--sample 50")
	@$(BIN)/python -W ignore -m tenant_provisioning_tests.faults $(FLAGS)
	@FAULTS=all $(BIN)/pytest -q tenant_provisioning_tests/faults/test_vendors_away_for_long.py
	@$(BIN)/python -W ignore -m tenant_provisioning_tests.faults.kills
	@$(BIN)/python -W ignore -m tenant_provisioning_tests.faults.fuzz

bench: .venv/installed  ## how fast, and what it costs, each figure as a line of JSON (FLAGS="P1 P3 --quick")
	@$(BIN)/python -W ignore -m tenant_provisioning_tests.bench $(FLAGS)

lint: .venv/installed  ## formatting, style, types, and which floor may import which
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports
	@! grep -nE 'https?://' requirements.lock

lock: .venv/installed  ## compile requirements.lock again from pyproject.toml
	@$(BIN)/uv pip compile --quiet --universal --no-header --no-emit-index-url --generate-hashes --python-version 3.11 \
		--extra dev --extra scale --extra kubernetes pyproject.toml -o requirements.lock

clean:  ## remove the virtual environment and the embedded default's data
	rm -rf .venv .data

.venv/installed: requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed and none is on the PATH. Set PYTHON=/path/to/python." >&2; exit 1; }
	@echo "Installing into .venv with $(PYTHON) …" >&2
	@$(PYTHON) -m venv .venv
	@# uv installs in seconds, but knows nothing of pip's own index settings: where it fails, pip does the same in a minute
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv >&2
	@VIRTUAL_ENV=.venv $(BIN)/uv pip sync --quiet --require-hashes requirements.lock 2>/dev/null || \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock >&2
	@VIRTUAL_ENV=.venv $(BIN)/uv pip install --quiet --offline --no-deps --no-build-isolation -e . >&2
	@touch .venv/installed
