# Everything lives in .venv; nothing else of the machine is touched.
PYTHON  ?= python3
PORT    ?= 3000
BACKEND ?= onnx
DATA    ?=
VENV    := .venv
BIN     := $(VENV)/bin
STAMP   := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help install serve train test quick lint compat audit bench clean

help: ## Show this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

install: $(STAMP) ## Make .venv and install the pinned dependencies

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(v < (3, 11) and f"Expected Python 3.11 or newer, got {v[0]}.{v[1]} - at PYTHON. Try make PYTHON=python3.11.")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

train: install ## Train a model: on DATA=file.csv, else on generated applications
	$(BIN)/python -m models.train $(if $(DATA),--data $(DATA))

# Exported, so that make runs the server without a shell between them: it ends with make then.
serve: export BACKEND := $(BACKEND)
serve: install ## Serve on PORT with BACKEND=onnx, xgboost or auto; trains first if there is no model
	@$(BIN)/python -m models.train $(if $(DATA),--data $(DATA),--if-empty)
	$(BIN)/bentoml serve --port $(PORT)

test: install ## Run the whole test suite
	$(BIN)/python -m pytest --numprocesses 2 -m "slow or not slow"

quick: install ## Run the tests that take less than half a minute
	$(BIN)/python -m pytest --numprocesses 2

lint: install ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

compat: install ## Try the oldest and the newest libraries on every Python here; writes docs/compatibility.md
	$(BIN)/python -m benchmarks.compat $(foreach name,$(ONLY),--only $(name))

audit: install ## Look the pinned dependencies up among known vulnerabilities
	$(BIN)/python -m benchmarks.compat.audit

bench: install ## Measure the service and the bulk scoring against others (needs wrk)
	$(BIN)/python -m benchmarks.online $(if $(JSON),--json $(JSON))
	$(BIN)/python -m benchmarks.inprocess
	$(BIN)/python -m benchmarks.bulk --growth

clean: ## Remove .venv and caches; models in the store stay
	rm -rf $(VENV) build .mypy_cache .ruff_cache .pytest_cache .hypothesis
