PYTHON ?= python3
BIN := .venv/bin
TESTS ?= tests
BENCH ?=

.DEFAULT_GOAL := help
.PHONY: benchbus drills openapi schema help run test check lint types imports format bench loadtest fuzz demo verdicts lock clean environment

help: ## List these targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

run: ## Install what is missing, start Smart Links on this machine
	@$(PYTHON) -m deploy.standalone.bootstrap && exec $(BIN)/python -m deploy.standalone

test: check ## Check everything, then run all tests, two at a time (TESTS=path for some)
	$(BIN)/python -m pytest -n 2 --dist loadfile $(TESTS)

check: lint types imports ## Check style, types and imports, without tests

lint: environment ## Check style and formatting
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: environment ## Check types, strictly
	$(BIN)/mypy

imports: environment ## Check that imports point upstream only
	$(BIN)/lint-imports

format: environment ## Format, and mend what can be mended
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: environment ## Measure speed and memory beside nginx, write docs/performance.md; needs nginx and wrk (BENCH=--full: long soak)
	$(BIN)/python -m loadtests.bench --write docs/performance.md $(BENCH)

benchbus: environment ## Measure shipper, ingest and click to report beside a real Kafka and ClickHouse, write docs/performance.md
	$(BIN)/python -m loadtests.bus --write docs/performance.md $(BENCH)

loadtest: environment ## Play a campaign by Locust beside nginx; report in reports/loadtest.html
	$(BIN)/python -m loadtests.campaign

fuzz: environment ## Search for bytes that a reader of requests gets wrong (SECONDS=60)
	$(BIN)/python -m tests.edge.fuzz.run $(or $(SECONDS),60)

drills: environment ## Break everything on purpose, for 20 minutes or more, count exactly (DRILLS="warehouse kafka" for some; WRITE=1: docs/reliability.md)
	$(BIN)/python -m tests.drills $(DRILLS) $(if $(WRITE),--write docs/reliability.md)

demo: ## Fill the running system with a simulated campaign and check every count
	@$(PYTHON) -m deploy.standalone.bootstrap && exec $(BIN)/python -m deploy.demo

verdicts: environment ## Measure the rules on labelled user agents, write docs/verdicts.md
	$(BIN)/python -m tests.ingest.corpus

openapi: environment ## Write docs/openapi.json anew from the code
	$(BIN)/python -m api.openapi

schema: environment ## Call every operation of the OpenAPI document with what fits and what does not, for long
	SCHEMA_EXAMPLES=$(or $(EXAMPLES),200) $(BIN)/python -m pytest tests/api/schemathesis/test_whole_document.py -s --timeout 7200

lock: environment ## Write the lock files anew from pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --python-version 3.11 pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --python-version 3.11 pyproject.toml --extra dev -c requirements.lock -o requirements-dev.lock

clean: ## Remove the environment and all caches; data in var/ stays
	rm -rf .venv build .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	rm -rf deploy/standalone/data/node_modules deploy/demo/node_modules tests/ingest/corpus/node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

environment:
	@$(PYTHON) -m deploy.standalone.bootstrap --dev
