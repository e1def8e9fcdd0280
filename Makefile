# Two commands do all the set-up: make demo, make test.
PYTHON ?= python3
BIN := .venv/bin

# Named after the version, so that another PYTHON makes .venv anew, and so does a set-up that was cut short.
VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null)
READY := .venv/ready-$(VERSION)
# With what only checks, browsers, clusters and benchmarks need, and is as large as all the rest.
DEV := .venv/dev-$(VERSION)

# Both are needed: which of them reaches the isolated build depends on the version of pip.
export PIP_CONSTRAINT := constraints.txt
export PIP_BUILD_CONSTRAINT := constraints.txt

# What is imported is compiled then; most of what is installed never is.
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile

# Each of a thousand processes would compile the package, and pytest rewrite every assertion, once more.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test test-all test-more programs check bench bench-short chaos simulate golden pictures clean

help:
	@awk -F ': .*## ' '/^[a-z-]+: .*## / { printf "make %-11s %s\n", $$1, $$2 }' Makefile
	@echo 'They set up .venv by themselves. Another Python: make test PYTHON=python3.12'

demo: $(READY) ## the sample campaign against the simulator; nothing leaves this machine
	$(BIN)/python -m campaign demo

# What only `make test-all` runs: it needs a program, a network or minutes.
MORE := browser or pgbouncer or cluster or systemd or install or slow
PYTEST = $(BIN)/python -m pytest -p tests.progress --durations=10

# Three processes a processor, eight at most: more than half of its time a test waits for a clock or for another process.
TOGETHER = -n $(shell n=$$(nproc 2>/dev/null || echo 2); echo $$((n > 2 ? 8 : 3 * n)))
# Fewer where browsers and pip work beside them: they need a processor of their own.
FEWER = -n $(shell n=$$(nproc 2>/dev/null || echo 2); echo $$((n > 4 ? 8 : 2 * n - 1)))

# The files that have such tests: to import all others would take longer.
files = $(shell grep -rlE 'mark\.($(subst $() or $(),|,$(1)))\b|\b($(subst $() or $(),|,$(1)))_after\b' tests --include='test_*.py')

test: $(READY) ## every promise at least once; needs nothing but Python
	@echo 'First the tests that measure time, one after the other; beside them all others are compiled, once instead of in each process'
	@$(BIN)/python -m pytest --collect-only -qq --ignore=tests/browser >/dev/null 2>&1 & \
	$(PYTEST) -m 'alone and not ($(MORE))' $(call files,alone); failed=$$?; wait; exit $$failed
	@echo 'Then all others, together'
	$(PYTEST) $(TOGETHER) --dist worksteal -m 'not (alone or $(MORE))' --ignore=tests/browser

test-all: programs test test-more ## all that CI runs; as root on Debian or Ubuntu it installs the programs that are missing

test-more: $(DEV)
	@echo 'What needs more than Python, or takes longer'
	HYPOTHESIS_PROFILE=thorough $(PYTEST) $(FEWER) --dist worksteal -m '(fuzz or $(MORE)) and not alone' tests/browser tests/integration/gateway $(call files,fuzz or $(MORE))
	$(PYTEST) -m 'alone and ($(MORE))' $(call files,alone)

programs:
	@sh tests/install-programs.sh

check: $(DEV) ## lint, format, types, layers, pins, known vulnerabilities
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy
	$(BIN)/lint-imports
	@$(BIN)/python -m pip freeze --exclude-editable >.venv/installed
	@! grep -vixFf constraints.txt .venv/installed || { echo 'These are installed and not pinned in constraints.txt.' >&2; exit 1; }
	$(BIN)/python -m tests.install.audit

bench: $(DEV) ## figures of this machine, beside its peers; 20 minutes, and nothing else should run; ONLY=staging for some
	$(BIN)/python -m tests.bench $(ONLY) --json build/bench.json

bench-short: $(DEV) ## the same in a minute, for CI: fails if a ratio has fallen far
	$(BIN)/python -m tests.bench --short --json build/bench-short.json

chaos: $(READY) ## kills the command over and over, and counts what was lost or sent twice
	$(BIN)/python -m tests.chaos

simulate: $(READY) ## whole campaigns with every fault in virtual time, for MINUTES=1; SEED=N shows one again, step by step
	$(BIN)/python -m tests.simulation $(if $(SEED),--seed $(SEED),--minutes $(or $(MINUTES),1))

golden: $(READY) ## write the files of tests/golden again, after a sentence or a page was reworded
	UPDATE_GOLDEN=1 $(BIN)/python -m pytest tests/golden

pictures: $(DEV) ## the pictures of the README, taken anew from the console; needs Chromium
	$(BIN)/python -m tests.browser.pictures

clean: ## removes .venv and what was built or cached
	rm -rf .venv build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis

$(READY): pyproject.toml constraints.txt
	@case '$(VERSION)' in \
	3.11.*|3.12.*|3.13.*|3.14.*) ;; \
	'') echo 'There is no $(PYTHON) here. Campaign needs Python 3.11 to 3.14; name one: make test PYTHON=python3.12' >&2; exit 1 ;; \
	*) echo '$(PYTHON) is Python $(VERSION). Campaign needs 3.11 to 3.14; name one: make test PYTHON=python3.12' >&2; exit 1 ;; \
	esac
	@echo 'Setting up .venv with Python $(VERSION), once'
	$(PYTHON) -m venv --clear .venv
	$(INSTALL) --editable '.[test]'
	@touch $@

$(DEV): | $(READY)
	$(INSTALL) --editable '.[dev]'
	@touch $@
