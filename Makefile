# Thin: each target sets up what it needs, says what it does, and can be run again at no cost.
# All share one cargo profile, so that torch-sys (minutes of C++) is compiled once.

SUITE ?= benchmarks/suites/quickstart.toml
BERTILLON = target/debug/bertillon

.PHONY: demo test test-faults test-cluster test-fuzz gate rates lint bench build libtorch python

demo: build
	$(BERTILLON) run $(SUITE)

build: libtorch
	@[ -x $(BERTILLON) ] || echo "first build: about 10 minutes on 2 cores (half of it one C++ file of torch-sys)" >&2
	cargo build

test: libtorch python
	cargo test --workspace --exclude bertillon-panicking --lib --bins --tests
	@$(MAKE) --no-print-directory rates

test-faults: libtorch  # kills, full disks, damaged caches: docs/RELIABILITY.md
	BERTILLON_KILLS=50 cargo test -p bertillon-cli --test faults -- --show-output --test-threads 1

test-cluster: libtorch  # a Slurm of two nodes, one of which is lost; skipped with a reason where there is no Slurm
	BERTILLON_CLUSTER=1 cargo test -p bertillon-cli --test cluster -- --show-output

test-fuzz: libtorch  # a few minutes; what was tried, and how often, is printed: docs/RELIABILITY.md
	@scripts/test-fuzz.sh

gate: build rates

rates:  # with the program that is built; our own detection rates against the stored ones: docs/TRACKING.md
	$(BERTILLON) run benchmarks/suites/quickstart.toml --quiet --out target/gate >/dev/null
	$(BERTILLON) compare benchmarks/baselines/quickstart.json target/gate --gate --tolerance 5

lint: libtorch
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items
	@if cargo deny --version >/dev/null 2>&1; then cargo deny check; else \
		echo "licences and advisories of dependencies are not checked: cargo install cargo-deny"; fi

bench: libtorch python  # beside PyTorch: benchmarks/speed/pytorch.py
	PYTHONPATH=$(CURDIR)/.python cargo bench --profile dev -p bertillon-speed
	cargo bench --profile dev -p bertillon-scoring  # beside numpy: benchmarks/scoring/compare.sh

libtorch:
	@scripts/fetch-libtorch.sh

python:  # numpy, for the tests of plugins in Python
	@scripts/fetch-python.sh
