# The one door: `make demo` and `make test` do all the set-up they need.
#
# Everything is built in the release profile, so that the demo, the tests and the benchmarks share one build of the
# dependencies (the long part).

MODEL := .asktwice/models/all-MiniLM-L6-v2
ASKTWICE := target/release/asktwice
CARGO := cargo
# Everything shares one build of the dependencies, so everything is built with the feature that only tests need.
BUILD := --release --locked --features virtual-time

# Set-up comes before what needs it, in the order written here.
.NOTPARALLEL:
.PHONY: demo test build setup fmt clippy unit doc features faults test-litellm test-page test-clients test-openapi test-sidecar \
	image-root bench bench-deadline bench-embed bench-index bench-serve soak eval footprint clean

demo: setup ## Run the main job on the help-centre corpus. ARGS="--llm URL --model NAME" asks a real language model.
	@$(ASKTWICE) demo $(ARGS)

test: fmt setup clippy unit doc features ## Run every check.

build: ## Leave the program at target/release/asktwice.
	@scripts/setup.sh
	@$(CARGO) build $(BUILD) $(if $(wildcard $(ASKTWICE)),--quiet)

setup: build $(MODEL)/asktwice.json ## ONNX Runtime and the default model, in .asktwice.

$(MODEL)/asktwice.json:
	@echo "set-up: writing the ONNX files"
	@$(ASKTWICE) import-model .asktwice/weights/all-MiniLM-L6-v2 $(MODEL)
	@rm -rf .asktwice/weights

fmt:
	$(CARGO) fmt --check

clippy:
	$(CARGO) clippy $(BUILD) --all-targets -- --deny warnings

unit:
	ASKTWICE_TEST_SETUP=1 $(CARGO) test $(BUILD)

doc:
	RUSTDOCFLAGS="--deny warnings" $(CARGO) doc $(BUILD) --no-deps

FEATURES := onnx edge qdrant llm remote hub cache index server mcp cli otlp
features: ## Check that the library builds without features, and with each alone.
	@for feature in "" $(FEATURES); do \
		echo "the library with feature '$$feature' alone"; \
		$(CARGO) clippy --release --locked --quiet --lib --no-default-features --features "$$feature" \
			-- --deny warnings || exit 1; \
	done

faults: ## Long: each of the language model's faults 100 times, with a table of what came of it and how long it took.
	ASKTWICE_FAULT_REPETITIONS=100 $(CARGO) test $(BUILD) --test main rewrite::faults -- --nocapture

test-litellm: ## The rewriter against LiteLLM's proxy with mocked replies, from PyPI.
	@scripts/test_litellm.sh $(CARGO) test $(BUILD) --test main rewrite::litellm -- --nocapture

bench: setup ## Long: embedding, searching, fusing and the whole call.
	$(CARGO) bench --locked --features virtual-time --bench pipeline --bench fusion

bench-deadline: setup ## Latencies of the language model against deadlines. CALLS=N calls a cell.
	$(CARGO) bench --locked --features virtual-time --bench deadline

SCIFACT := ../shared/data/scifact
# The peers and what they need lie apart from everything else.
PEERS := .asktwice/bench
bench-embed: setup $(PEERS)/venv/ready ## Some 9 minutes: the embedder beside its peers. SHORT=1 takes two.
	@$(CARGO) build --release --locked --quiet --manifest-path bench/Cargo.toml --target-dir target/bench
	@$(PEERS)/venv/bin/python bench/prepare.py $(PEERS) $(SCIFACT)
	@program=$$(scripts/built.sh embed) && python3 bench/embed.py "$$program"

# ASKTWICE_TEST_QDRANT=http://HOST:6334 has the peers search a Qdrant server.
bench-serve: setup $(PEERS)/chains/ready ## Some 20 minutes: the sidecar beside LangChain and others. SHORT=1 takes 3.
	@$(CARGO) build --release --locked --quiet --manifest-path bench/Cargo.toml --target-dir target/bench
	@$(PEERS)/chains/bin/python bench/prepare.py $(PEERS) $(SCIFACT)
	@program=$$(scripts/built.sh serve) && python3 -B bench/serve.py "$$program" $(SCIFACT)

