# Everything a person does with the project. `make` alone lists it.
SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV = $$(command -v uv || echo $(BIN)/uv)
INSTALL = UV_COMPILE_BYTECODE=1 $(UV) pip install $$([ -t 2 ] || echo --quiet) --python $(BIN)/python
KILLS ?= 10
EVENTS ?= 100000
SEED ?= 1
PAIRS ?= 100000
PYTEST = $(BIN)/python -m pytest
PARALLEL = -n 2 --dist loadfile --no-loadscope-reorder

# Some containers set it; without compiled files every process and every test run compiles all modules anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
CORE_TESTS := codec context core decision_agent envelope explain lifecycle matrix quality_summary segments signals unknown

.PHONY: help demo setup install-deps dev-setup test test-fast test-agent test-dq test-spark test-coverage fmt lint \
  lint-fix coverage-core ci-test debug chaos property bench acceptance producer-test spark-submit reset-data clean lock

help: ## this list
	@grep -hE '^[a-z][a-z-]*:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | awk -F'\t' '{printf "  make %-15s %s\n", $$1, $$2}'

demo: $(VENV)/task ## the whole pipeline on this machine: Kafka, Spark, audit, decision, report
	@exec $(BIN)/mend demo

setup: $(VENV)/task ## .env from .env.example, and the folders of MEND_HOME
	@$(BIN)/mend setup

install-deps: $(VENV)/task ## the task environment in .venv
	@echo "ready: $(VENV)"

dev-setup: setup $(VENV)/dev ## setup, and the tools for development
	@echo "ready: make test, make lint"

test: $(VENV)/dev ## all tests, real Kafka and Spark included
	@$(PYTEST) $(PARALLEL)

test-fast: $(VENV)/dev ## the pure part, in seconds
	@$(PYTEST) tests/fast -m "not waits" -n 2

test-agent: $(VENV)/dev ## decisions
	@$(PYTEST) -m agent

coverage-core: $(VENV)/dev ## the decision core: fails unless its tests take every branch
	@$(BIN)/coverage run --rcfile=tests/core.coveragerc -m pytest $(CORE_TESTS:%=tests/fast/test_%.py)
	@$(BIN)/coverage report --rcfile=tests/core.coveragerc

test-dq: $(VENV)/dev ## rules and audit
	@$(PYTEST) -m dq

test-spark: $(VENV)/dev ## curation and the Spark job
	@$(PYTEST) -m spark

test-coverage: $(VENV)/dev ## all tests, with coverage in htmlcov/ and in the terminal
	@$(PYTEST) $(PARALLEL) --cov --cov-report=term --cov-report=html

fmt: $(VENV)/dev ## format
	@$(BIN)/ruff format .

lint: $(VENV)/dev ## format check, ruff, mypy, import-linter
	@$(BIN)/ruff format --check --quiet . || { echo "run: make fmt"; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

lint-fix: $(VENV)/dev ## repair what ruff can repair
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

ci-test: fmt lint test ## format, lint, test

debug: $(VENV)/task ## versions, settings, what is missing
	@$(BIN)/mend doctor

producer-test: $(VENV)/task ## send events for a minute to KAFKA_BROKER
	@$(BIN)/python -m producer --rate 10 --duration 60 --late-rate 0.1 --drift-frequency 20

spark-submit: $(VENV)/task ## run the ingest job by hand against SPARK_MASTER
	@$(BIN)/mend step run_spark_job

property: $(VENV)/dev ## what a model proposes never leaves its envelope, over PAIRS=100000 generated pairs, SEED=1
	@PYTHONPATH=. $(BIN)/python tests/fast/pairs.py $(PAIRS) $(SEED)

chaos: $(VENV)/task ## kill running pipelines and count what is lost or twice: KILLS=10 EVENTS=100000 SEED=1
	@exec $(BIN)/python -m bench.chaos --kills $(KILLS) --events $(EVENTS) --seed $(SEED) $(if $(JSON),--json)

bench: $(VENV)/dev ## measure against peers; renews the table in bench/README.md
	@$(BIN)/python -m bench.all

acceptance: $(VENV)/dev ## how many promises are proven by tests
	@$(BIN)/python tests/acceptance.py

lock: $(VENV)/dev ## renew the lock files
	@$(UV) pip compile -q --no-header --generate-hashes --universal --python-version 3.11 --extra postgres pyproject.toml -o requirements/task.txt
	@$(UV) pip compile -q --no-header --generate-hashes --universal --python-version 3.11 --group dev -c requirements/task.txt -o requirements/dev.txt

reset-data: $(VENV)/task ## destroy all data, reports and history of MEND_HOME; asks first (YES=1: does not)
	@exec $(BIN)/mend reset-data $(if $(YES),--yes)

clean: ## remove the environment and caches of tools; data stay
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis htmlcov .coverage

$(VENV)/uv: requirements/uv.txt
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is %d.%d: set PYTHON=…" % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@command -v uv >/dev/null || $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@touch $@

$(VENV)/task: $(VENV)/uv requirements/task.txt pyproject.toml
	@echo "building the task environment in $(VENV): Spark, DuckDB, Great Expectations … (once; about 700 MB)" >&2
	@$(INSTALL) --require-hashes -r requirements/task.txt
	@$(INSTALL) --no-build-isolation --no-deps -e .
	@touch $@

$(VENV)/dev: $(VENV)/task requirements/dev.txt
	@echo "adding the tools for development" >&2
	@$(INSTALL) --require-hashes -r requirements/dev.txt
	@touch $@
