# Everything a developer types. Needs make and Python 3.11 or newer with pip; sets up the rest in this folder.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:

ARGS ?=
BIN := .venv/bin
RUN := .venv/.installed-run
DEV := .venv/.installed-dev
SERVERS := .servers/.fetched
PAGE := qilu/web/page/packages/.fetched

# apt brings the tests' real servers without root (see scripts/fetch-servers); with CI=true they must be there
ifneq ($(shell command -v apt-get 2>/dev/null),)
NEEDED_SERVERS := $(SERVERS)
endif

FAST := not server and not slow and not campaign
WORKERS ?= auto
# Most tests wait for servers and time-outs: two run at once. Those of QUIET play timing on the wire and run alone.
QUIET := tests/faults
TEST_WORKERS ?= 2
PURE_TESTS := tests/contract tests/modbus tests/gateway/spool tests/conformance/test_every_spool.py \
	tests/gateway/test_outbox.py tests/gateway/test_outbox_histories.py tests/gateway/test_deferral.py \
	tests/gateway/timekeeping
FAST_TESTS := $(PURE_TESTS) tests/gateway/processors tests/gateway/completeness tests/support \
	tests/conformance/test_every_processor.py

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo 'Arguments for a command go into ARGS: make demo ARGS="--duration 20 --headless"'

.PHONY: demo
demo: $(RUN) $(PAGE) ## run a whole simulated factory, from registers to store, in this terminal
	@$(BIN)/qilu demo $(ARGS)

.PHONY: test
test: $(DEV) $(PAGE) $(NEEDED_SERVERS) ## run the tests, against real servers where there are any
ifeq ($(strip $(ARGS)),)
	$(BIN)/python -m pytest -n $(TEST_WORKERS) --dist loadfile --no-loadscope-reorder $(addprefix --ignore=,$(QUIET)) || \
	{ echo "the failed tests run once more, alone" && $(BIN)/python -m pytest --last-failed --last-failed-no-failures none; }
	$(BIN)/python -m pytest $(QUIET)
else
	$(BIN)/python -m pytest $(ARGS)
endif

.PHONY: test-fast
test-fast: $(DEV) ## run the tests of the pure packages in parallel, without those that start processes or take seconds
	$(BIN)/python -m pytest -n $(WORKERS) --hypothesis-profile=fast -m "$(FAST)" $(FAST_TESTS) $(ARGS)

.PHONY: cover
cover: $(DEV) ## measure line and branch coverage of the pure packages; fails below a floor: pyproject.toml, scripts/branch_coverage.py
	$(BIN)/python -m coverage run -m pytest -q --hypothesis-profile=fast -m "not server" $(PURE_TESTS)
	$(BIN)/python -m coverage report
	$(BIN)/python -m coverage json -q -o .coverage.json
	$(BIN)/python scripts/branch_coverage.py .coverage.json

.PHONY: check
check: $(DEV) ## lint, format, types, layers
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

.PHONY: fmt
fmt: $(DEV) ## format the code and repair what can be repaired
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

.PHONY: bench
bench: $(DEV) $(NEEDED_SERVERS) ## measure what one unit of work costs
	@$(BIN)/python -m benchmarks $(ARGS)

.PHONY: physics-report
physics-report: $(DEV) ## measure figures of the simulated machines, beside those of the literature
	@$(BIN)/python -m benchmarks.physics_report

SEED ?= 1
SECONDS ?= 180
STORE ?= victoriametrics

.PHONY: campaign
campaign: $(DEV) $(NEEDED_SERVERS) ## let everything go wrong at random: SEED=1 SECONDS=180 STORE=victoriametrics (or sqlite)
	@$(BIN)/python -m tests.campaign --seed $(SEED) --seconds $(SECONDS) --store $(STORE) $(ARGS)

.PHONY: attacks
attacks: $(DEV) $(NEEDED_SERVERS) ## let one edge attack the delivered broker in every way at once: SEED=1 SECONDS=180
	@$(BIN)/python -m tests.attacks --seed $(SEED) --seconds $(SECONDS) $(ARGS)

.PHONY: fuzz
fuzz: $(DEV) $(NEEDED_SERVERS) ## send mutated messages into every store: SEED=1 SECONDS=180 STORE=victoriametrics (sqlite, influxdb1, all)
	@$(BIN)/python -m tests.fuzz --seed $(SEED) --seconds $(SECONDS) --store $(STORE) $(ARGS)

.PHONY: servers
servers: $(SERVERS) ## fetch the real servers and the browser that the tests talk to (Debian packages, unpacked into .servers)

.PHONY: page
page: $(PAGE) ## fetch the libraries of the page (npm packages with locked hashes)

.PHONY: screenshots
screenshots: $(DEV) $(PAGE) $(NEEDED_SERVERS) ## take pictures of every view of the page into var/screenshots
	@$(BIN)/python -m tests.page.screenshots $(ARGS)

.PHONY: dashboards
dashboards: $(DEV) ## write Grafana's dashboards anew from deploy/grafana
	@$(BIN)/python -m deploy.grafana.build

.PHONY: dashboards-pictures
dashboards-pictures: $(DEV) $(NEEDED_SERVERS) ## draw every dashboard with real data into var/dashboards; ARGS="--only set-fleet"
	@$(BIN)/python -m tests.cloud.grafana.pictures $(ARGS)

.PHONY: lock
lock: $(DEV) ## resolve the dependencies again; ARGS=--upgrade takes the newest that pyproject.toml allows
	scripts/lock $(ARGS)

.PHONY: clean
clean: ## remove what make has set up and what tools have left behind
	rm -rf .venv .servers .axe qilu/web/page/packages build dist .coverage .coverage.json htmlcov .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# ------------------------------------------------------------------------------------------------ set-up

$(RUN): requirements.lock pyproject.toml scripts/set-up-environment
	@scripts/set-up-environment $<
	@touch $@

$(DEV): requirements-dev.lock pyproject.toml scripts/set-up-environment
	@scripts/set-up-environment $<
	@touch $@ $(RUN)

# A failure is not remembered; only with CI=true does it end the run.
$(SERVERS): scripts/fetch-servers
	@if scripts/fetch-servers; then touch $@; \
	elif [ "$(CI)" = true ]; then echo "the tests' servers could not be fetched" >&2; exit 1; \
	else echo "the tests' servers could not be fetched: tests that need one will skip" >&2; fi

$(PAGE): package-lock.json scripts/fetch-page-packages requirements-page.lock
	@if scripts/fetch-page-packages; then touch $@; \
	elif [ "$(CI)" = true ]; then echo "the libraries of the page could not be fetched" >&2; exit 1; \
	else echo "the libraries of the page could not be fetched: a plain status page is served; the next make tries again" >&2; fi
