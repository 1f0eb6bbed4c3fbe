# Everything a person does with the project. `make` alone lists it.
SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
AIRFLOW_VENV := .venv-airflow
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
  lint-fix ci-test quick-start up up-kafka down down-v logs logs-airflow logs-kafka logs-spark logs-producer status \
  monitor validate docs airflow airflow-env airflow-down airflow-trigger coverage-core debug chaos property bench \
  acceptance producer-test spark-submit reset-data clean lock

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

test: $(VENV)/dev $(AIRFLOW_VENV)/ready ## all tests, real Kafka, Spark and Airflow included
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

test-coverage: $(VENV)/dev $(AIRFLOW_VENV)/ready ## all tests, with coverage in htmlcov/ and in the terminal
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

airflow: $(VENV)/task $(AIRFLOW_VENV)/ready ## Airflow with Kafka on this machine, without Docker: PORT=8080
	@exec $(BIN)/mend airflow up $(if $(PORT),--port $(PORT))

airflow-env: $(AIRFLOW_VENV)/ready ## the environment of Airflow in .venv-airflow
	@echo "ready: $(AIRFLOW_VENV)"

airflow-down: $(VENV)/task ## end what `make airflow` started
	@exec $(BIN)/mend airflow down

airflow-trigger: $(VENV)/task ## start a run of the DAG, follow it, say what was decided
	@exec $(BIN)/mend platform run airflow trigger

up: $(VENV)/task ## all containers, ready to use, and where they are reached (LLM=1: Ollama, too)
	@exec $(BIN)/mend platform up $(if $(LLM),--llm)

up-kafka: $(VENV)/task ## only Kafka, schema registry and Kafka UI in containers
	@exec $(BIN)/mend platform up --kafka

down: $(VENV)/task ## stop what runs, in containers or without; data stay
	@exec $(BIN)/mend platform down

down-v: $(VENV)/task ## stop the containers and destroy their data; asks first (YES=1: does not)
	@exec $(BIN)/mend platform down --volumes $(if $(YES),--yes)

logs: $(VENV)/task ## follow what all of it says
	@exec $(BIN)/mend platform logs

logs-airflow: $(VENV)/task ## follow what Airflow says
	@exec $(BIN)/mend platform logs airflow

logs-kafka: $(VENV)/task ## follow what Kafka says
	@exec $(BIN)/mend platform logs kafka

logs-spark: $(VENV)/task ## follow what Spark says
	@exec $(BIN)/mend platform logs spark

logs-producer: $(VENV)/task ## follow what the producer says
	@exec $(BIN)/mend platform logs producer

status: $(VENV)/task ## what runs, how healthy, and the last runs
	@exec $(BIN)/mend platform status

monitor: $(VENV)/task ## lag, throughput, runs, incidents, services, live; q ends it
	@exec $(BIN)/mend platform run monitor

quick-start: setup ## from nothing to a result: containers where Docker is there, else the demo
	@if docker info >/dev/null 2>&1; then $(MAKE) --no-print-directory up; \
	else echo "Docker does not answer: the demo shows the pipeline without it" >&2; $(MAKE) --no-print-directory demo; fi

validate: $(VENV)/task ## check pipeline files, decision matrix, compose files and DAGs
	@for file in pipelines/*.yml; do $(BIN)/mend pipeline check $$file || exit; done
	@$(BIN)/mend matrix check
	@$(BIN)/mend platform check
	@if test -x $(AIRFLOW_VENV)/bin/python; then $(AIRFLOW_VENV)/bin/python airflow/dags/pipeline_dag.py; \
	else echo "DAGs are not checked: make airflow-env builds what that needs"; fi

docs: $(VENV)/task ## renew what is written by the code: schemas of documents, .env.example
	@$(BIN)/python -m mend.contracts.schemas
	@$(BIN)/python -c 'from mend.runtime.settings import env_example; print(env_example(), end="")' > .env.new
	@mv .env.new .env.example
	@echo "docs/schemas and .env.example are up to date; begin to read at README.md"

debug: $(VENV)/task ## versions, settings, Docker's resources, what is missing
	@$(BIN)/mend doctor

producer-test: $(VENV)/task ## send events for a minute to KAFKA_BROKER
	@$(BIN)/python -m producer --rate 10 --duration 60 --late-rate 0.1 --drift-frequency 20

spark-submit: $(VENV)/task ## run the ingest job by hand against SPARK_MASTER
	@exec $(BIN)/mend platform run step run_spark_job

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
	@$(UV) pip compile -q --no-header --generate-hashes --universal --python-version 3.11 requirements/airflow.in -o requirements/airflow.txt

reset-data: $(VENV)/task ## destroy all data, reports and history of MEND_HOME; asks first (YES=1: does not)
	@exec $(BIN)/mend platform run reset-data $(if $(YES),--yes)

clean: ## remove the environments and caches of tools; data stay
	rm -rf $(VENV) $(AIRFLOW_VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis htmlcov .coverage

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

$(AIRFLOW_VENV)/ready: $(VENV)/uv requirements/airflow.txt
	@echo "building Airflow's environment in $(AIRFLOW_VENV) (once; about 400 MB)" >&2
	@test -x $(AIRFLOW_VENV)/bin/python || $(UV) venv --quiet --python $(BIN)/python $(AIRFLOW_VENV)
	@UV_COMPILE_BYTECODE=1 $(UV) pip install $$([ -t 2 ] || echo --quiet) --python $(AIRFLOW_VENV)/bin/python --require-hashes -r requirements/airflow.txt
	@touch $@
