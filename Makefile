# Everything lives in .venv; nothing else of the machine is touched.
PYTHON  ?= python3
PORT    ?= 3000
BACKEND ?= onnx
DATA    ?=
VENV    := .venv
BIN     := $(VENV)/bin
# What serving and training need, then the rest, then what builds the site of the docs.
SERVING := $(VENV)/.serving
STAMP   := $(VENV)/.installed
SITE    := $(VENV)/.site
# The kernel of native/, beside .venv: in it, the suite would write and prove its form of each model.
KERNEL  := build/simd/.built
# Without --no-compile: bytecode of what nobody imports costs 8 s and 100 MB.
PIP     := $(BIN)/python -m pip install --disable-pip-version-check --no-deps --no-compile
# A file runs in one worker, so that its fixtures are made once; tests/conftest.py sets the order.
PYTEST  := $(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

# Where it is set, every process compiles BentoML and the rest anew: a second of processor each.
unexport PYTHONDONTWRITEBYTECODE

# This machine alone can ask. BENTOML_HOST=0.0.0.0 lets others: nobody is asked who they are.
export BENTOML_HOST ?= 127.0.0.1

.DEFAULT_GOAL := help
.PHONY: help install serve train test quick lint simd compat audit bench docs docs-serve release clean

help: ## Show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

install: $(STAMP) ## Make .venv with everything, at pinned versions, and the kernel where a C compiler is
	@$(MAKE) --no-print-directory $(KERNEL) || echo "The kernel of native/ was not built, as said above. Everything but BACKEND=simd works without it."

$(SERVING): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(v < (3, 11) and f"Expected Python 3.11 or newer, got {v[0]}.{v[1]} - at PYTHON. Try make PYTHON=python3.11.")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing what serving and training need into $(VENV): some 85 packages, 675 MB. This happens once."
	@sed '/^# The rest/,$$d' requirements.lock > $(VENV)/serving.txt
	$(PIP) --requirement $(VENV)/serving.txt
	$(PIP) --editable .
	@touch $@

$(STAMP): $(SERVING)
	@echo "Installing the rest into $(VENV): some 38 packages, 770 MB. This happens once."
	@sed '/^# The site/,$$d' requirements.lock > $(VENV)/rest.txt
	$(PIP) --requirement $(VENV)/rest.txt
	@touch $@

$(KERNEL): $(SERVING) $(wildcard native/src/* native/bentoml_ext_simd/*.py native/*.*)
	@command -v $(or $(CC),cc) >/dev/null || { echo "Expected a C compiler, got none - at $(or $(CC),cc). Install gcc or clang."; exit 1; }
	@echo '#include <Python.h>' | $(or $(CC),cc) -fsyntax-only -x c "-I$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("include"))')" - 2>/dev/null || { echo "Expected Python.h, got none - at $(BIN)/python. Install Python's headers (python3-dev)."; exit 1; }
	@rm -rf build/simd
	@$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps --target build/simd ./native
	@touch $@

$(SITE): $(STAMP)
	$(PIP) --requirement requirements.lock
	@touch $@

train: $(SERVING) ## Train a model: on DATA=file.csv, else on generated applications
	$(BIN)/python -m models.train $(if $(DATA),--data $(DATA))

# Exported, so that make runs the server without a shell between them: it ends with make then.
serve: export BACKEND := $(BACKEND)
ifeq ($(BACKEND),simd)
serve train: $(KERNEL)
serve train: export PYTHONPATH := $(CURDIR)/build/simd$(if $(PYTHONPATH),:$(PYTHONPATH))
endif
serve: $(SERVING) ## Serve on PORT with BACKEND=onnx, xgboost, simd or auto; trains first if there is no model
	@$(BIN)/python -m models.train $(if $(DATA),--data $(DATA),--if-empty)
	$(BIN)/bentoml serve --port $(PORT)

test: install ## Run the whole test suite
	$(PYTEST) -m "slow or not slow"

quick: install ## Run the tests that start no server or command of their own
	$(PYTEST)

lint: install ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

simd: $(STAMP) $(KERNEL) ## Build the kernel in C of native/ into build/simd, and test it
	PYTHONPATH=$(CURDIR)/build/simd $(PYTEST) -p tests.conftest -m "slow or not slow" native/tests

compat: install ## Try the oldest and the newest libraries on every Python here; writes docs/compatibility.md
	$(BIN)/python -m benchmarks.compat $(foreach name,$(ONLY),--only $(name))

audit: install ## Look the pinned dependencies up among known vulnerabilities
	$(BIN)/python -m benchmarks.compat.audit

bench: install ## Measure the service and the bulk scoring against others (needs wrk)
	$(BIN)/python -m benchmarks.online $(if $(JSON),--json $(JSON))
	$(BIN)/python -m benchmarks.inprocess
	$(BIN)/python -m benchmarks.bulk --growth

docs: $(SITE) ## Build the site of the docs into build/site; fails at a broken link
	$(BIN)/python -m benchmarks.website

docs-serve: docs ## Serve the site at 127.0.0.1:8000
	$(BIN)/python -m http.server --bind 127.0.0.1 --directory build/site 8000

release: install ## Build the tag at HEAD and check it as users get it, into dist; publishes nothing
	$(BIN)/python -m benchmarks.release

clean: ## Remove .venv and caches; models in the store stay
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
