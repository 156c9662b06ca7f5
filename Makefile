# The two commands of the README: `make demo` and `make test`. Each sets up all that it needs in .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# CONSTRAINTS=FILE pins versions, as continuous integration may want to.
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check $(if $(CONSTRAINTS),-c $(CONSTRAINTS))

# Tests run in a process a core, file by file; threads that wait take little of the others' time, as those of `atme` do.

.PHONY: demo test check docs clean

demo: $(VENV)/.installed
	$(BIN)/atme train --config options/earth_atme_demo.yaml --run.dir runs/demo --training.resume auto --processes auto
	$(BIN)/atme evaluate runs/demo
	$(BIN)/atme translate runs/demo datasets/earth/test runs/demo/translations --overwrite
	@echo
	@echo "Look at:"
	@echo "  runs/demo/samples/             photo, noise W, what the generator read, its map, the true map"
	@echo "  runs/demo/translations/        the maps of the 30 test photos"
	@echo "  runs/demo/evaluation/test.html the scores, beside two trivial predictors"

test: $(VENV)/.installed-test
	GOMP_SPINCOUNT=1000 $(BIN)/python -m pytest -n logical --maxprocesses 4 --dist loadfile

check: $(VENV)/.installed-check
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/mkdocs build --strict --quiet

docs: $(VENV)/.installed-check
	$(BIN)/mkdocs serve

clean:
	rm -rf $(VENV) site

$(VENV)/.installed: setup.cfg pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) -e .
	touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	$(PIP) -e .[test]
	touch $@

$(VENV)/.installed-check: $(VENV)/.installed
	$(PIP) -e .[lint,docs]
	touch $@
