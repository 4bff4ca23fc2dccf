#!/usr/bin/env bash
# Puts a CPU build of libtorch 2.11.0, the version that tch 0.24 binds, into DIR (default .libtorch):
# headers and the two shared libraries that a CPU program needs, cut out of PyPI's PyTorch wheel.
# A complete DIR is left alone. To use another libtorch, set LIBTORCH or LIBTORCH_USE_PYTORCH=1 instead.
set -euo pipefail

dir=${1:-.libtorch}
say() { echo "libtorch: $*" >&2; }

wheels='torch==2.11.0 --hash=sha256:7aa2f9bbc6d4595ba72138026b2074be1233186150e9292865e04b7a63b8c67a
nvidia-cuda-runtime==13.0.96 --hash=sha256:7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548
nvidia-cuda-cupti==13.0.85 --hash=sha256:4eb01c08e859bf924d222250d2e8f8b8ff6d3db4721288cf35d14252a4d933c8'
stamp=$(printf 'layout 1\n%s' "$wheels" | cksum)
needed='torch/lib/libtorch_cpu.so torch/lib/libc10.so torch/lib/libtorch.so torch/build-version
torch/include/torch/csrc/api/include/torch/torch.h torch/include/ATen/ATen.h
nvidia/cu13/lib/libcudart.so.13 nvidia/cu13/lib/libcupti.so.13'

complete() {
    [ "$(cat "$dir/.stamp" 2>/dev/null)" = "$stamp" ] || return 1
    local file
    for file in $needed; do [ -s "$dir/$file" ] || return 1; done
}

if [ -n "${LIBTORCH:-}" ] || [ "${LIBTORCH_USE_PYTORCH:-}" = 1 ]; then
    say "using yours (LIBTORCH or LIBTORCH_USE_PYTORCH is set); nothing to fetch"
    exit 0
fi
complete && exit 0
if [ "$(uname -sm)" != "Linux x86_64" ]; then
    say "no prebuilt recipe for $(uname -sm). Install libtorch 2.11.0 and set LIBTORCH=/path/to/libtorch,"
    say "or pip install torch==2.11.0 and set LIBTORCH_USE_PYTORCH=1."
    exit 1
fi
python=$(command -v python3) || { say "needs python3 with pip (any 3.9 or later); or set LIBTORCH"; exit 1; }
"$python" -m pip --version >/dev/null 2>&1 || { say "$python has no pip (on Debian: apt install python3-pip); or set LIBTORCH"; exit 1; }

mkdir -p "$dir"
exec 9>"$dir/.lock"
flock 9                                     # a second caller waits and then finds the work done
complete && exit 0
say "downloading PyTorch 2.11.0 from PyPI: 544 MB once, 500 MB on disk afterwards"
parts="$dir/.download"
rm -rf "$parts" "$dir/.stamp" "$dir/torch" "$dir/nvidia"
mkdir "$parts"
trap 'rm -rf "$parts"' EXIT
printf '%s\n' "$wheels" >"$parts/wheels.txt"
# The Python tag is fixed, so any python3 will do: the C++ libraries are the same in every wheel. Their wheels
# declare CUDA as a dependency, hence --no-deps; libtorch_cpu.so itself needs only the two small ones.
platforms=()
for tag in manylinux_2_28 manylinux_2_27 manylinux_2_25 manylinux_2_17 manylinux2014; do
    platforms+=(--platform "${tag}_x86_64")
done
bar=off; [ -t 2 ] && bar=on
TMPDIR="$parts" "$python" -m pip download --disable-pip-version-check --no-cache-dir --progress-bar "$bar" \
    --no-deps --require-hashes --only-binary=:all: --implementation cp --python-version 3.11 --abi cp311 --abi none \
    "${platforms[@]}" --dest "$parts" --requirement "$parts/wheels.txt" >&2

say "unpacking"
"$python" - "$parts" "$dir" <<'PY'
import pathlib, re, sys, zipfile

parts, target = map(pathlib.Path, sys.argv[1:])
wanted = re.compile(
    r"torch/include/.*"
    r"|torch/lib/(libtorch_cpu\.so|libc10\.so|libgomp[^/]*)"
    r"|nvidia/cu13/lib/(libcudart|libcupti)\.so\.13"
    r"|[^/]*\.dist-info/(licenses/)?(LICENSE|License|NOTICE)[^/]*"
)
for wheel in sorted(parts.glob("*.whl")):
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.infolist():
            if not member.is_dir() and wanted.fullmatch(member.filename):
                archive.extract(member, target)
PY
# torch-sys links -ltorch; the wheel's own libtorch.so would pull in CUDA.
ln -s libtorch_cpu.so "$dir/torch/lib/libtorch.so"
echo 2.11.0 >"$dir/torch/build-version"
env -u LD_LIBRARY_PATH LD_BIND_NOW=1 "$python" -c 'import ctypes, sys; ctypes.CDLL(sys.argv[1])' \
    "$(cd "$dir" && pwd)/torch/lib/libtorch_cpu.so"
echo "$stamp" >"$dir/.stamp"
rm -rf "$parts"
complete || { say "$dir is incomplete after unpacking; remove it and try again"; exit 1; }
say "ready in $dir ($(du -sm "$dir" | cut -f1) MB)"
