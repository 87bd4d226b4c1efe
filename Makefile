# Two commands on a fresh machine with Python 3.11 and make: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile
# What pip would do on one core. Some packages hold files that are not Python.
COMPILE := $(BIN)/python -m compileall -qq -j 0 $(VENV)/lib || true
DEMO ?= demo.space
DEMO_WORDS ?= demo.words
WORKERS ?= 2

.PHONY: demo test test-fast check docs setup setup-dev browser explorer-library bench constraints clean

demo: setup
	rm -rf $(DEMO)
	$(BIN)/rowspace build examples/factbook --out $(DEMO)
	@echo; echo '$$ rowspace search $(DEMO) "landlocked country with a lake that shrinks" -k 3'
	@$(BIN)/rowspace search $(DEMO) "landlocked country with a lake that shrinks" -k 3
	@echo; echo '$$ rowspace search $(DEMO) "earthquakes and volcanoes" -k 2 --where '"'"'independence >= 1960'"'"
	@$(BIN)/rowspace search $(DEMO) "earthquakes and volcanoes" -k 2 --where 'independence >= 1960'
	@echo; echo '$$ rowspace neighbors $(DEMO) volcano coffee -k 5'
	@$(BIN)/rowspace neighbors $(DEMO) volcano coffee -k 5
	@echo; echo 'Analogies want more text than that: add seventeen novels.'
	rm -rf $(DEMO_WORDS) $(DEMO_WORDS).training
	$(BIN)/rowspace train word2vec examples/factbook examples/gutenberg --out $(DEMO_WORDS) --epochs 10
	@echo; echo '$$ rowspace analogy $(DEMO_WORDS) his he she -k 3'
	@$(BIN)/rowspace analogy $(DEMO_WORDS) his he she -k 3
	@echo; echo '$$ rowspace analogy $(DEMO_WORDS) man boy girl -k 3'
	@$(BIN)/rowspace analogy $(DEMO_WORDS) man boy girl -k 3
	@echo; echo 'The report is $(DEMO)/report.html: open it in a browser. To look around in the space:'
	@echo '$$ $(BIN)/rowspace explore $(DEMO)'

# Two files at a time: most tests wait for one core, a process or a browser. Files keep the order
# of tests/conftest.py, the slow ones first.
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

test: setup-dev browser
	$(PYTEST)

test-fast: setup-dev
	$(PYTEST) -m 'not slow'

check: setup-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The documentation as a site; open .cache/site/index.html.
docs: setup-dev
	$(BIN)/sphinx-build -W --keep-going -n -q -d .cache/doctrees docs .cache/site
	@echo 'the site is .cache/site/index.html'

# Every benchmark that a claim rests on, then the claims: hours. BENCH=--resume goes on.
bench: setup-dev
	$(BIN)/python -m benchmarks $(BENCH)

# What the explorer's tests look through; where it cannot be installed, they skip.
browser:
	@command -v chromium >/dev/null && command -v curl >/dev/null || { [ "$$(id -u)" = 0 ] && apt-get update -qq && \
		apt-get install -y -qq chromium curl >/dev/null; } || echo 'no chromium: the tests in it will skip'

# Bundle the explorer's one JavaScript library anew, after a change of its version. Needs npm.
explorer-library:
	cd constraints/explorer && npm ci --silent && npm run --silent build

# The stamps make a second run install nothing.
setup: $(VENV)/base.stamp
setup-dev: $(VENV)/dev.stamp

$(VENV)/base.stamp: constraints/base.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) --require-hashes -r constraints/base.txt
	$(PIP) --no-deps --no-build-isolation -e .
	$(COMPILE)
	touch $@

$(VENV)/dev.stamp: constraints/dev.txt constraints/torch.txt constraints/cuda.txt constraints/hnswlib.txt $(VENV)/base.stamp
	$(PIP) --no-deps --require-hashes -r constraints/dev.txt
	$(PIP) --no-deps --require-hashes --no-index -r constraints/torch.txt 2>/dev/null || \
		$(PIP) --no-deps --require-hashes -r constraints/torch.txt
	$(BIN)/python -c "import torch" 2>/dev/null || \
		$(PIP) --no-deps --require-hashes -r constraints/cuda.txt
	command -v c++ >/dev/null || { [ "$$(id -u)" = 0 ] && apt-get update -qq && \
		apt-get install -y -qq g++ >/dev/null; } || echo 'no C++ compiler'
	$(PIP) --no-deps --no-build-isolation --require-hashes -r constraints/hnswlib.txt || \
		echo 'hnswlib needs a C++ compiler: its tests will skip'
	$(COMPILE)
	touch $@

# Pin the newest versions anew. Needs uv: pip install uv
constraints:
	$(PYTHON) constraints/pin.py

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache $(DEMO) $(DEMO_WORDS)
