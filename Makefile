# The whole developer interface. Needs Python 3.11-3.13 and nothing else; `make web` needs npm, too.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DATA := $(wildcard ../shared/data)
ifneq ($(DATA),)
export GRAPHRAG_TEST_DATA ?= $(abspath $(DATA))
endif

.PHONY: demo test check bench soak real docs web clean

$(BIN)/graphrag: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info < (3, 14) else "Python 3.11 to 3.13 is needed: make PYTHON=python3.12 ...")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/.dev: $(BIN)/graphrag
	$(BIN)/python -m pip install --quiet --group dev
	touch $@

demo: $(BIN)/graphrag  ## Index the sample documents and ask about them, with no key and no server
	$(BIN)/python examples/demo.py

test: $(VENV)/.dev  ## All tests
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder --max-worker-restart 0

check: $(VENV)/.dev  ## Style, types, layers, generated pages
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports
	$(BIN)/python docs/generate.py --check

bench: $(VENV)/.dev  ## Measure; prints tables
	$(BIN)/python -m bench

soak: $(VENV)/.dev  ## The long tests and whole hostile inputs, on every version of Neo4j
	GRAPHRAG_SOAK=1 $(BIN)/python -m pytest --override-ini faulthandler_timeout=0

real: $(VENV)/.dev  ## Every command against a real, small model (fetches 120 MB; Linux on x86-64)
	$(BIN)/python -m tests.real.run

docs: $(VENV)/.dev  ## Write the generated pages
	$(BIN)/python docs/generate.py

web:  ## Build the explorer into the package
	cd web && npm ci --ignore-scripts --no-audit --no-fund && npm run check && npm run build

clean:  ## Remove everything that make made
	rm -rf $(VENV) web/node_modules .demo dist build .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -prune -exec rm -rf {} +
