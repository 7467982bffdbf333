# Two commands do everything on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
# Two processes of one thread each: with several, small networks slow each other down.
ONE_THREAD := OMP_NUM_THREADS=1 PYTHONHASHSEED=0
TWO_PROCESSES := pytest -n 2 --dist worksteal
PYTEST := $(ONE_THREAD) $(BIN)/python -m $(TWO_PROCESSES)
LOWEST_TESTS ?= tests/estimators/test_composition.py tests/estimators/test_holds_teacher.py \
	tests/estimators/test_sklearn_checks.py tests/export/test_saving.py tests/inputs \
	tests/numerics tests/students tests/test_sktime.py

.PHONY: demo test test-weekly test-lowest coverage fuzz dist-test docs lint audit pre-commit clean

demo: .venv/demo
	$(BIN)/python examples/quickstart.py

test: .venv/test
	$(PYTEST)

# What costs too much for each change: the benchmarks' scripts, heavy teachers of all kinds.
test-weekly: .venv/test
	$(PYTEST) -m weekly

# Lines and branches that the tests execute, in processes that they start too. Below 95 %, of
# both together or of branches alone, it fails.
coverage: .venv/test
	$(BIN)/python -m coverage erase
	$(ONE_THREAD) $(BIN)/python -m coverage run -m $(TWO_PROCESSES)
	$(BIN)/python -m coverage combine --quiet
	$(BIN)/python -m coverage report
	$(BIN)/python -m coverage json --quiet -o - | $(BIN)/python .ci/branch_coverage.py 95

# The properties of tests/fuzz on many more cases than in `make test`. EXAMPLES=10000 says on how
# many, SEED=1 which. Without SEED they are others each time, and failures are kept in .hypothesis/
# and tried first in the next run. A run that is interrupted goes on when it is started again
# (tests/fuzz/resumed.py).
EXAMPLES ?= 10000
fuzz: .venv/test
	FUZZ_EXAMPLES=$(EXAMPLES) $(PYTEST) $(addprefix --hypothesis-seed=,$(SEED)) tests/fuzz

# Part of the tests on the lowest versions that setup.cfg allows, which warn of each other.
test-lowest: .venv-lowest/installed
	$(ONE_THREAD) .venv-lowest/bin/python -m $(TWO_PROCESSES) -p no:cacheprovider \
		-W ignore::DeprecationWarning -W ignore::FutureWarning $(LOWEST_TESTS)

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
	$(BIN)/bandit --quiet --recursive -ll tsdistill

# Known faults of the versions in constraints.txt; asks the index, so it needs a network.
audit: .venv/tools
	$(BIN)/pip-audit --strict --no-deps --disable-pip --requirement constraints.txt

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

.venv-lowest/installed: setup.cfg constraints.txt .ci/lowest_versions.py
	$(PYTHON) -m venv --clear .venv-lowest
	$(PYTHON) .ci/lowest_versions.py > .venv-lowest/versions.txt
	grep '^torch==' constraints.txt >> .venv-lowest/versions.txt
	.venv-lowest/bin/python -m pip install --quiet --disable-pip-version-check \
		-r .venv-lowest/versions.txt hypothesis pytest pytest-xdist
	.venv-lowest/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	touch $@

.venv/tools: setup.cfg pyproject.toml constraints.txt | .venv/bin/python
	$(PIP) build pip-audit pre-commit pre-commit-hooks twine
	touch $@

.venv/bin/python:
	$(PYTHON) -m venv .venv

clean:
	rm -rf .venv .venv-lowest build dist *.egg-info docs/build docs/api docs/gallery docs/measured
