SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.synced
SUDO := $(if $(filter 0,$(shell id -u)),,sudo --preserve-env=PATH,HOME,XDG_CACHE_HOME,XDG_STATE_HOME,KUBECONFIG)
EXAMPLE ?= imdb-sentiment
TESTS ?= tests
PIP_COMPILE := $(BIN)/uv pip compile --quiet --generate-hashes --no-header --no-annotate --no-emit-index-url --python-version 3.11

.PHONY: help
help: ## Print every command with a line each
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'

# Compiled ahead: a process imports five thousand modules, which takes 17 s from source and 6 s compiled, and the pods'
# file systems are read-only.
$(STAMP): requirements/dev.txt requirements/bootstrap.txt pyproject.toml
	@echo "==> Python environment in $(VENV) (first time: about a minute, 6 GB)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements/bootstrap.txt
	@$(BIN)/uv pip sync --quiet --require-hashes --compile-bytecode --python $(BIN)/python requirements/dev.txt
	@$(BIN)/uv pip install --quiet --no-deps --no-build-isolation --python $(BIN)/python --editable .
	@touch $@

.PHONY: venv
venv: $(STAMP) ## Install the pinned Python packages into .venv

.PHONY: prepare
prepare: $(STAMP) ## Install all that demo and tests need: packages, the cluster's binaries (cached outside)
	@$(BIN)/python -m devcluster install
	@$(BIN)/python -m devcluster build

.PHONY: demo
demo: prepare ## Everything from nothing to a served model (EXAMPLE=product-descriptions for the other one)
	@$(SUDO) $(BIN)/python -m demo up --example $(EXAMPLE)

.PHONY: demo-down
demo-down: $(STAMP) ## Remove the demo's cluster and everything in it
	@$(SUDO) $(BIN)/python -m demo down

.PHONY: test
test: prepare ## Run unit, integration and end-to-end tests but the slow ones (TESTS=tests/unit for a part)
	@$(SUDO) $(BIN)/python -m tests $(TESTS)

.PHONY: test-all
test-all: prepare ## Run the slow tests as well, before a release (an hour or more)
	@$(SUDO) $(BIN)/python -m tests --all $(TESTS)

.PHONY: test-unit
test-unit: $(STAMP) ## Run the tests that need no cluster
	@$(BIN)/python -m pytest tests/unit

.PHONY: test-examples
test-examples: prepare ## Run every example from kubectl apply to a served answer (about 20 minutes)
	@$(SUDO) $(BIN)/python -m pytest -v tests/e2e/lifecycle/test_examples.py

.PHONY: test-ecosystem
test-ecosystem: prepare ## Run with the real Prometheus Operator and Flux (4 minutes; the first time 10 more, to compile them)
	@$(SUDO) $(BIN)/python -m pytest -v -m ecosystem tests/ecosystem

.PHONY: images-test
images-test: prepare ## Build both images from their Dockerfiles and run the demo with them (slow)
	@$(BIN)/python -m devcluster install --images
	@$(SUDO) $(BIN)/python -m pytest -m images -s tests/images

.PHONY: bench
bench: prepare ## Measure a burst of 200 jobs, an idle operator, memory for a million rows, frozen against full steps
	@$(SUDO) $(BIN)/python -m benchmarks.burst
	@$(BIN)/python -m benchmarks.data_memory
	@$(BIN)/python -m benchmarks.frozen_steps

.PHONY: measure
measure: $(STAMP) ## Print how easily the code is found one's way in (REVISIONS="main HEAD" to compare)
	@$(BIN)/python -m benchmarks.code_shape $(REVISIONS)

.PHONY: lint
lint: $(STAMP) ## Check style, types and import boundaries
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy
	@PATH="$(BIN):$$PATH" $(BIN)/lint-imports
	@$(BIN)/deptry crds operator trainer_image
	@test -z "$$(gofmt -l devcluster tests)" || { gofmt -d devcluster tests; exit 1; }

.PHONY: format
format: $(STAMP) ## Rewrite the code in the project's style
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format .

.PHONY: generate
generate: $(STAMP) ## Write the generated files anew: CRD, field reference, charts' schemas, dashboards, install.yaml, pinned requirements
	@$(BIN)/python -m crdgen
	@$(BIN)/python -m dashboards
	@$(BIN)/python -m deploy
	@$(BIN)/python -m tests.unit.operator.argocd_files
	@for extra in dev operator trainer; do \
	  file=requirements/$$extra.txt; cp $$file $$file.new; \
	  $(PIP_COMPILE) pyproject.toml --extra $$extra $$(test $$extra = dev || echo --constraint requirements/dev.txt) \
	    --output-file $$file.new || exit 1; \
	  cmp -s $$file.new $$file && rm $$file.new || mv $$file.new $$file; \
	done

.PHONY: verify
verify: $(STAMP) ## Check that the generated files are current
	@$(BIN)/python -m crdgen --check
	@$(BIN)/python -m dashboards --check
	@$(BIN)/python -m deploy --check
	@before=$$(cat requirements/*.txt | sha256sum); $(MAKE) --no-print-directory generate; \
	  test "$$before" = "$$(cat requirements/*.txt | sha256sum)" \
	  || { echo "requirements/ was not current; commit what 'make generate' wrote"; exit 1; }
