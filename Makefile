# Every target is a verb; `make help` lists them. Nothing but Python 3.11+, make and a package index is needed.

.DEFAULT_GOAL := help
SHELL := /bin/sh
.DELETE_ON_ERROR:
.SUFFIXES:

VENV := .venv
BIN := $(VENV)/bin
PROTO_SOURCES := $(shell find protos third_party -name '*.proto') protos/generate.py protos/vezne/type/currencies.json
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
  --no-emit-index-url --no-emit-find-links --no-header --no-annotate --all-extras pyproject.toml
STAMP := $(VENV)/.setup-stamp

##@ Use

.PHONY: help
help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} \
	  /^##@/ {printf "\n%s\n", substr($$0, 5)} \
	  /^[a-z0-9-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: $(STAMP) ## Make the virtual environment in .venv

$(STAMP): requirements.lock pyproject.toml gen/pyproject.toml deploy/setup.sh
	@sh deploy/setup.sh $(VENV)
	@touch $@

.PHONY: demo
demo: setup ## Run a casino's day through the whole stack, and check it
	@$(BIN)/vezne demo

.PHONY: up
up: setup ## Run the whole stack until Ctrl-C; its data is kept in .vezne/
	@$(BIN)/vezne up

##@ Check

.PHONY: check
check: lint test ## Everything that CI checks

.PHONY: lint
lint: setup ## Format, style, types, imports, contracts, migrations, manifests, tidiness
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/buf lint
	$(BIN)/buf format --diff --exit-code protos
	$(BIN)/python protos/generate.py --check
	$(BIN)/buf breaking protos --against protos/released.binpb
	$(BIN)/squawk --no-error-on-unmatched-pattern 'services/*/migrations/versions/*.sql'
	@sh deploy/k8s/validate.sh $(BIN)
	$(BIN)/pytest -q tests/tidy

.PHONY: test
test: setup ## Every test but the benchmarks
	$(BIN)/pytest tests --ignore=tests/bench

.PHONY: test-unit
test-unit: setup ## The tests that need no server
	$(BIN)/pytest -q tests/unit tests/tidy

.PHONY: test-integration
test-integration: setup ## Each service on a real PostgreSQL: ours, or VEZNE_TEST_DATABASE_URL
	$(BIN)/pytest tests/integration tests/contract

.PHONY: bench
bench: setup ## The benchmarks of the three services, on a quiet machine; .vezne/bench.json
	$(BIN)/python -m tests.bench.ledger.run
	$(BIN)/python -m tests.bench.psp_gateway.run
	$(BIN)/python -m tests.bench.reconciliation.run

##@ Change

.PHONY: format
format: setup ## Format code and contracts
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/buf format -w protos

.PHONY: protos
protos: setup ## Generate gen/ from protos/
	$(BIN)/python protos/generate.py

.PHONY: docs
docs: setup ## Write the pages that are generated from the code
	$(BIN)/python docs/generate.py

.PHONY: migrate
migrate: setup ## Bring the tables of the services to this release (VEZNE_…_DATABASE__URL of an owner)
	@$(BIN)/vezne migrate

.PHONY: lock
lock: setup ## Compile the lock files, with hashes and without addresses
	$(COMPILE) --group dev -o requirements.lock
	$(COMPILE) --group build --constraint requirements.lock -o deploy/docker/requirements.lock
