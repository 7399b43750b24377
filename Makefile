# make demo and make test are all a newcomer needs; make help lists the rest.
PYTHON ?= python3.11
BIN := .venv/bin
INSTALLED := .venv/.installed
ROWS ?= 2000
PORT ?= 8080
JOBS ?= 2

.PHONY: help demo test conformance lint format bench sandbox schema requirements clean
.DEFAULT_GOAL := help

help: ## List the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(INSTALLED): requirements.txt pyproject.toml
	@echo "making .venv from requirements.txt; this takes some minutes"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

install: $(INSTALLED) ## Make .venv with the pinned requirements

demo: $(INSTALLED) ## Run thirty weeks of a model's life (ONCE=1: stop at the end; ROWS=, PORT=)
	@exec $(BIN)/python -m include.demo $(if $(ONCE),--once) --rows $(ROWS) --port $(PORT)

test: $(INSTALLED) ## Run all tests (JOBS=1: one after another)
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder $(ARGS)

conformance: $(INSTALLED) ## Run the Snowflake contract tests in an account (SNOWFLAKE_CONFORMANCE=a connection)
	@test -n "$(SNOWFLAKE_CONFORMANCE)" || { echo "set SNOWFLAKE_CONFORMANCE to a connection's name" >&2; exit 2; }
	SNOWFLAKE_CONFORMANCE=$(SNOWFLAKE_CONFORMANCE) $(BIN)/python -m pytest tests/contract/snowflake $(ARGS)

lint: $(INSTALLED) ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(INSTALLED) ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(INSTALLED) ## Measure; NAME=loop for one
	PYTHONPATH=tests:. $(BIN)/python -m bench $(NAME)

sandbox: $(INSTALLED) ## Run the Snowflake and AWS stand-ins in the foreground
	@exec $(BIN)/python -m include.sandbox up --state .sandbox

schema: $(INSTALLED) ## Write the pipeline file's JSON schema
	$(BIN)/python -m snowmaker.pipeline > plugins/snowmaker/pipeline.schema.json

requirements: ## Pin requirements.txt anew (needs uv)
	uv pip compile pyproject.toml --all-extras --python-version 3.11 --no-annotate \
	  --custom-compile-command "make requirements" -o requirements.txt

clean: ## Forget the sandbox's and Airflow's state
	rm -rf .sandbox .airflow .bench
