# The front door: `make help` lists everything that can be done here.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Tests run in two processes, each with servers of its own, a file of them in one.
PARALLEL := -n 2 --dist loadfile
BENCH_VENV := .venv-bench
BENCH_STAMP := $(BENCH_VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help install run dev test slow browser chaos network prometheus soak lint format docs bench screenshots clean

help: ## List the targets.
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

install: $(STAMP) ## Create the virtual environment and install everything into it.

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "pollers needs Python 3.11 or newer; say which: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $(STAMP)

run: $(STAMP) ## Show it all: Valkey, two workers, Flower and the render farm, in one command (KEEP=1 keeps it up).
	$(BIN)/python -m pollers.demo run $(if $(KEEP),--keep)

dev: $(STAMP) ## Start Valkey, workers and Flower in this terminal, until Ctrl-C.
	$(BIN)/pollers dev

test: $(STAMP) ## Run the tests (TESTS=path runs some of them).
	$(BIN)/python -m pytest $(if $(TESTS),$(TESTS),$(PARALLEL) tests)

slow: $(STAMP) ## Run the tests that take five seconds and more, each.
	$(BIN)/python -m pytest $(PARALLEL) -m slow tests

browser: $(STAMP) ## Run the tests that look at Flower in Chromium (apt-get install chromium chromium-driver).
	$(BIN)/python -m pytest -m browser tests/browser

chaos: $(STAMP) ## Kill and cut off everything that can be, and count the polls: ten minutes (apt-get install faketime).
	$(BIN)/python -m pytest -n 2 --dist worksteal -m chaos tests/chaos

network: $(STAMP) ## Run the tests that need public addresses, in a network namespace without any other network.
	unshare --net --map-root-user sh -c 'ip link set lo up && ip address add 198.41.0.4/32 dev lo \
		&& ip address add 199.9.14.201/32 dev lo && $(BIN)/python -m pytest -m network tests/network'

prometheus: $(STAMP) ## Ask a real Prometheus what is in the dashboard and the alert rules (apt-get install prometheus).
	$(BIN)/python -m pytest -m prometheus tests/prometheus

soak: $(STAMP) ## Keep 100,000 polls waiting and 300 attempts a second going, for ten minutes of kill -9.
	$(BIN)/python -m tests.chaos.soak

lint: $(STAMP) ## Check style, types and layers.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: $(STAMP) ## Format the code.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(STAMP) ## Build the documentation into site/.
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# A virtual environment of its own. arq asks for an older redis-py than Celery's transport takes, and works
# with the newer one; it comes without its dependencies, which are there.
$(BENCH_STAMP): pyproject.toml
	$(PYTHON) -m venv $(BENCH_VENV)
	$(BENCH_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[bench]'
	$(BENCH_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps arq
	@touch $(BENCH_STAMP)

bench: $(if $(QUICK),$(STAMP),$(BENCH_STAMP)) ## Measure this system beside its peers and bare loops (QUICK=1: a tiny run, without the peers).
	$(if $(QUICK),$(BIN),$(BENCH_VENV)/bin)/python -m bench $(if $(QUICK),--quick)

screenshots: $(STAMP) ## Take the pictures of Flower and the terminal for the documentation; needs Chromium.
	$(BIN)/python -m docs.terminal_pictures
	$(BIN)/python -m docs.screenshots

clean: ## Remove what was built and installed here.
	rm -rf $(VENV) $(BENCH_VENV) site dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
