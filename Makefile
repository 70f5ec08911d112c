.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
STACK := out/stack
export BROKER ?= auto

.PHONY: help setup demo test test-unit test-integration bench repro push pull remote check format lock stack-up stack-down clean

help:  ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 18

setup: .venv/.ready  ## Make .venv with all dependencies, by hash, and the command .venv/bin/ctr

.venv/.ready: requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 setup")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: setup  ## Train, stream through Kafka with two workers, verify every score; DATA=log.csv.gz for your own log
	$(BIN)/ctr demo

test: setup  ## The whole suite, with a broker and a Redis that it starts itself
	$(BIN)/pytest

test-unit: setup  ## The fast part: no broker, no Redis
	$(BIN)/pytest -m "not integration"

test-integration: setup  ## The part with a real broker and a real Redis
	$(BIN)/pytest -m integration

bench: setup  ## Measure beside other frameworks, latency and growth; results in out/bench; ARGS="--only ours,limit"
	$(BIN)/ctr bench $(ARGS)

repro: setup  ## Run what is not up to date of the DVC pipeline, with params.yaml, and log the result to MLflow
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/dvc repro
	-$(BIN)/ctr track --work out/pipeline

push: remote  ## Send what the pipeline made to S3: S3_BUCKET, and AWS_ENDPOINT_URL, AWS_DEFAULT_REGION, AWS keys
	$(BIN)/dvc push

pull: remote  ## Fetch what the pipeline made from S3
	$(BIN)/dvc pull

remote: setup
	@: $${S3_BUCKET:?name the bucket, as in make push S3_BUCKET=models}
	@$(BIN)/dvc remote add --quiet --local --force --default s3 "s3://$$S3_BUCKET/ctr-stream"

check: setup  ## Formatting, lint, types, architecture
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup  ## Format and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: setup  ## Resolve the dependencies anew
	$(BIN)/uv pip compile pyproject.toml --quiet --upgrade --all-extras --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --output-file requirements/dev.txt
	$(BIN)/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --constraint requirements/dev.txt \
	  --generate-hashes --no-emit-index-url --output-file requirements/worker.txt

stack-up: setup  ## Start a broker and a Redis on loopback in the background
	@mkdir -p $(STACK); rm -f $(STACK)/env
	@nohup $(BIN)/ctr stack --folder $(STACK) --env-file $(STACK)/env >$(STACK)/log 2>&1 & echo $$! >$(STACK)/pid
	@until [ -s $(STACK)/env ]; do kill -0 $$(cat $(STACK)/pid) || { cat $(STACK)/log; exit 1; }; sleep 0.1; done
	@cat $(STACK)/env; echo "# the same in your shell: source $(STACK)/env"

stack-down:  ## Stop what stack-up started
	@if [ -f $(STACK)/pid ]; then kill $$(cat $(STACK)/pid); rm -f $(STACK)/pid $(STACK)/env; fi

clean: stack-down  ## Remove everything that was made here, .venv too
	rm -rf .venv out .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
