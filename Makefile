# Two commands do everything on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
# Two processes of one thread each: with several, small networks slow each other down.
PYTEST := OMP_NUM_THREADS=1 PYTHONHASHSEED=0 $(BIN)/python -m pytest -n 2 --dist worksteal

.PHONY: demo test test-lowest dist-test docs lint pre-commit clean

demo: .venv/demo
	$(BIN)/python examples/quickstart.py

test: .venv/test
	$(PYTEST)

# The same checks on the lowest scikit-learn of setup.cfg, which lies beside the other packages.
test-lowest: .venv/test
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade --no-deps \
		--target .venv/lowest scikit-learn==1.6.0
	PYTHONPATH=.venv/lowest $(PYTEST) -W ignore::DeprecationWarning \
		tests/estimators/test_sklearn_checks.py tests/estimators/test_composition.py \
		tests/estimators/test_holds_teacher.py

# The site, in docs/build; every example of the gallery is run, and a warning is an error.
docs: .venv/docs
	OMP_NUM_THREADS=1 $(BIN)/python -m sphinx -b html -W --keep-going --quiet docs docs/build

# Builds wheel and sdist into dist/ and tries each in an empty environment outside the checkout,
# with a subset of the tests. TESTS=tests runs all of them; TESTS="-k saving tests/export" some.
dist-test: .venv/tools
	.ci/dist_test $(TESTS)

lint: .venv/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# The hooks of .pre-commit-config.yaml, on all files; HOOK=codespell runs one.
pre-commit: .venv/test .venv/tools
	PATH="$(CURDIR)/$(BIN):$$PATH" pre-commit run --all-files $(HOOK)

.venv/demo: setup.cfg pyproject.toml constraints.txt | .venv/bin/python
	$(PIP) torch
	$(PIP) -e '.[demo]'
	touch $@

.venv/test: setup.cfg pyproject.toml constraints.txt | .venv/bin/python
	$(PIP) torch
	$(PIP) -e '.[test]'
	touch $@

.venv/docs: setup.cfg pyproject.toml constraints.txt | .venv/bin/python
	$(PIP) torch
	$(PIP) -e '.[docs]'
	touch $@

.venv/tools: setup.cfg pyproject.toml constraints.txt | .venv/bin/python
	$(PIP) build pre-commit pre-commit-hooks twine
	touch $@

.venv/bin/python:
	$(PYTHON) -m venv .venv

clean:
	rm -rf .venv build dist *.egg-info docs/build docs/api docs/gallery docs/measured
