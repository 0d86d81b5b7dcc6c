# Everything a newcomer needs is `make run` and `make test`; each is complete on a fresh clone.
PYTHON ?= python3
VENV := .venv
# Benchmarks have their own, for what they are measured against brings much that nothing else should see.
BENCH_VENV := .venv-bench
BIN := $(VENV)/bin
PIP := $(BIN)/pip install --disable-pip-version-check --quiet --constraint constraints.txt
WANTED := setup.cfg pyproject.toml constraints.txt

# Keep the compiled modules wherever they come from: every command and every test process starts in half the time.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help run test chaos bench lint format diagram screenshots strapi rasa clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/installed ## start the service, and the sandbox unless Twilio credentials are set
	@exec $(BIN)/expert-hub serve

test: $(VENV)/installed-test ## run the whole test suite
	@$(BIN)/pytest --numprocesses 3 --dist loadgroup

# FULL=1 for the whole figures (hours), SEED=7 for another run, ONLY="kill_nine deliveries" for some scenarios.
chaos: $(VENV)/installed-test ## faults on purpose, and what came of them; FULL=1 for the whole figures
	@$(BIN)/python -m chaos $(if $(FULL),--full) $(if $(SEED),--seed $(SEED)) $(if $(ONLY),--only $(ONLY))

# ROUNDS=5 SECONDS=4 STORED=1000000 MESSAGES=40 JSON=bench.json, ONLY="webhooks replies" for some of it.
bench: $(BENCH_VENV)/installed ## what a webhook costs, as ratios to a bare handler: a table, and bench.json
	@$(BENCH_VENV)/bin/python -m bench $(if $(ONLY),--only $(ONLY)) $(if $(ROUNDS),--rounds $(ROUNDS)) \
		$(if $(SECONDS),--seconds $(SECONDS)) $(if $(STORED),--stored $(STORED)) \
		$(if $(MESSAGES),--messages $(MESSAGES)) $(if $(JSON),--json $(JSON))

lint: $(VENV)/installed-test ## check format, style, types and the direction of imports
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/installed-test ## rewrite the code in the house format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

diagram: $(VENV)/installed ## write the state machine and the settings table into the documents
	@$(BIN)/python scripts/refresh_docs.py

screenshots: $(VENV)/installed-test ## take the pictures of the README (needs Chromium)
	@$(BIN)/python scripts/screenshots.py

strapi: $(VENV)/installed-test ## try a real Strapi 5 (needs Node 20; minutes and 800 MB the first time)
	@$(BIN)/python scripts/strapi.py

rasa: $(VENV)/installed-test ## try a real Rasa 3.6 (needs Python 3.10; minutes and 3 GB the first time)
	@$(BIN)/python scripts/rasa.py

clean: ## remove the virtual environment and caches, never data
	rm -rf $(VENV) $(BENCH_VENV) .strapi .rasa build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

%/bin/pip:
	@echo "Creating $*"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; set PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -m venv $*

$(VENV)/installed: $(WANTED) | $(VENV)/bin/pip
	@echo "Installing expert-hub (a minute the first time)"
	@$(PIP) --editable .
	@touch $@

$(VENV)/installed-test: $(WANTED) | $(VENV)/bin/pip
	@echo "Installing expert-hub with its test tools (a minute or two the first time)"
	@$(PIP) --editable '.[test]'
	@touch $@ $(VENV)/installed

$(BENCH_VENV)/installed: $(WANTED) | $(BENCH_VENV)/bin/pip
	@echo "Installing expert-hub with what it is measured against (a minute or two the first time)"
	@$(subst $(VENV)/,$(BENCH_VENV)/,$(PIP)) --editable '.[bench]' || \
		{ echo "Going on without what cannot be installed here"; $(subst $(VENV)/,$(BENCH_VENV)/,$(PIP)) --editable .; }
	@touch $@
