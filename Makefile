# `make help` lists what can be made.

SHELL := /bin/sh
BIN   := .venv/bin

# The two states of .venv: what Penstock needs to run, and what its developers need besides. Each is made
# again when its lock changes, and looked at again when PYTHON names an interpreter: it may be another one.
RUN := .venv/.made-to-run
DEV := .venv/.made-to-develop

.PHONY: help up test faults fuzz conformance lint bench lock env clean named-python
.DEFAULT_GOAL := help

help: ## This list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-11s  %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

up: $(RUN) ## Run Penstock here, all in one process [AMQP_URL=amqp://… STORE_URL=redis://… PORT=8000]
	@exec $(BIN)/penstock up

ifneq ($(AMQP_URL),)
up: export PENSTOCK_AMQP_URL := $(AMQP_URL)
endif
ifneq ($(STORE_URL),)
up: export PENSTOCK_STORE_URL := $(STORE_URL)
endif
ifneq ($(PORT),)
up: export PENSTOCK_PORT := $(PORT)
endif

test: export PENSTOCK_MAY_INSTALL := yes
test: $(DEV) ## Run every test, against a real RabbitMQ and Valkey [ARGS='tests/unit -k topic']
	@$(BIN)/python -m tests.support.broker
	@$(BIN)/python -m tests.support.store
	@$(BIN)/python -m pytest -n auto --dist worksteal $(ARGS)

lint: $(DEV) ## Check style (ruff), types (mypy --strict) and who may import whom
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@MYPYPATH=clients/python $(BIN)/mypy -p penstock_client
	@$(BIN)/lint-imports --no-logo

faults: export PENSTOCK_MAY_INSTALL := yes
faults: $(DEV) ## Break everything around Penstock on purpose [ARGS='--short --seeds 5' or '--only F01,F07']
	@$(BIN)/python -m tests.faults $(ARGS)

fuzz: $(DEV) ## Give strangers' bytes to every decoder, for longer than the tests do [ARGS='--seconds 60 --only token']
	@$(BIN)/python -m tests.fuzz $(ARGS)

conformance: $(DEV) ## Run the Autobahn test suite against the gateway's WebSocket; it says what it needs
	@$(BIN)/python -m tests.conformance

bench: $(DEV) ## Measure, and print the table of benchmarks/README.md [ARGS='--help']
	@$(BIN)/python -m benchmarks $(ARGS)

lock: $(DEV) ## Renew the locks from pyproject.toml [ARGS='--upgrade']
	@$(BIN)/uv pip compile $(LOCK) $(ARGS) --output-file requirements.lock pyproject.toml
	@$(BIN)/uv pip compile $(LOCK) $(ARGS) --constraint requirements.lock --group dev \
	    --output-file requirements-dev.lock pyproject.toml

LOCK := --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
        --no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock'

env: $(DEV) ## Make .venv, with everything that developing needs [PYTHON=python3.12]

ifneq ($(PYTHON),)
$(RUN) $(DEV): named-python
endif

$(RUN): requirements.lock .ci/environment
	@.ci/environment run
	@touch $@

$(DEV): requirements-dev.lock .ci/environment
	@.ci/environment develop
	@touch $(RUN) $@

clean: ## Remove .venv and everything else that was made
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
