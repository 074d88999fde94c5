# make demo | test | check | bench. Each sets up .venv by itself; the second time is fast.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
TYPES := build/types/csakit

.DEFAULT_GOAL := help
.PHONY: help install demo test check format bench clean

help:  ## show this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## */  make \1|/' | column -t -s '|'

# pip runs again only when what it would install may have changed.
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

install: $(STAMP)  ## create .venv with everything for development

demo: $(STAMP)  ## repair a real photograph with an exported model, parity proven
	$(BIN)/python -m csakit.benchmarks.demo --out out/demo

test: $(STAMP)  ## run all tests
	$(BIN)/python -m pytest -q

# mypy cannot follow an editable install of a mapped namespace package, so it reads a view of
# the tree through links (mypy issue 15439).
check: $(STAMP)  ## lint and type-check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@mkdir -p $(TYPES)
	@for layer in plugins runtime train export benchmarks; do ln -sfn ../../../$$layer $(TYPES)/$$layer; done
	MYPYPATH=build/types $(BIN)/mypy -p csakit

format: $(STAMP)  ## rewrite the sources in the house format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(STAMP)  ## print the stated performance targets and what is measured here
	$(BIN)/csakit bench targets

clean:  ## remove everything that make created
	rm -rf $(VENV) build out .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info
