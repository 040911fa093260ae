# Every target is safe to run again. `make demo` and `make test` set everything up first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
BUILD := .build
SHARED ?= $(or $(RAGSTONE_SHARED),../shared)
RUST_SOURCES := $(shell find rust -name '*.rs' -o -name Cargo.toml) Cargo.toml Cargo.lock pyproject.toml
MINILM := $(BUILD)/minilm.stamp

.PHONY: help setup build demo test test-rust test-python check format lint types wheel corpus quality benchmark figures faults offline clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1|/' | column -t -s '|'

setup: $(BUILD)/python.stamp $(BUILD)/native.stamp $(MINILM) ## Set up .venv with ragstone, its [onnx] extra and the MiniLM model

$(BUILD)/python.stamp: python/requirements.txt
	@mkdir -p $(BUILD)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r python/requirements.txt
	@touch $@

$(BUILD)/crates.stamp: Cargo.lock
	@mkdir -p $(BUILD)
	cargo fetch --quiet --locked
	@touch $@

$(BUILD)/native.stamp: $(BUILD)/python.stamp $(BUILD)/crates.stamp $(RUST_SOURCES)
	VIRTUAL_ENV=$(abspath $(VENV)) PATH="$(abspath $(BIN)):$$PATH" $(BIN)/maturin develop --quiet --locked --profile dev-fast
	@touch $@

$(MINILM): $(BUILD)/python.stamp python/models/build_minilm.py $(wildcard python/models/minilm/*)
	$(BIN)/python python/models/build_minilm.py --build $(BUILD)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-index --force-reinstall $(BUILD)/ragstone_minilm-*.whl
	@touch $@

build: $(BUILD)/native.stamp ## Build the native module into .venv

demo: setup ## Run the main job on the handbook corpus, without a network
	$(BIN)/ragstone demo corpora/handbook

test: setup ## Run every default test, without a network
	cargo test --quiet --frozen --workspace --exclude ragstone-python
	$(BIN)/python -m pytest -q

test-rust: ## Run the Rust tests
	cargo test --quiet --locked --workspace --exclude ragstone-python

test-python: setup ## Run the Python tests
	$(BIN)/python -m pytest -q

check: setup lint types test ## Format, lints, types, tests: what has to pass

format: setup ## Rewrite the code in its format
	cargo fmt --all
	$(BIN)/ruff format python tests benches corpora/*.py
	$(BIN)/ruff check --fix python tests benches corpora

lint: setup ## Check format and lints
	cargo fmt --all --check
	cargo clippy --quiet --locked --workspace --all-targets -- -D warnings
	$(BIN)/ruff format --check python tests benches corpora/*.py
	$(BIN)/ruff check python tests benches corpora

types: setup ## Check types, and the stub against the built module
	$(BIN)/mypy
	$(BIN)/python -m mypy.stubtest ragstone._core --ignore-missing-stub

wheel: $(BUILD)/python.stamp ## Build the release wheel and print its size
	VIRTUAL_ENV=$(abspath $(VENV)) PATH="$(abspath $(BIN)):$$PATH" $(BIN)/maturin build --locked --release --strip --out dist
	@ls -l dist/*.whl | awk '{printf "%s  %.1f MB\n", $$NF, $$5 / 1e6}'

corpus: setup ## Build the large real corpus from Debian's documentation packages (needs the network)
	$(BIN)/python corpora/build.py --into $(BUILD)/corpora/debian

quality: setup ## Measure retrieval quality on the shared test sets into benches/results
	$(BIN)/python benches/quality.py --sets $(SHARED)/data/sets

benchmark: setup ## Measure ingest, size, memory and latency on 100,000 real chunks into benches/results
	$(BIN)/python benches/end_to_end.py --corpus $(BUILD)/corpora/debian --embedder builtin
	$(BIN)/python benches/end_to_end.py --corpus $(BUILD)/corpora/debian --embedder minilm

figures: ## Write the recorded results into the README
	$(BIN)/python benches/report.py

faults: setup ## Attack durability and hostile bytes 30 times as hard as the default tests
	RAGSTONE_FAULTS=30 PROPTEST_CASES=3000 cargo test --quiet --frozen -p ragstone-engine --test promises -- --nocapture

offline: setup ## Prove that demo and test need no network after the set-up (needs unshare)
	unshare --net --map-root-user $(MAKE) demo test

clean: ## Remove everything that was built
	rm -rf $(VENV) $(BUILD) target dist
