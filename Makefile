# Every target sets up what it needs: a virtual environment, packages, keys, migrations.
PYTHON ?= python3
VENV := .venv
TRAINER := .venv-trainer
BIN := $(VENV)/bin
UV := $(shell command -v uv 2>/dev/null)
# The tests start a PostgreSQL of their own; it needs neither root nor a package of the system.
ON_POSTGRESQL := $(BIN)/python -m tests.postgresql $(BIN)/python -m pytest
# torch comes by pip alone: uv does not read pip's configuration.
TORCH := torch==2.13.0
# What two databases may answer differently; make test-full runs the rest on PostgreSQL too.
DATABASE_TESTS := tests/core tests/secrets_vault tests/notifications tests/deployments/api \
  $(addprefix tests/deployments/lifecycle/test_,lease.py advance.py races.py database_away.py) \
  $(addprefix tests/deployments/test_,cap_races.py caps.py claims.py finalizers.py history.py kill_switch.py \
    machine_tokens.py metric_rows.py pacer.py reaper.py replacing_keys.py retried_writes.py run_log.py \
    run_log_properties.py run_log_push.py sample_rows.py saving.py services.py snapshot.py snapshot_keys.py \
    spending.py strays.py tasks.py worker.py worker_watch.py)

# The browser of Debian's package.
CHROMIUM := $(wildcard /usr/bin/chromium)

.DEFAULT_GOAL := help
.PHONY: help setup demo run test test-full check format chaos bench screenshots

help:  ## Say what each target does
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.ready $(TRAINER)/.ready  ## Install both environments: the control plane's and the practice machine's

demo: setup  ## Rent a practice machine, train a real adapter, bring it home, end the machine
	@$(BIN)/python manage.py demo

run: setup  ## Start sandbox, web and worker in this terminal; Ctrl-C ends all
	@$(BIN)/python manage.py run

test: setup  ## Run the tests on SQLite, then leases, claims, ingest, vault and API on PostgreSQL
	$(BIN)/python -m pytest -n 2 --dist loadgroup
	$(ON_POSTGRESQL) -n 2 --dist loadgroup $(DATABASE_TESTS)
ifneq ($(CHROMIUM),)
	$(BIN)/python -m pytest -m 'browser and not full' tests/browser/test_wizard_life.py
else
	@echo 'Chromium is not there: nobody walked the wizard in a browser. On Debian: apt-get install chromium'
endif

test-full: setup  ## Run the tests that take longer: browser, kill runs, the rest on PostgreSQL
	$(BIN)/python -m pytest -n 2 --dist loadgroup -m 'full or browser' --ignore=tests/chaos --ignore=tests/meta
	$(BIN)/python -m pytest -n 2 -m full tests/chaos tests/meta
	$(ON_POSTGRESQL) -n 2 --dist loadgroup --ignore=tests/end_to_end
	$(ON_POSTGRESQL) -n 2 --dist loadgroup -m full tests/deployments --ignore=tests/deployments/training

check: $(VENV)/.ready  ## Format, lint, types, import layers, Django checks, migrations
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/djlint templates --check --lint --quiet
	$(BIN)/mypy .
	$(BIN)/lint-imports
	$(BIN)/python manage.py check --fail-level WARNING
	$(BIN)/python manage.py makemigrations --check --dry-run

format: $(VENV)/.ready  ## Format code and templates
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/djlint templates --reformat --quiet

chaos: setup  ## Live 1,000 seeded lives; python -m tests.chaos --lives N for more
	$(BIN)/python -m tests.chaos

bench: setup  ## Count what the standing work costs in queries; time pages with a million points
	$(BIN)/python -m pytest tests/benchmarks -s
	$(ON_POSTGRESQL) tests/benchmarks -s -m bench

screenshots: setup  ## Write docs/screenshots from real pages over the tests' scenes, in Chromium
	$(BIN)/python -m pytest -q -m browser tests/browser/take_screenshots.py

$(VENV)/.ready: requirements/dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Slipway needs Python 3.11 or newer; set PYTHON=..."; exit 1; }
ifdef UV
	test -x $(BIN)/python || uv venv --quiet --python "$$(command -v $(PYTHON))" $(VENV)
	uv pip sync --quiet --require-hashes --python $(BIN)/python $<
else
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r $<
endif
	@touch $@

$(TRAINER)/.ready: requirements/trainer.txt
	test -x $(TRAINER)/bin/python || $(PYTHON) -m venv $(TRAINER)
	$(TRAINER)/bin/python -m pip install -qq --disable-pip-version-check $(TORCH)
	$(TRAINER)/bin/python -m pip install -qq --disable-pip-version-check --require-hashes -r $<
	@touch $@