$(PEERS)/chains/ready: bench/requirements.txt bench/serve-requirements.txt
	@python3 -m venv $(PEERS)/chains
	@$(PEERS)/chains/bin/pip install --quiet --disable-pip-version-check --requirement bench/requirements.txt \
		--requirement bench/serve-requirements.txt
	@touch $@

$(PEERS)/venv/ready: bench/requirements.txt
	@python3 -m venv $(PEERS)/venv
	@$(PEERS)/venv/bin/pip install --quiet --disable-pip-version-check --requirement bench/requirements.txt
	@touch $@

bench-index: setup ## SciFact, from text to searchable, in the embedded engine. PRECISIONS=int8 takes one of the two.
	@python3 bench/index.py $(ASKTWICE) $(SCIFACT)

COUNT := 1000000
soak: setup ## An hour or more: memory over a million embeddings of 1 to 512 tokens. COUNT=N takes fewer.
	@program=$$(scripts/built.sh embed) && "$$program" soak count=$(COUNT)

RECORDED = $(foreach file,$(wildcard $(SCIFACT)/rewrites/*_paraphrase.jsonl),--rewrites $(file):paraphrase) \
	$(foreach file,$(wildcard $(SCIFACT)/rewrites/*_expansion*.jsonl),--rewrites $(file):keywords)
eval: setup ## The figures of README and docs/evaluation.md, tuned ones too, on BEIR's SciFact (SCIFACT=folder).
	@$(ASKTWICE) eval --data $(SCIFACT) $(RECORDED)
	@for legs in dense bm25; do echo "the question alone, $$legs"; $(ASKTWICE) eval --data $(SCIFACT) --legs $$legs; done
	@$(ASKTWICE) eval --data $(SCIFACT) $(RECORDED) --ablation
	@$(ASKTWICE) tune --data $(SCIFACT) $(RECORDED) --out .asktwice/tuned.toml

footprint: setup ## Disk, start-up time and peak memory.
	@$(ASKTWICE) demo >/dev/null
	@python3 scripts/footprint.py

PAGE := .asktwice/page-test
test-page: setup ## The sidecar's page in Debian's Chromium: mouse, keyboard, phone, dark mode; screenshots in target/page.
	@command -v chromium >/dev/null && command -v chromedriver >/dev/null || \
		{ apt-get update && apt-get install --yes --no-install-recommends chromium chromium-driver; }
	@[ -x $(PAGE)/bin/python ] || python3 -m venv $(PAGE)
	@$(PAGE)/bin/pip install --quiet --disable-pip-version-check --no-deps --requirement scripts/page-requirements.txt
	@$(PAGE)/bin/python -B scripts/page_test.py

test-clients: setup ## The sidecar with the official Python packages of OpenAI and of MCP as its clients.
	@[ -x .asktwice/clients/bin/python ] || python3 -m venv .asktwice/clients
	@.asktwice/clients/bin/pip install --quiet --disable-pip-version-check openai==3.57.0 mcp==2.3.0
	@.asktwice/clients/bin/python -B scripts/openai_test.py
	@.asktwice/clients/bin/python -B scripts/mcp_test.py

test-openapi: setup ## The sidecar against its own OpenAPI document, by schemathesis; some 2 minutes. ARGS="…" go on to it.
	@[ -x .asktwice/openapi/bin/python ] || python3 -m venv .asktwice/openapi
	@.asktwice/openapi/bin/pip install --quiet --disable-pip-version-check schemathesis==4.32.5
	@.asktwice/openapi/bin/python -B scripts/openapi_test.py $(ARGS)

test-sidecar: test-page test-clients test-openapi ## The sidecar from outside: in a browser, by others' clients, by its document.

image-root: setup ## The files of a small image, run with nothing else around them (as root); deploy/Dockerfile takes them.
	@scripts/image.sh

clean:
	rm -rf target .asktwice
