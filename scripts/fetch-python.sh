#!/usr/bin/env bash
# Puts numpy for this machine's python3 into DIR (default .python), for the tests of plugins in Python.
# Nothing else needs it; without it those tests say that they are skipped.
set -euo pipefail

dir=${1:-.python}
say() { echo "python: $*" >&2; }

python=$(command -v python3) || { say "no python3: tests of plugins in Python will be skipped"; exit 0; }
stamp=$("$python" -c 'import platform; print("numpy", platform.python_version())')
[ "$(cat "$dir/.stamp" 2>/dev/null)" = "$stamp" ] && exit 0
say "fetching numpy from PyPI: 20 MB once"
rm -rf "$dir"
"$python" -m pip install --disable-pip-version-check --quiet --only-binary=:all: --target "$dir" 'numpy>=1.24' >&2
echo "$stamp" >"$dir/.stamp"
