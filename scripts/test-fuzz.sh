#!/usr/bin/env bash
# Tries the readers of files that may be anybody's: by libFuzzer, FUZZ_SECONDS a target, where a nightly compiler with
# cargo-fuzz is there; by the stable compiler, with BERTILLON_MUTATIONS times the mutations that `make test` tries.
set -euo pipefail
cd "$(dirname "$0")/.."

if cargo +nightly fuzz --version >/dev/null 2>&1; then
    for target in $(cargo +nightly fuzz list); do
        # C++ that was built without the address sanitizer does not go with it.
        cargo +nightly fuzz run --sanitizer none --features libfuzzer "$target" -- \
            -max_total_time="${FUZZ_SECONDS:-60}" -timeout=30 -rss_limit_mb=4096 -print_final_stats=1 2>&1 |
            grep -E "stat::number_of_executed_units|ERROR|SUMMARY|panicked" | sed "s/^/$target: /"
    done
else
    echo "libFuzzer is skipped: it wants a nightly compiler with cargo-fuzz (rustup toolchain install nightly; cargo" \
        "install cargo-fuzz). Mutations of the corpora are tried by the stable compiler:"
fi
export BERTILLON_MUTATIONS="${BERTILLON_MUTATIONS:-50}"
cargo test -p bertillon-fuzz --test corpora -- --show-output | grep -vE "^$|^----"
