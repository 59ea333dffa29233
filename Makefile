# `make demo` shows it, `make test` tests it, `make bench` measures it. Needs only python3 with venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo fleet fleet-demo test test-py test-ha quick lint bench fuzz torture lock docs release clean

demo: $(VENV)/ready
	@$(BIN)/heliograph demo

test: $(VENV)/ready  ## a file's tests run in one process; files are distributed over the cores
	@$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder $(TESTS)

test-py:  ## the tests on another Python, in an environment of its own: make test-py PYTHON=python3.13 [TESTS="tests/core"]
	@version=$$($(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])') && \
	  $(MAKE) --no-print-directory VENV=.venv-$$version PYTHON=$(PYTHON) test

test-ha:  ## the integration in Home Assistant's core: make test-ha PYTHON=python3.13 (core 2025.4) or python3.14 (2026.10)
	@version=$$($(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])') && \
	  if [ -f requirements/homeassistant-$$version.txt ]; then \
	    $(MAKE) --no-print-directory VENV=.venv-ha-$$version PYTHON=$(PYTHON) run-ha; \
	  else echo "skipped: Home Assistant's core is locked for Python 3.13 and 3.14, and $(PYTHON) is $$version; say which with: make test-ha PYTHON=python3.13"; fi

.PHONY: run-ha
COVER = $(if $(TESTS),,--cov --cov-config tests/homeassistant/coverage.ini)  # of all tests
run-ha: $(VENV)/ready-ha
	@$(BIN)/python -m pytest -c tests/homeassistant/pytest.ini --rootdir tests/homeassistant $(COVER) \
	  $(or $(TESTS),tests/homeassistant)

$(VENV)/ready-ha: requirements/homeassistant-3.13.txt requirements/homeassistant-3.14.txt pyproject.toml
	@$(PYTHON) -m venv $(VENV)
	@echo "installing Home Assistant's core into $(VENV) (once, a few minutes) ..."
	@version=$$($(BIN)/python -c 'import sys; print("%d.%d" % sys.version_info[:2])') && \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/homeassistant-$$version.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

quick: $(VENV)/ready  ## without the tests marked slow, in under a minute; tests of 2 s or more are named at the end
	@$(BIN)/python -m pytest -n auto --dist loadfile -m "not slow" --durations 10 --durations-min 2

lint: $(VENV)/ready
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports && $(BIN)/python tools/structure.py

bench: $(VENV)/ready
	@$(BIN)/python bench/run.py

fuzz: $(VENV)/ready  ## every command against mutated responses of the clouds; most of an hour on two cores
	@$(BIN)/python bench/fuzz.py --write

torture: $(VENV)/ready  ## kills, full disks, flipped bits, limits: half an hour; TORTURE=--quick for a sample of two minutes
	@$(BIN)/python bench/torture.py $(TORTURE)

fleet: $(VENV)/ready  ## a fleet with workers that are killed, paused and restarted at random, judged by a witness: FLEET="--accounts 400"
	@$(BIN)/python bench/fleet_chaos.py $(FLEET)

fleet-demo: $(VENV)/ready  ## PostgreSQL, two workers, the page and the emulated clouds on this machine, until Ctrl-C
	@$(BIN)/python bench/fleet_demo.py

docs: $(VENV)/ready  ## derive the tables from the declarations, then build the site in site/
	@$(BIN)/python docs/derive.py
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

release: $(VENV)/ready  ## build and check what is published, in dist/: wheel, source archive, .deb, image, HACS archive, SBOM, checksums
	@$(BIN)/python packaging/release.py

$(VENV)/ready: requirements/dev.txt requirements/peers.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "heliograph needs Python 3.11 or newer; say which with: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "python3 has no venv module; on Debian: apt-get install python3-venv"; exit 1; }
	@echo "installing the locked dependencies into $(VENV) (once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade --no-deps --ignore-requires-python \
	  --require-hashes --target $(VENV)/peers -r requirements/peers.txt  # versions that conflict with the others
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $@

lock: ## needs uv; writes hashes and no URL
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	  --all-extras --group dev pyproject.toml -o requirements/dev.txt
	echo pip | uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	  --extra cli --extra emulator --extra mqtt --extra postgres --extra web --constraint requirements/dev.txt \
	  pyproject.toml - -o requirements/runtime.txt
	echo hatchling | uv pip compile - --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	  --constraint requirements/dev.txt -o requirements/build.txt
	printf 'twine\ncheck-wheel-contents\n' | uv pip compile - --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-header --no-annotate -o requirements/release.txt
	printf '%s\n' pygoodwe==0.2.0 $(foreach peer,growatt-public-api==2026.5.19 pydantic==2.8.2 pydantic-core==2.20.1 \
	  annotated-types==0.8.0 loguru==0.7.3,'$(peer) ; python_version < "3.14" and sys_platform == "linux"') | \
	  uv pip compile - --quiet --universal --python-version 3.12 --no-deps --generate-hashes --no-header \
	  --no-annotate -o requirements/peers.txt
	for one in "3.13 2025.4.4 0.13.236 1.6.0" "3.14.2 2026.10.4 0.13.375 2.2.0"; do set -- $$one; \
	  printf '%s\n' homeassistant==$$2 pytest-homeassistant-custom-component==$$3 growattServer==$$4 \
	    sqlalchemy fnv-hash-fast psutil-home-assistant ifaddr zeroconf hatchling editables mypy | \
	  uv pip compile --quiet --python-version $$1 --generate-hashes --no-header --no-annotate --extra aiohttp --extra cli \
	    --extra emulator --extra web pyproject.toml - -o requirements/homeassistant-$$(echo $$1 | cut -d. -f1-2).txt; done

clean:
	rm -rf .venv .venv-* build dist
