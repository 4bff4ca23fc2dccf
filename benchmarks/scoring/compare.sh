#!/bin/sh
# Scores a folder of .npy answers by bertillon and by numpy, one after the other on one core, and prints the ratios.
#
#     compare.sh FOLDER [REPEATS]
#
# PYTHON names an interpreter that has numpy.
set -eu
folder=${1:?usage: compare.sh FOLDER [REPEATS]}
repeats=${2:-5}
root=$(cd "$(dirname "$0")/../.." && pwd)
figures=$(mktemp -d)
trap 'rm -r "$figures"' EXIT

cargo build --quiet --manifest-path "$root/Cargo.toml" -p bertillon-scoring --example standard
target=${CARGO_TARGET_DIR:-$root/target}
"$target/debug/examples/standard" "$folder" "$repeats" | tee "$figures/bertillon"
echo "# numpy"
"${PYTHON:-python3}" "$root/benchmarks/scoring/numpy_scoring.py" "$folder" "$repeats" | tee "$figures/numpy"
echo "# numpy / bertillon"
awk -F '\t' 'NR == FNR { ours[$1] = $2; next } $1 in ours { printf "%s\t%.1f\n", $1, $2 / ours[$1] }' \
    "$figures/bertillon" "$figures/numpy"
