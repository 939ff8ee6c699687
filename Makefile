# Bare make lists what there is. `make check` is what CI runs.

PYTHON ?= $(firstword $(foreach name,python3.11 python3.12 python3.13 python3,$(shell $(name) -c "print(1)" >/dev/null 2>&1 && echo $(name))))
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
CORE_TESTS := tests/test_errors.py tests/audio tests/protocol tests/call tests/behaviours tests/simulator/leg tests/media tests/display/test_safe.py

# Where it is set, each of the hundreds of programs that the tests start would compile all its modules anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
NODE_PEERS := tests/peers/node
NODE_STAMP := $(NODE_PEERS)/node_modules/.package-lock.json
TEMPLATES := vonage_sock/templates
KINDS := $(patsubst $(TEMPLATES)/%/server.py,%,$(wildcard $(TEMPLATES)/*/server.py))
PIPECAT := .venv-pipecat
BENCH := .venv-bench
.PHONY: help demo test check fix lint types layers docs docs-check site man image wheel-check scoreboard scoreboard-quick bench conformance soak peers peers-node peers-pipecat clean

help:  ## List the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

$(STAMP): pyproject.toml hatch_build.py $(wildcard vonage_sock/native/*.[ch])
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11))" || { echo "Error: vsock needs Python 3.11 or later; install it, or name it: make demo PYTHON=/path/to/python3.12" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@# uv does in seconds what takes pip more than a minute; where there is no uv, or it knows no index, pip does it.
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv \
	    && $(BIN)/python -m uv pip install --quiet --compile-bytecode --reinstall-package vonage-sock --python $(BIN)/python -e '.[dev,docs]' \
	    || $(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev,docs]'
	@touch $@

demo: $(STAMP)  ## Make a whole call on this machine, without an account
	$(BIN)/vsock demo

$(NODE_STAMP): $(NODE_PEERS)/package-lock.json
	@if ! command -v npm >/dev/null; then echo "npm isn't here: the test servers on Node are left out"; \
	elif npm ci --silent --prefix $(NODE_PEERS); then touch $@; \
	else rm -f $@; echo "npm ci failed: the test servers on Node are left out" >&2; fi

peers-node: $(NODE_STAMP)  ## Install what the test servers on Node need, where npm is there

test: $(STAMP) peers-node  ## Run the tests; those of the core must take every branch of it
	$(BIN)/python -m pytest -n 2 -q --cov --cov-report= $(CORE_TESTS)
	$(BIN)/python scripts/core_coverage.py
	$(BIN)/python -m pytest -n 5 $(addprefix --ignore ,$(CORE_TESTS))

check: lint types layers test docs-check site wheel-check scoreboard-quick  ## All that CI runs

lint: $(STAMP)  ## Style, errors, format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)  ## Strict types, of the package, of its public interface and of the projects of vsock init
	$(BIN)/mypy
	$(BIN)/mypy --strict tests/typing/api.py
	@for kind in $(KINDS); do \
	    echo "mypy $$kind"; \
	    MYPYPATH=$(TEMPLATES)/common:$(TEMPLATES)/$$kind $(BIN)/mypy --strict --explicit-package-bases --no-error-summary \
	        $(TEMPLATES)/common/*.py $(TEMPLATES)/$$kind/*.py $(TEMPLATES)/$$kind/tests/*.py || exit 1; \
	done

layers: $(STAMP)  ## Who may import whom
	$(BIN)/lint-imports

docs: $(STAMP)  ## Write the generated parts of the README and the picture anew
	$(BIN)/python scripts/readme.py
	$(BIN)/python scripts/screenshot.py

docs-check: $(STAMP)  ## Are the README, the picture and the clip what the code makes?
	$(BIN)/python scripts/readme.py --check
	$(BIN)/python scripts/screenshot.py --check
	$(BIN)/python scripts/make_clip.py --check

site: $(STAMP)  ## Build the documentation into build/site; a warning or a dead link fails
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs --quiet build --strict

man: $(STAMP)  ## Write the manual pages into build/man
	$(BIN)/python scripts/man.py build/man

image:  ## Build the container image, where an engine is
	@for engine in docker podman; do \
	    if $$engine info >/dev/null 2>&1; then echo "$$engine build --tag vsock ."; exec $$engine build --tag vsock .; fi; \
	done; \
	echo "Error: no container engine runs here, neither docker nor podman; start one, then: make image" >&2; exit 1

wheel-check: $(STAMP)  ## Are the distributions whole, and does the wheel give a vsock that works in an empty environment?
	$(BIN)/python scripts/wheel_check.py

scoreboard: $(STAMP)  ## Each promise of SECURITY.md as a number, judged from outside; six minutes
	@$(BIN)/python -m uv pip install --quiet --compile-bytecode --python $(BIN)/python 'schemathesis>=4' 2>/dev/null \
	    || $(BIN)/python -m pip install --quiet --disable-pip-version-check 'schemathesis>=4'
	$(BIN)/python scripts/scoreboard

scoreboard-quick: $(STAMP)  ## What of it takes half a minute
	$(BIN)/python scripts/scoreboard --quick

bench:  ## What calls cost beside other servers, in an environment of its own; half an hour
	$(PYTHON) -m venv $(BENCH)
	$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check -e . -r scripts/bench/requirements.txt
	@if command -v npm >/dev/null; then npm ci --silent --prefix scripts/bench; else echo "npm isn't here: Node is left out"; fi
	$(BENCH)/bin/python scripts/bench publish

conformance: $(STAMP)  ## Autobahn's suite over our servers and callers; it needs a Python 2.7; two minutes
	$(BIN)/python scripts/conformance

soak: $(STAMP)  ## Does playing last: ten minutes to 100 calls, ten simulated hours
	$(BIN)/python scripts/soak.py real
	$(BIN)/python scripts/soak.py simulated

peers: $(STAMP) peers-node  ## How well findings fit other people's servers
	$(BIN)/python scripts/peers.py

peers-pipecat: $(STAMP)  ## Call Pipecat's serializer for Vonage, in an environment of its own
	$(PYTHON) -m venv $(PIPECAT)
	$(PIPECAT)/bin/python -m pip install --quiet --disable-pip-version-check -r tests/peers/pipecat/requirements.txt
	$(BIN)/python scripts/peers.py --pipecat $(PIPECAT)/bin/python

fix: $(STAMP)  ## Put right what can be put right by itself
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## Remove everything that was made
	rm -rf $(VENV) vonage_sock/native/_frames*.so .venv-autobahn $(PIPECAT) $(BENCH) $(NODE_PEERS)/node_modules scripts/bench/node_modules build dist .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache
