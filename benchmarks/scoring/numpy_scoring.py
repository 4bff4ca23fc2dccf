"""The standard evaluation in numpy, as fast as it was made: what `standard` is compared with.

    numpy_scoring.py FOLDER [REPEATS]

One line a figure, as `standard` prints them: what, processor seconds (the least of the repeats) on one thread.
Symbols are right and wrong; D = 1 - I / min(H(Y), H(Z)), infinite where an entropy is zero.
"""

import os

for library in ("OMP", "OPENBLAS", "MKL"):
    os.environ[f"{library}_NUM_THREADS"] = "1"

import pathlib
import sys
import time

import numpy as np

BUDGETS = (20, 50, 100, 200, 500)
DRAWS = 20


def read(folder):
    """Right answers, one byte each, image by image, and the columns of the vanillas."""
    truth = np.load(folder / "ground_truth.npy").ravel()
    files = sorted(folder.glob("*.npy"), key=lambda file: file.stem)
    files = [file for file in files if file.stem not in ("ground_truth", "images_names")]
    right = np.empty((len(truth), len(files)), np.uint8)
    for column, file in enumerate(files):
        right[:, column] = np.load(file).ravel() == truth
    return right, [i for i, file in enumerate(files) if "-" not in file.stem]


def add_up(rows):
    """Sums of columns of zeros and ones: bytes are added while they can't overflow."""
    if len(rows) < 256:
        return rows.sum(axis=0, dtype=np.uint8)
    pieces = [rows[start : start + 255] for start in range(0, len(rows), 255)]
    return sum(piece.sum(axis=0, dtype=np.uint8).astype(np.uint16) for piece in pieces)


def evaluate(right, vanillas, budget, random):
    """Distances [draws, vanillas, models]."""
    models = right.shape[1]
    both = np.empty((DRAWS, len(vanillas), models), np.uint16)
    alone = np.empty_like(both)
    rights = np.empty((DRAWS, len(vanillas), 1), np.int64)
    for draw in range(DRAWS):
        for owner, column in enumerate(vanillas):
            images = random.choice(len(right), budget, replace=False, shuffle=False)
            own = right[images, column] == 1
            both[draw, owner] = add_up(right[images[own]])
            alone[draw, owner] = add_up(right[images[~own]])
            rights[draw, owner] = np.count_nonzero(own)
    n = np.arange(budget + 1, dtype=np.float64)
    term = n * np.log2(np.maximum(n, 1))
    pair = term + term[::-1]  # of a count and of what it leaves
    row = term[budget] - pair[rights]
    column = term[budget] - pair[both + alone]
    joint = term[both] + term[rights - both] + term[alone] + term[budget - rights - alone]
    least = np.minimum(row, column)
    with np.errstate(divide="ignore", invalid="ignore"):
        distances = 1 - np.clip((row + column - term[budget] + joint) / least, 0, 1)
    distances[least <= 0] = np.inf
    return distances


def report(what, repeats, run):
    seconds = []
    for _ in range(repeats):
        start = time.process_time()
        run()
        seconds.append(time.process_time() - start)
    print(f"{what}\t{min(seconds):.6f}", flush=True)
    return min(seconds)


def main():
    right, vanillas = read(pathlib.Path(sys.argv[1]))
    repeats = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    random = np.random.default_rng(0)
    total = 0
    for budget in BUDGETS:
        run = lambda: evaluate(right, vanillas, budget, random)
        total += report(f"evaluation L={budget}", repeats, run)
    print(f"evaluation sum\t{total:.6f}")
    floats = np.ascontiguousarray(right.T).astype(np.float32)
    report("pairs of a table", repeats, lambda: floats @ floats.T)  # the counts only


if __name__ == "__main__":
    main()
