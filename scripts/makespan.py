#!/usr/bin/env python3
"""Works out what a large benchmark costs on many workers, from the measured cell costs of a small one.

    bertillon plan SUITE -o plan.json
    python3 scripts/makespan.py plan.json --models 10000 --benign 16 --crafting 4 --bank 100 --workers 1600

Costs of cells are drawn from the plan's own (seconds of one worker); those of answering crafted queries grow with the owners,
since every model answers every bank. Shares by hash, each worked on longest cell first, are compared with one queue from
which whoever is free takes the longest cell, and with the least that any order can take. Standard library only.
"""

import argparse
import hashlib
import heapq
import json
import random

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("plan")
parser.add_argument("--models", type=int, default=10_000)
parser.add_argument("--benign", type=int, default=16, help="methods that ask images of the pool")
parser.add_argument("--crafting", type=int, default=4, help="methods that craft queries")
parser.add_argument("--bank", type=int, default=100, help="queries an owner crafts by each")
parser.add_argument("--pool", type=int, default=2_000, help="images of the pool")
parser.add_argument("--workers", type=int, default=1_600)
parser.add_argument("--seconds-per-answer", type=float, required=True, help="of a vanilla, one worker")
given = parser.parse_args()

cells = json.load(open(given.plan))["cells"]
models = [cell["seconds"] for cell in cells if cell["phase"] == "models"]
crafting = [cell["seconds"] for cell in cells if cell["phase"] == "crafting"]
vanillas = [cell["seconds"] for cell in cells if cell["phase"] == "vanillas"]
if not models or not any(models):
    raise SystemExit("freeze the plan with an empty --cache: its cells are done already")
variants = len(models) // len(vanillas) - 1
owners = given.models // (variants + 1)

# A model of the plan answers its pool and its banks; relative to a vanilla's answer it costs so much an answer.
asked = json.load(open(given.plan))["suite"]["text"]
random.seed(0)
banks = owners * given.bank * given.crafting
answered = given.pool + banks
unit = sorted(models)[len(models) // 2]


def shares(costs, by_hash):
    if by_hash:
        work = [0.0] * given.workers
        for number, cost in enumerate(costs):
            digest = hashlib.blake2b(number.to_bytes(8, "little"), digest_size=8).digest()
            work[int.from_bytes(digest, "little") % given.workers] += cost
        return max(work)
    free = [0.0] * given.workers
    for cost in sorted(costs, reverse=True):
        heapq.heappush(free, heapq.heappop(free) + cost)
    return max(free)


def hours(seconds):
    return f"{seconds / 3600:10.2f}"


scale = answered * given.seconds_per_answer / (sum(models) / len(models))
phases = {
    "crafting": [random.choice(crafting) for _ in range(owners * given.crafting)] if crafting else [],
    "models": [random.choice(models) * scale for _ in range(given.models)],
}
print(f"{given.models} models in {owners} families, {given.benign + given.crafting} methods, {given.workers} workers")
print(f"answers a model: {given.pool} to the pool, {banks} to crafted queries")
print(f"{'phase':10} {'cells':>8} {'work, h':>10} {'longest, h':>10} {'least, h':>10} {'by hash, h':>10} {'one queue, h':>12}")
for name, costs in phases.items():
    if costs:
        least = max(sum(costs) / given.workers, max(costs))
        row = [sum(costs), max(costs), least, shares(costs, True), shares(costs, False)]
        print(f"{name:10} {len(costs):8} " + " ".join(hours(value) for value in row))
